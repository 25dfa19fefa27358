/* What the callers of compiled programs share: memory, threads, matrix products. Plain C, no Python. */
#ifndef SYMTENSOR_SUPPORT_H
#define SYMTENSOR_SUPPORT_H
#include "symtensor.h"

/* A call in flight: what a program sees, and the memory to give back when it has returned. */
typedef struct {
    st_call call;
    void *arenas;
} st_frame;

const st_runtime *st_runtime_table(void);

/* memory (memory.c) */
void *st_alloc(size_t bytes);
void st_release(void *data);
void *st_resize(void *data, size_t bytes);
char *st_arena(st_call *call, size_t bytes);   /* the call must lie at the start of an st_frame */
void st_arena_release(st_frame *frame);
void st_memory_limit(size_t bytes);            /* most bytes kept for reuse */
void st_memory_trim(void);                     /* give all kept memory back to the system */
int64_t st_memory_cached(void);
int64_t st_memory_watch(int on);               /* count bytes in use from now on; or stop: the most there were */
void st_memory_child(void);                    /* after fork, in the child */

/* threads (support.c) */
void st_parallel(st_body body, void *context, int64_t n, int64_t grain);
void st_set_threads(int32_t threads);
int32_t st_thread_count(void);

/* matrix products (gemm.c). Pointers: cblas_[sdcz]gemm, cblas_[sdcz]gemv, cblas_[sdcz]trsm, [sdcz]potrf_, [sdcz]getrf_
   with 32-bit integers; NULL entries, or NULL for all, mean the blocked product of blocked.c and the loops of linalg.c. */
enum { ST_BLAS_ENTRIES = 20 };
void st_set_blas(void *const *entries);
void st_set_blocked(void *sgemm, void *dgemm);  /* another build of st_blocked_sgemm, st_blocked_dgemm */
void st_gemm(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t row_a,
             int64_t col_a, const void *b, int64_t row_b, int64_t col_b, const void *beta, void *c, int64_t ldc);
void st_gemv(int dtype, int64_t m, int64_t n, const void *alpha, const void *a, int64_t row_a, int64_t col_a,
             const void *x, int64_t inc_x, const void *beta, void *y, int64_t inc_y);

/* factors and triangular systems (linalg.c) */
int64_t st_factor(int what, int dtype, int64_t n, void *a, int64_t ld, int64_t *pivots);
void st_triangle(int what, int dtype, int64_t n, int64_t k, const void *a, int64_t row_a, int64_t col_a, void *b,
                 int64_t row_b, int64_t col_b);

/* C += alpha A B for any strides of A and B, in `pack`: st_blocked_bytes() of 64-byte aligned memory (blocked.c) */
typedef void (*st_sgemm_blocked)(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a,
                                 int64_t col_a, const float *b, int64_t row_b, int64_t col_b, float *c, int64_t ldc,
                                 char *pack);
typedef void (*st_dgemm_blocked)(int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t row_a,
                                 int64_t col_a, const double *b, int64_t row_b, int64_t col_b, double *c, int64_t ldc,
                                 char *pack);
enum { ST_BLOCKED_BYTES = 4 << 20 };

#endif
