/* Triangular systems, Cholesky and LU factors: recursive over our own products (which use all threads), down to blocks
   for LAPACK on one thread, or for loops. The recursions are those of Gustavson, "Recursion leads to automatic variable
   blocking for dense linear-algebra algorithms" (1997). */
#include <math.h>
#include <stdlib.h>
#include "matrix.h"

enum { TINY = 12, LOOPS = 48, BLOCK = 256, COLUMNS = 64 };
enum { TRSM = 8, POTRF = 12, GETRF = 16 };                /* entries of st_set_blas, of ST_F32 */
static const double PIECE_FLOPS = 1e6;

#define NAME_(name, suffix) name##_##suffix
#define NAME__(name, suffix) NAME_(name, suffix)
#define NAME(name) NAME__(name, SUFFIX)
#define CONJ(x) (x)
#define REAL_PART(x) (x)
#define T float
#define SUFFIX s
#define SIZE(x) fabsf(x)
#define ROOT(x) sqrtf(x)
#include "linalg_tile.h"
#define T double
#define SUFFIX d
#define SIZE(x) fabs(x)
#define ROOT(x) sqrt(x)
#include "linalg_tile.h"
#undef CONJ
#undef REAL_PART
#define T c64
#define SUFFIX c
#define SIZE(x) (fabsf(crealf(x)) + fabsf(cimagf(x)))
#define ROOT(x) sqrtf(x)
#define CONJ(x) conjf(x)
#define REAL_PART(x) crealf(x)
#include "linalg_tile.h"
#undef CONJ
#undef REAL_PART
#define T c128
#define SUFFIX z
#define SIZE(x) (fabs(creal(x)) + fabs(cimag(x)))
#define ROOT(x) sqrt(x)
#define CONJ(x) conj(x)
#define REAL_PART(x) creal(x)
#include "linalg_tile.h"

