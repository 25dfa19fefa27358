/* Products with a short side: 600 images by 10 classes, 20 sequences by 200 units. A BLAS copies both operands into its
   own order first, which takes as long as the product where each number of the long operand is used a few times only.
   Here the short operand is packed, and the long one is read where it lies, along or across the sum.

   Each element is summed in the same order whatever the number of threads. */
#include "matrix.h"

enum { NARROW = 32, DEPTH = 128 };
static const double PIECE_FLOPS = 2.2e6;

typedef struct {
    const void *x, *y, *alpha, *beta;           /* the long and the short operand */
    void *c, *packed;
    int64_t longer, shorter, depth, padded, step, short_y, deep_y, long_c, short_c;
    int lies_along;                             /* neighbours of the long side are neighbours in memory */
} narrow;

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

typedef float float_16 __attribute__((vector_size(64)));
typedef double double_8 __attribute__((vector_size(64)));
typedef float float_8 __attribute__((vector_size(32)));
typedef double double_4 __attribute__((vector_size(32)));

#define TARGET __attribute__((target("avx512f,fma"), noinline))
#define UP 4
#define ROWS 4
#define REAL float
#define VECTOR float_16
#define NAME(name) name##_s512
#define ADD_UP(v) _mm512_reduce_add_ps((__m512)(v))
#include "narrow_tile.h"
#define REAL double
#define VECTOR double_8
#define NAME(name) name##_d512
#define ADD_UP(v) _mm512_reduce_add_pd((__m512d)(v))
#include "narrow_tile.h"
#undef TARGET
#undef UP
#undef ROWS

#define TARGET __attribute__((target("avx2,fma"), noinline))
#define UP 2
#define ROWS 2
#define REAL float
#define VECTOR float_8
#define NAME(name) name##_s256
#define ADD_UP(v) (((v)[0] + (v)[4]) + ((v)[1] + (v)[5]) + (((v)[2] + (v)[6]) + ((v)[3] + (v)[7])))
#include "narrow_tile.h"
#define REAL double
#define VECTOR double_4
#define NAME(name) name##_d256
#define ADD_UP(v) (((v)[0] + (v)[2]) + ((v)[1] + (v)[3]))
#include "narrow_tile.h"

static void run(narrow *p, int dtype)
{
    int64_t block;
    void (*work)(void *, int64_t, int64_t);
    if (__builtin_cpu_supports("avx512f")) {
        block = dtype == ST_F32 ? pack_s512(p, p->packed) : pack_d512(p, p->packed);
        work = dtype == ST_F32 ? blocks_s512 : blocks_d512;
    } else {
        block = dtype == ST_F32 ? pack_s256(p, p->packed) : pack_d256(p, p->packed);
        work = dtype == ST_F32 ? blocks_s256 : blocks_d256;
    }
    int64_t blocks = (p->longer + block - 1) / block, parts = st_thread_count();
    double worth = 2.0 * (double)p->longer * (double)p->shorter * (double)p->depth / PIECE_FLOPS;
    if (parts > worth) parts = worth < 1 ? 1 : (int64_t)worth;
    st_parallel(work, p, blocks, (blocks + parts - 1) / parts);
}

static int able(void)
{
    return __builtin_cpu_supports("avx512f") || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}

#else
static void run(narrow *p, int dtype) { (void)p, (void)dtype; }
static int able(void) { return 0; }
#endif

/* The product, where it is narrow and this processor has the instructions; 0 where it is left to others. */
int st_narrow(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t row_a,
              int64_t col_a, const void *b, int64_t row_b, int64_t col_b, const void *beta, void *c, int64_t ldc)
{
    narrow p = {.x = a, .y = b, .alpha = alpha, .beta = beta, .c = c, .longer = m, .shorter = n, .depth = k,
                .step = row_a, .short_y = col_b, .deep_y = row_b, .long_c = ldc, .short_c = 1};
    int64_t beside = row_a, deep = col_a;       /* steps of the long operand */
    if (m < n) {
        p = (narrow){.x = b, .y = a, .alpha = alpha, .beta = beta, .c = c, .longer = n, .shorter = m, .depth = k,
                     .short_y = row_a, .deep_y = col_a, .long_c = 1, .short_c = ldc};
        beside = col_b;
        deep = row_b;
    }
    if (p.shorter > NARROW || p.longer < 64 || k < 16 || (beside != 1 && deep != 1) || !able()) return 0;
    p.lies_along = beside == 1;
    p.step = p.lies_along ? deep : beside;
    size_t size = dtype == ST_F32 ? sizeof(float) : sizeof(double);
    p.padded = (k + 15) / 16 * 16; /* rows of the packed operand begin at cache lines */
    p.packed = st_alloc(size * (size_t)((p.shorter + 3) / 4 * 4 * p.padded));
    if (!p.packed) return 0;
    run(&p, dtype);
    st_release(p.packed);
    return 1;
}
