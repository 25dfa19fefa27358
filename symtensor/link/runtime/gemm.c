/* Matrix products: any strides, any dtype, over a BLAS or the blocked product, in panels over our own threads.

   A BLAS is told to use one thread; rows or columns of C are split here, so that each element is summed in the same
   order whatever the number of threads. */
#include "matrix.h"
#include <stdatomic.h>

/* Panels begin at multiples of what the kernels of BLASes take at once (OpenBLAS's dgemm for AVX-512: 24 rows), and are
   no smaller than LEAST multiplications: OpenBLAS has other kernels, with other rounding, for products up to 1e6. How
   its dgemm rounds the last columns, less than a unit, depends on how many come before: they are a panel apart. */
enum { ROWS = 16, ROWS_F64 = 24, COLUMNS = 48, WIDE = 768, TINY = 216, LEAST = 1 << 20 };
static const double PIECE_FLOPS = 2.2e6;

#define GEMM_HEAD int, int, int, int, int, int
typedef void (*sgemm_t)(GEMM_HEAD, float, const void *, int, const void *, int, float, void *, int);
typedef void (*dgemm_t)(GEMM_HEAD, double, const void *, int, const void *, int, double, void *, int);
typedef void (*xgemm_t)(GEMM_HEAD, const void *, const void *, int, const void *, int, const void *, void *, int);

void st_blocked_sgemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
                      const float *b, int64_t row_b, int64_t col_b, float *c, int64_t ldc, char *pack);
void st_blocked_dgemm(int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t row_a, int64_t col_a,
                      const double *b, int64_t row_b, int64_t col_b, double *c, int64_t ldc, char *pack);

static void *_Atomic blas[ST_BLAS_ENTRIES];

void *st_blas(int entry)
{
    return blas[entry];
}

static st_sgemm_blocked blocked_s = st_blocked_sgemm;  /* set before the first product */
static st_dgemm_blocked blocked_d = st_blocked_dgemm;

void st_set_blas(void *const *entries)
{
    for (int i = 0; i < ST_BLAS_ENTRIES; i++) blas[i] = entries ? entries[i] : NULL;
}

void st_set_blocked(void *sgemm, void *dgemm)
{
    blocked_s = sgemm ? (st_sgemm_blocked)sgemm : st_blocked_sgemm;
    blocked_d = dgemm ? (st_dgemm_blocked)dgemm : st_blocked_dgemm;
}

typedef struct {
    int dtype;
    void *call;                              /* of the BLAS, or NULL */
    int trans_a, trans_b;
    int64_t m, n, k, row_a, col_a, row_b, col_b, lda, ldb, ldc;
    const char *a, *b;
    char *c;
    const void *alpha, *beta;
    int64_t down, across;                    /* panels */
    int64_t unit, main;                      /* rows that panels are multiples of; columns that are split */
} product;

/* -- one panel --------------------------------------------------------------------------------------------- */

static void call_blas(const product *p, int64_t m, int64_t n, const char *a, const char *b, char *c)
{
#define ARGUMENTS(alpha, beta) \
    (ROW_MAJOR, p->trans_a, p->trans_b, (int)m, (int)n, (int)p->k, alpha, a, (int)p->lda, b, (int)p->ldb, beta, c, \
     (int)p->ldc)
    if (p->dtype == ST_F32)
        ((sgemm_t)p->call) ARGUMENTS(*(const float *)p->alpha, *(const float *)p->beta);
    else if (p->dtype == ST_F64)
        ((dgemm_t)p->call) ARGUMENTS(*(const double *)p->alpha, *(const double *)p->beta);
    else
        ((xgemm_t)p->call) ARGUMENTS(p->alpha, p->beta);
#undef ARGUMENTS
}

#define SCALE(T) \
    { \
        T beta = *(const T *)p->beta; \
        for (int64_t i = 0; i < m; i++) { \
            T *row = (T *)c + i * p->ldc; \
            if (beta == 0) memset(row, 0, sizeof(T) * (size_t)n); \
            else if (beta != 1) \
                for (int64_t j = 0; j < n; j++) row[j] *= beta; \
        } \
        break; \
    }

static void scale(const product *p, int64_t m, int64_t n, char *c)
{
    switch (p->dtype) {
        case ST_F32: SCALE(float)
        case ST_F64: SCALE(double)
        case ST_C64: SCALE(c64)
        default: SCALE(c128)
    }
}

