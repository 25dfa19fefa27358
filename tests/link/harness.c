/* A small runtime for tests: every allocation is counted, loops run in pieces from the last to the first. */
#include <stdio.h>
#include <stdlib.h>

static int64_t live;
static void *h_alloc(size_t bytes) { live++; return aligned_alloc(64, (bytes + 63) / 64 * 64); }
static void h_release(void *data) { live--; free(data); }

static void h_parallel(st_body body, void *context, int64_t n, int64_t grain)
{
    int64_t pieces = st_blocks(n, grain);
    for (int64_t k = pieces - 1; k >= 0; k--) body(context, k * grain, st_least((k + 1) * grain, n));
}

#define H_GEMM(T) \
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) { \
        T total = 0; \
        for (int64_t l = 0; l < k; l++) total += ((const T *)a)[i * ra + l * ca] * ((const T *)b)[l * rb + j * cb]; \
        T *at = (T *)c + i * ldc + j; \
        *at = *(const T *)alpha * total + (*(const T *)beta == 0 ? 0 : *(const T *)beta * *at); \
    }
static void h_gemm(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t ra, int64_t ca,
                   const void *b, int64_t rb, int64_t cb, const void *beta, void *c, int64_t ldc)
{
    if (dtype == ST_F32) { H_GEMM(float) } else if (dtype == ST_F64) { H_GEMM(double) }
    else if (dtype == ST_C64) { H_GEMM(st_complex64) } else { H_GEMM(st_complex128) }
}
static void h_gemv(int dtype, int64_t m, int64_t n, const void *alpha, const void *a, int64_t ra, int64_t ca,
                   const void *x, int64_t incx, const void *beta, void *y, int64_t incy)
{
    h_gemm(dtype, m, 1, n, alpha, a, ra, ca, x, incx, 1, beta, y, incy);
}

typedef struct { st_call call; void *arena; } h_frame;
static char *h_arena(st_call *call, size_t bytes) { return ((h_frame *)call)->arena = h_alloc(bytes); }

int64_t h_live(void) { return live; }
void h_free(void *data) { h_release(data); }

int h_run(int threads, char **datas, const int64_t **shapes, int nin, int nout, char **results, int64_t *result_shapes,
          st_error *error, int (*host)(void *, int32_t, const st_value *, st_value *))
{
    const st_runtime rt = {ST_ABI, threads, h_alloc, h_release, h_parallel, h_gemm, h_gemv};
    st_input in[nin + 1];
    st_output *out = calloc((size_t)nout + 1, sizeof *out);
    for (int k = 0; k < nin; k++) in[k] = (st_input){datas[k], shapes[k]};
    h_frame frame = {{&rt, in, out, {0}, NULL, host, h_arena}, NULL};
    int status = st_main(&frame.call);
    if (frame.arena) h_release(frame.arena);
    for (int k = 0; k < nout; k++) {
        results[k] = out[k].data;
        memcpy(result_shapes + k * ST_MAX_NDIM, out[k].shape, sizeof out[k].shape);
    }
    *error = frame.call.error;
    free(out);
    return status;
}