#define EACH(dtype, name, ...) \
    ((dtype) == ST_F32 ? name##_s(__VA_ARGS__) : (dtype) == ST_F64 ? name##_d(__VA_ARGS__) \
     : (dtype) == ST_C64 ? name##_c(__VA_ARGS__) : name##_z(__VA_ARGS__))

/* Where a matrix is cut: near the middle, at a multiple of what the products like. */
static int64_t half(int64_t n)
{
    return (n / 2 + 31) / 32 * 32;
}

/* C -= A B, where rows or columns of C are contiguous */
static void update(int dtype, int64_t m, int64_t n, int64_t k, const char *a, int64_t row_a, int64_t col_a,
                   const char *b, int64_t row_b, int64_t col_b, char *c, int64_t row_c, int64_t col_c)
{
    static const c128 minus_z = -1, one_z = 1;
    static const c64 minus_c = -1, one_c = 1;
    static const double minus_d = -1, one_d = 1;
    static const float minus_s = -1, one_s = 1;
    static const void *const minus[] = {&minus_s, &minus_d, &minus_c, &minus_z};
    static const void *const one[] = {&one_s, &one_d, &one_c, &one_z};
    if (col_c == 1) st_gemm(dtype, m, n, k, minus[dtype], a, row_a, col_a, b, row_b, col_b, one[dtype], c, row_c);
    else st_gemm(dtype, n, m, k, minus[dtype], b, col_b, row_b, a, col_a, row_a, one[dtype], c, col_c);
}

/* -- triangular systems ------------------------------------------------------------------------------------ */

typedef struct {
    int what, dtype;
    int64_t n, k, row_a, col_a, row_b, col_b;
    const char *a;
    char *b;
} system_t;

typedef void (*strsm_t)(int, int, int, int, int, int, int, float, const void *, int, void *, int);
typedef void (*dtrsm_t)(int, int, int, int, int, int, int, double, const void *, int, void *, int);
typedef void (*xtrsm_t)(int, int, int, int, int, int, int, const void *, const void *, int, void *, int);

/* By the BLAS, where it takes the layout. */
static int by_blas(const system_t *s, int64_t k, char *b)
{
    enum { COL_MAJOR = 102, LEFT = 141, UPPER = 121, LOWER = 122, UNIT = 132, NON_UNIT = 131 };
    void *call = st_blas(TRSM + s->dtype);
    int along = s->col_b == 1, trans;
    int64_t leading, ldb = along ? s->row_b : s->col_b;
    if (!call || s->n <= TINY || ldb > INT32_MAX || (!along && s->row_b != 1)) return 0;
    if (!st_layout(s->n, s->n, along ? s->row_a : s->col_a, along ? s->col_a : s->row_a, &trans, &leading)) return 0;
    if (ldb < (along ? k : s->n)) ldb = along ? k : s->n;
    int order = along ? ROW_MAJOR : COL_MAJOR, upper = !!(s->what & ST_UPPER) != (trans == TRANS) ? UPPER : LOWER;
    int diagonal = s->what & ST_UNIT ? UNIT : NON_UNIT, n = (int)s->n;
    static const c64 one_c = 1;
    static const c128 one_z = 1;
#define ARGUMENTS(one) (order, LEFT, upper, trans, diagonal, n, (int)k, one, s->a, (int)leading, b, (int)ldb)
    if (s->dtype == ST_F32) ((strsm_t)call) ARGUMENTS(1.0f);
    else if (s->dtype == ST_F64) ((dtrsm_t)call) ARGUMENTS(1.0);
    else if (s->dtype == ST_C64) ((xtrsm_t)call) ARGUMENTS(&one_c);
    else ((xtrsm_t)call) ARGUMENTS(&one_z);
#undef ARGUMENTS
    return 1;
}

static void some_columns(void *context, int64_t begin, int64_t end)
{
    const system_t *s = context;
    int64_t first = begin * COLUMNS, last = end * COLUMNS < s->k ? end * COLUMNS : s->k;
    for (int64_t q = first; q < last; q += COLUMNS) {
        int64_t k = last - q < COLUMNS ? last - q : COLUMNS;
        char *b = s->b + q * s->col_b * (int64_t)ST_SIZES[s->dtype];
        if (!by_blas(s, k, b))
            EACH(s->dtype, substitute, s->what, s->n, k, (const void *)s->a, s->row_a, s->col_a, (void *)b, s->row_b,
                 s->col_b);
    }
}

static void triangle(const system_t *s)
{
    int64_t n = s->n, size = (int64_t)ST_SIZES[s->dtype], h = half(n);
    int contiguous = s->row_b == 1 || s->col_b == 1;
    if (n <= LOOPS || h >= n || (n <= BLOCK && st_blas(TRSM + s->dtype)) || !contiguous) {
        int64_t grain = (int64_t)(PIECE_FLOPS / ((double)n * (double)n * COLUMNS)) + 1;
        st_parallel(some_columns, (void *)s, (s->k + COLUMNS - 1) / COLUMNS, grain);
        return;
    }
    system_t first = *s, last = *s;
    first.n = h;
    last.n = n - h;
    last.a += h * (s->row_a + s->col_a) * size;
    last.b += h * s->row_b * size;
    if (s->what & ST_UPPER) {
        triangle(&last);
        update(s->dtype, h, s->k, n - h, s->a + h * s->col_a * size, s->row_a, s->col_a, last.b, s->row_b, s->col_b,
               first.b, s->row_b, s->col_b);
        triangle(&first);
    } else {
        triangle(&first);
        update(s->dtype, n - h, s->k, h, s->a + h * s->row_a * size, s->row_a, s->col_a, first.b, s->row_b, s->col_b,
               last.b, s->row_b, s->col_b);
        triangle(&last);
    }
}

void st_triangle(int what, int dtype, int64_t n, int64_t k, const void *a, int64_t row_a, int64_t col_a, void *b,
                 int64_t row_b, int64_t col_b)
{
    system_t s = {what, dtype, n, k, row_a, col_a, row_b, col_b, a, b};
    if (n > 0 && k > 0) triangle(&s);
}

/* -- factors ----------------------------------------------------------------------------------------------- */

typedef void (*potrf_t)(const char *, const int *, void *, const int *, int *, size_t);
typedef void (*getrf_t)(const int *, const int *, void *, const int *, int *, int *);

static int64_t cholesky(int dtype, int64_t n, char *a, int64_t ld)
{
    int64_t size = (int64_t)ST_SIZES[dtype], h = half(n);
    potrf_t call = (potrf_t)st_blas(POTRF + dtype);
    int whole = dtype > ST_F64 || n <= (call ? BLOCK : LOOPS) || h >= n;
    if (whole && call && n > TINY && ld <= INT32_MAX) {
        int order = (int)n, leading = (int)ld, info = 0;
        call("U", &order, a, &leading, &info, 1);          /* upper by columns is lower by rows */
        return info;
    }
    if (whole) return EACH(dtype, cholesky, n, (void *)a, ld);
    int64_t info = cholesky(dtype, h, a, ld), rest = n - h;
    if (info) return info;
    char *below = a + h * ld * size, *corner = below + h * size;
    st_triangle(0, dtype, h, rest, a, ld, 1, below, 1, ld);
    for (int64_t r = 0; r < rest; r += BLOCK) {
        int64_t rows = rest - r < BLOCK ? rest - r : BLOCK;
        const char *left = below + r * ld * size;
        update(dtype, rows, r + rows, h, left, ld, 1, below, 1, ld, corner + r * ld * size, ld, 1);
    }
    info = cholesky(dtype, rest, corner, ld);
    return info ? info + h : 0;
}

static int64_t lu(int dtype, int64_t m, int64_t n, char *a, int64_t ld, int64_t *pivots)
{
    int64_t size = (int64_t)ST_SIZES[dtype], h = half(n);
    getrf_t call = (getrf_t)st_blas(GETRF + dtype);
    if (call && n > TINY && n <= BLOCK && m <= INT32_MAX && ld <= INT32_MAX) {
        int rows = (int)m, columns = (int)n, leading = (int)ld, info = 0, found[BLOCK];
        call(&rows, &columns, a, &leading, found, &info);
        for (int64_t i = 0; i < n; i++) pivots[i] = found[i] - 1;
        return info;
    }
    if (n <= LOOPS || h >= n) return EACH(dtype, lu, m, n, (void *)a, ld, pivots);
    char *right = a + h * ld * size;
    int64_t info = lu(dtype, m, h, a, ld, pivots), later;
    EACH(dtype, swap, h, n - h, (void *)right, ld, pivots);
    st_triangle(ST_UNIT, dtype, h, n - h, a, 1, ld, right, 1, ld);
    update(dtype, m - h, n - h, h, a + h * size, 1, ld, right, 1, ld, right + h * size, 1, ld);
    later = lu(dtype, m - h, n - h, right + h * size, ld, pivots + h);
    EACH(dtype, swap, n - h, h, (void *)(a + h * size), ld, pivots + h);
    for (int64_t i = h; i < n; i++) pivots[i] += h;
    return info ? info : later ? later + h : 0;
}

int64_t st_factor(int what, int dtype, int64_t n, void *a, int64_t ld, int64_t *pivots)
{
    if (n <= 0) return 0;
    return what == ST_CHOLESKY ? cholesky(dtype, n, a, ld) : lu(dtype, n, n, a, ld, pivots);
}