/* A complex product from four real ones: real and imaginary parts apart. */
#define SPLIT(T, to, from, rows, columns, row, col) \
    for (int64_t i = 0; i < (rows); i++) \
        for (int64_t j = 0; j < (columns); j++) { \
            const T *at = (const T *)(from) + 2 * (i * (row) + j * (col)); \
            (to)[i * (columns) + j] = at[0]; \
            (to)[(rows) * (columns) + i * (columns) + j] = at[1]; \
        }

#define COMPLEX_PRODUCT(T, C, blocked) \
    { \
        int64_t size_a = m * p->k, size_b = p->k * n, size_c = m * n; \
        T *x = st_alloc(sizeof(T) * 2 * (size_t)(size_a + size_b + size_c)); \
        if (!x) return -1; \
        T *y = x + 2 * size_a, *z = y + 2 * size_b; \
        SPLIT(T, x, a, m, p->k, p->row_a, p->col_a) \
        SPLIT(T, y, b, p->k, n, p->row_b, p->col_b) \
        memset(z, 0, sizeof(T) * 2 * (size_t)size_c); \
        blocked(m, n, p->k, 1, x, p->k, 1, y, n, 1, z, n, pack); \
        blocked(m, n, p->k, -1, x + size_a, p->k, 1, y + size_b, n, 1, z, n, pack); \
        blocked(m, n, p->k, 1, x, p->k, 1, y + size_b, n, 1, z + size_c, n, pack); \
        blocked(m, n, p->k, 1, x + size_a, p->k, 1, y, n, 1, z + size_c, n, pack); \
        C alpha = *(const C *)p->alpha; \
        for (int64_t i = 0; i < m; i++) \
            for (int64_t j = 0; j < n; j++) \
                ((C *)c)[i * p->ldc + j] += alpha * (C)(z[i * n + j] + z[size_c + i * n + j] * (C)_Complex_I); \
        st_release(x); \
        break; \
    }

static int call_blocked(const product *p, int64_t m, int64_t n, const char *a, const char *b, char *c)
{
    char *pack = st_alloc(ST_BLOCKED_BYTES);
    if (!pack) return -1;
    scale(p, m, n, c);
    switch (p->dtype) {
        case ST_F32:
            blocked_s(m, n, p->k, *(const float *)p->alpha, (const float *)a, p->row_a, p->col_a, (const float *)b,
                      p->row_b, p->col_b, (float *)c, p->ldc, pack);
            break;
        case ST_F64:
            blocked_d(m, n, p->k, *(const double *)p->alpha, (const double *)a, p->row_a, p->col_a, (const double *)b,
                      p->row_b, p->col_b, (double *)c, p->ldc, pack);
            break;
        case ST_C64: COMPLEX_PRODUCT(float, c64, blocked_s)
        default: COMPLEX_PRODUCT(double, c128, blocked_d)
    }
    st_release(pack);
    return 0;
}

#define NAIVE(T) \
    { \
        T alpha = *(const T *)p->alpha; \
        for (int64_t i = 0; i < m; i++) \
            for (int64_t j = 0; j < n; j++) { \
                T sum = 0; \
                for (int64_t l = 0; l < p->k; l++) \
                    sum += ((const T *)a)[i * p->row_a + l * p->col_a] * ((const T *)b)[l * p->row_b + j * p->col_b]; \
                ((T *)c)[i * p->ldc + j] += alpha * sum; \
            } \
        break; \
    }

/* Needs no memory: for a few elements, and when there is none. */
static void call_naive(const product *p, int64_t m, int64_t n, const char *a, const char *b, char *c)
{
    scale(p, m, n, c);
    switch (p->dtype) {
        case ST_F32: NAIVE(float)
        case ST_F64: NAIVE(double)
        case ST_C64: NAIVE(c64)
        default: NAIVE(c128)
    }
}

/* Where part `at` of `parts` begins: they differ by a unit at most. */
static int64_t cut(int64_t size, int64_t parts, int64_t at, int64_t unit)
{
    return at >= parts ? size : (size * at / parts + unit / 2) / unit * unit;
}

static void panels(void *context, int64_t begin, int64_t end)
{
    product *p = context;
    int64_t size = (int64_t)ST_SIZES[p->dtype];
    for (int64_t at = begin; at < end; at++) {
        int last = at == p->down * p->across;
        int64_t row = at / p->across, column = at % p->across;
        int64_t i = last ? 0 : cut(p->m, p->down, row, p->unit);
        int64_t j = last ? p->main : cut(p->main, p->across, column, COLUMNS);
        int64_t m = last ? p->m : cut(p->m, p->down, row + 1, p->unit) - i;
        int64_t n = last ? p->n - j : cut(p->main, p->across, column + 1, COLUMNS) - j;
        const char *a = p->a + i * p->row_a * size, *b = p->b + j * p->col_b * size;
        char *c = p->c + (i * p->ldc + j) * size;
        if (p->call) call_blas(p, m, n, a, b, c);
        else if (call_blocked(p, m, n, a, b, c) < 0) call_naive(p, m, n, a, b, c);
    }
}

