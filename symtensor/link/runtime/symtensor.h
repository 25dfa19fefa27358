/* The contract between a compiled program and whoever calls it: plain C, no Python, no NumPy.
   A program is a shared library with one entry, `int st_main(st_call *)`. It has no state of its own: it may run in
   any number of threads at once. All arrays it is given are C-contiguous, aligned and in native byte order. */
#ifndef SYMTENSOR_H
#define SYMTENSOR_H
#include <stddef.h>
#include <stdint.h>

#define ST_ABI 2
#define ST_MAX_NDIM 32
#define ST_ERROR_VALUES 8
#define ST_STEPS 4

/* What st_main returns. */
enum {
    ST_OK = 0,
    ST_FAILED = 1,   /* call->error says what; nothing was written to shared variables */
    ST_GENERAL = 2,  /* a guard saw run-time broadcasting: run the general variant; nothing was written */
    ST_PYTHON = 3,   /* a host call raised; the caller holds the exception */
    ST_MEMORY = 4    /* no memory */
};

typedef struct {
    char *data;
    const int64_t *shape;
} st_input;

/* The program sets shape and takes data from rt->alloc; the caller owns it afterwards (rt->release). */
typedef struct {
    char *data;
    int64_t shape[ST_MAX_NDIM];
} st_output;

/* An array as a host call sees it; strides in bytes. Outputs are filled by the host, which keeps them alive until
   st_main has returned. */
typedef struct {
    char *data;
    int64_t ndim;
    int64_t shape[ST_MAX_NDIM];
    int64_t strides[ST_MAX_NDIM];
} st_value;

typedef struct {
    int32_t code;  /* see symtensor/link/failures.py */
    int32_t node;  /* index into the program's table of nodes */
    int64_t values[ST_ERROR_VALUES];
} st_error;

/* The loops that a call was in when it failed, outermost first. */
typedef struct {
    int64_t count;
    int64_t node[ST_STEPS];  /* index into the program's table of nodes */
    int64_t step[ST_STEPS];  /* counted from 0 */
} st_steps;

typedef void (*st_body)(void *context, int64_t begin, int64_t end);

enum { ST_F32 = 0, ST_F64 = 1, ST_C64 = 2, ST_C128 = 3 };
enum { ST_CHOLESKY = 0, ST_LU = 1 };
enum { ST_UPPER = 1, ST_UNIT = 2 };

/* What a program may call. Strides are in elements. */
typedef struct st_runtime {
    int32_t abi;
    int32_t threads;
    void *(*alloc)(size_t bytes);                /* 64-byte aligned, cached; NULL when out of memory */
    void (*release)(void *data);
    /* body(context, begin, end) over 0..n in pieces of at least `grain`, on several threads where that pays */
    void (*parallel)(st_body body, void *context, int64_t n, int64_t grain);
    /* C[m,n] = alpha A[m,k] B[k,n] + beta C; any row and column strides for A and B, rows of C ldc apart */
    void (*gemm)(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t row_a,
                 int64_t col_a, const void *b, int64_t row_b, int64_t col_b, const void *beta, void *c, int64_t ldc);
    /* y[m] = alpha A[m,n] x[n] + beta y */
    void (*gemv)(int dtype, int64_t m, int64_t n, const void *alpha, const void *a, int64_t row_a, int64_t col_a,
                 const void *x, int64_t inc_x, const void *beta, void *y, int64_t inc_y);
    /* In place. ST_CHOLESKY: the lower triangle of A[n,n], rows ld apart, becomes L of A = L L^H (the other is
       scratch); returns 1 + the row where A is not positive definite. ST_LU: A with columns ld apart becomes P L U; pivots[i] >= i is the row that
       row i was exchanged with, in order; returns 1 + the first pivot that is 0. 0: all is well. */
    int64_t (*factor)(int what, int dtype, int64_t n, void *a, int64_t ld, int64_t *pivots);
    /* B[n,k] becomes X of A X = B for the lower or ST_UPPER triangle of A, its diagonal taken for 1 with ST_UNIT */
    void (*triangle)(int what, int dtype, int64_t n, int64_t k, const void *a, int64_t row_a, int64_t col_a, void *b,
                     int64_t row_b, int64_t col_b);
} st_runtime;

typedef struct st_call {
    const st_runtime *rt;
    const st_input *inputs;
    st_output *outputs;
    st_error error;
    void *host;                                  /* the caller's context for host calls */
    int (*host_call)(void *host, int32_t index, const st_value *inputs, st_value *outputs);
    /* memory for temporaries, `bytes` of it, 64-byte aligned, valid until st_main returns; NULL when there is none */
    char *(*arena)(struct st_call *call, size_t bytes);
    st_steps steps;
} st_call;

#endif
