/* Matrix times vector: any strides, any dtype, over a BLAS or loops, in panels of rows over our own threads. */
#include "matrix.h"

enum { PANEL = 64, LANES = 16 };
static const double PIECE_ELEMENTS = 65536;

#define GEMV_HEAD int, int, int, int
typedef void (*sgemv_t)(GEMV_HEAD, float, const void *, int, const void *, int, float, void *, int);
typedef void (*dgemv_t)(GEMV_HEAD, double, const void *, int, const void *, int, double, void *, int);
typedef void (*xgemv_t)(GEMV_HEAD, const void *, const void *, int, const void *, int, const void *, void *, int);

typedef struct {
    int dtype, trans;
    void *call;                      /* of the BLAS, or NULL */
    int64_t m, n, row, col, leading, inc_x, inc_y, rows;
    const char *a, *x;
    char *y;
    const void *alpha, *beta;
} product;

static void call_blas(const product *p, int64_t m, const char *a, char *y)
{
    int64_t first = p->trans == NO_TRANS ? m : p->n, second = p->trans == NO_TRANS ? p->n : m;
#define ARGUMENTS(alpha, beta) \
    (ROW_MAJOR, p->trans, (int)first, (int)second, alpha, a, (int)p->leading, p->x, (int)p->inc_x, beta, y, \
     (int)p->inc_y)
    if (p->dtype == ST_F32)
        ((sgemv_t)p->call) ARGUMENTS(*(const float *)p->alpha, *(const float *)p->beta);
    else if (p->dtype == ST_F64)
        ((dgemv_t)p->call) ARGUMENTS(*(const double *)p->alpha, *(const double *)p->beta);
    else
        ((xgemv_t)p->call) ARGUMENTS(p->alpha, p->beta);
#undef ARGUMENTS
}

/* Rows one after the other where they are contiguous, or where nothing is; columns else. */
#define LOOPS(T, name) \
    static void name(const product *p, int64_t m, const T *restrict a, T *restrict y) \
    { \
        const T *x = (const T *)p->x; \
        T alpha = *(const T *)p->alpha; \
        if (p->row == 1 && p->col != 1 && p->inc_y == 1) { \
            for (int64_t j = 0; j < p->n; j++) { \
                T factor = alpha * x[j * p->inc_x]; \
                for (int64_t i = 0; i < m; i++) y[i] += factor * a[i + j * p->col]; \
            } \
            return; \
        } \
        for (int64_t i = 0; i < m; i++) { \
            const T *row = a + i * p->row; \
            T lanes[LANES] = {0}, sum = 0; \
            int64_t j = 0; \
            if (p->col == 1 && p->inc_x == 1) \
                for (; j + LANES <= p->n; j += LANES) \
                    for (int l = 0; l < LANES; l++) lanes[l] += row[j + l] * x[j + l]; \
            for (; j < p->n; j++) sum += row[j * p->col] * x[j * p->inc_x]; \
            for (int l = 0; l < LANES; l++) sum += lanes[l]; \
            y[i * p->inc_y] += alpha * sum; \
        } \
    }

LOOPS(float, loops_f32)
LOOPS(double, loops_f64)
LOOPS(c64, loops_c64)
LOOPS(c128, loops_c128)

#define SCALE(T) \
    { \
        T beta = *(const T *)p->beta, *at = (T *)y; \
        if (beta == 0 && p->inc_y == 1) memset(at, 0, sizeof(T) * (size_t)m); \
        else if (beta == 0) \
            for (int64_t i = 0; i < m; i++) at[i * p->inc_y] = 0; \
        else if (!p->call && beta != 1) \
            for (int64_t i = 0; i < m; i++) at[i * p->inc_y] *= beta; \
        break; \
    }

/* beta = 0 must not read y: it is cleared. Other factors are left to the BLAS where there is one. */
static void scale(const product *p, int64_t m, char *y)
{
    switch (p->dtype) {
        case ST_F32: SCALE(float)
        case ST_F64: SCALE(double)
        case ST_C64: SCALE(c64)
        default: SCALE(c128)
    }
}

static void panels(void *context, int64_t begin, int64_t end)
{
    const product *p = context;
    int64_t size = (int64_t)ST_SIZES[p->dtype], first = begin * p->rows;
    int64_t m = (end * p->rows < p->m ? end * p->rows : p->m) - first;
    if (m <= 0) return;
    const char *a = p->a + first * p->row * size;
    char *y = p->y + first * p->inc_y * size;
    scale(p, m, y);
    if (p->n <= 0) return;
    if (p->call) call_blas(p, m, a, y);
    else if (p->dtype == ST_F32) loops_f32(p, m, (const float *)a, (float *)y);
    else if (p->dtype == ST_F64) loops_f64(p, m, (const double *)a, (double *)y);
    else if (p->dtype == ST_C64) loops_c64(p, m, (const c64 *)a, (c64 *)y);
    else loops_c128(p, m, (const c128 *)a, (c128 *)y);
}

static int fits(const product *p)
{
    return p->m <= INT32_MAX && p->n > 0 && p->n <= INT32_MAX && p->inc_x > 0 && p->inc_x <= INT32_MAX && p->inc_y > 0
           && p->inc_y <= INT32_MAX;
}

void st_gemv(int dtype, int64_t m, int64_t n, const void *alpha, const void *a, int64_t row_a, int64_t col_a,
             const void *x, int64_t inc_x, const void *beta, void *y, int64_t inc_y)
{
    if (m <= 0) return;
    product p = {.dtype = dtype, .m = m, .n = n, .row = row_a, .col = col_a, .inc_x = n == 1 ? 1 : inc_x,
                 .inc_y = m == 1 ? 1 : inc_y, .a = a, .x = x, .y = y, .alpha = alpha, .beta = beta};
    if (fits(&p) && st_layout(m, n, row_a, col_a, &p.trans, &p.leading)) p.call = st_blas(ST_C128 + 1 + dtype);
    int64_t pieces = (int64_t)((double)m * (double)n / PIECE_ELEMENTS);
    p.rows = m;
    if (pieces > 1) p.rows = ((m + pieces - 1) / pieces + PANEL - 1) / PANEL * PANEL;
    st_parallel(panels, &p, (m + p.rows - 1) / p.rows, 1);
}