/* -- the whole product ------------------------------------------------------------------------------------- */

static void copy(char *to, const char *from, int64_t rows, int64_t columns, int64_t row, int64_t col, size_t size)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++, to += size) memcpy(to, from + (i * row + j * col) * (int64_t)size, size);
}

/* The operand in a layout that a BLAS takes, copied where it must be; *made is to be released. */
static int prepare(const char **data, int64_t rows, int64_t columns, int64_t *row, int64_t *col, int *trans,
                   int64_t *leading, size_t size, void **made)
{
    if (st_layout(rows, columns, *row, *col, trans, leading)) return 1;
    if (columns > INT32_MAX || !(*made = st_alloc(size * (size_t)(rows * columns)))) return 0;
    copy(*made, *data, rows, columns, *row, *col, size);
    *data = *made;
    *row = *leading = columns;
    *col = 1;
    *trans = NO_TRANS;
    return 1;
}

/* Rows or columns are split: which, the shape alone decides. */
static void split(product *p)
{
    int64_t parts = st_thread_count();
    int64_t worth = (int64_t)(2.0 * (double)p->m * (double)p->n * (double)p->k / PIECE_FLOPS);
    int wide = p->m < WIDE && p->n >= 2 * p->m && p->n >= 2 * COLUMNS;
    p->unit = p->dtype == ST_F64 ? ROWS_F64 : ROWS;
    p->down = p->across = 1;
    p->main = wide && worth > 1 && p->dtype == ST_F64 ? p->n / COLUMNS * COLUMNS : p->n;
    int64_t *number = wide ? &p->across : &p->down;
    for (*number = parts > worth ? worth : parts; *number > 1; --*number) {
        int64_t m = wide ? p->m : p->m / *number - p->unit, n = wide ? p->main / *number - COLUMNS : p->n;
        if (m > 0 && n > 0 && (double)m * (double)n * (double)p->k > LEAST) break;
    }
    if (*number < 1) *number = 1;
}

void st_gemm(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t row_a, int64_t col_a,
             const void *b, int64_t row_b, int64_t col_b, const void *beta, void *c, int64_t ldc)
{
    if (m <= 0 || n <= 0) return;
    product p = {.dtype = dtype, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .alpha = alpha, .beta = beta,
                 .row_a = row_a, .col_a = col_a, .row_b = row_b, .col_b = col_b, .ldc = ldc};
    if (k <= 0) {
        scale(&p, m, n, c);
        return;
    }
    if (m <= TINY && n <= TINY && k <= TINY && m * n * k <= TINY) {
        call_naive(&p, m, n, a, b, c);
        return;
    }
    int64_t narrow = (dtype == ST_F32 || dtype == ST_F64 || blas[dtype + 4]) && ldc <= INT32_MAX;
    if (narrow && n == 1) {
        st_gemv(dtype, m, k, alpha, a, row_a, col_a, b, row_b, beta, c, ldc);
        return;
    }
    if (narrow && m == 1) {
        st_gemv(dtype, n, k, alpha, b, col_b, row_b, a, col_a, beta, c, 1);
        return;
    }
    if ((dtype == ST_F32 || dtype == ST_F64)
        && st_narrow(dtype, m, n, k, alpha, a, row_a, col_a, b, row_b, col_b, beta, c, ldc)) return;
    void *made_a = NULL, *made_b = NULL;
    p.call = blas[dtype];
    if (p.call && (m > INT32_MAX || n > INT32_MAX || k > INT32_MAX || ldc > INT32_MAX
                   || !prepare(&p.a, m, k, &p.row_a, &p.col_a, &p.trans_a, &p.lda, ST_SIZES[dtype], &made_a)
                   || !prepare(&p.b, k, n, &p.row_b, &p.col_b, &p.trans_b, &p.ldb, ST_SIZES[dtype], &made_b)))
        p.call = NULL;
    split(&p);
    st_parallel(panels, &p, p.down * p.across + (p.main < n), 1);
    st_release(made_a);
    st_release(made_b);
}
