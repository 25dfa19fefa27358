typedef struct { const float *p0; const float *p1; float *o0; int64_t n0; int64_t columns; int64_t blocks; int64_t n1; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const float *restrict const p1 = st_c->p1;
    float *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    const int64_t columns = st_c->columns;
    const int64_t blocks = st_c->blocks;
    const int64_t n1 = st_c->n1;
    for (int64_t q = begin; q < end; q++) {
        const int64_t low = q % blocks * columns, row = q / blocks;
        const int64_t wide = st_least(n0 - low, columns);
        const float *b1 = p1 + low;
        float a3[64];
        for (int64_t j = 0; j < wide; j++) a3[j] = -INFINITY;
        for (int64_t i0 = 0; i0 < n1; i0++) {
            const float *b0 = p0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v0 = b0[j];
                const float v1 = b1[j];
                const float v2 = (v0 + v1);
                a3[j] = v2 > a3[j] ? v2 : a3[j];
            }
        }
        double a6[64];
        for (int64_t j = 0; j < wide; j++) a6[j] = 0;
        for (int64_t i0 = 0; i0 < n1; i0++) {
            const float *b0 = p0 + i0 * n0 + low;
            float *w0 = o0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v0 = b0[j];
                const float v1 = b1[j];
                const float v2 = (v0 + v1);
                const float v4 = (v2 - a3[j]);
                const float v5 = (st_expf(v4));
                w0[j] = v5;
                a6[j] = a6[j] + (double)v5;
            }
        }
        float r6[64];
        for (int64_t j = 0; j < wide; j++) r6[j] = (float)(a6[j]);
        for (int64_t i0 = 0; i0 < n1; i0++) {
            float *w0 = o0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v1 = b1[j];
                const float v5 = w0[j];
                const float v7 = (v5 / r6[j]);
                w0[j] = v7;
            }
        }
    }
}

int st_main(st_call *call)
{
    const st_runtime *const rt = call->rt;
    const st_input *const in = call->inputs;
    st_output *const out = call->outputs;
    int status = ST_OK;
    call->error.code = 0;
    out[0].data = NULL;
    (void)in;
    const int64_t n0 = in[0].shape[1];
    const int64_t n1 = in[1].shape[0];
    if (n0 != n1) {
        if (n0 == 1 || n1 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 2, ST_VALUES(1, n0, n1)); goto done; }
    }
    const int64_t n2 = in[0].shape[0];
    out[0].shape[0] = n2;
    out[0].shape[1] = n0;
    out[0].data = st_take(rt, st_times(st_times(4, n0), n2));
    if (out[0].data == NULL) { status = ST_MEMORY; goto done; }
    float *const p0 = (float *)in[0].data;
    float *const p1 = (float *)in[1].data;
    float *const p2 = (float *)out[0].data;
    const int64_t t0 = st_columns(n0, 64, rt->threads);
    st_run(rt, k0, &(k0_t){p0, p1, p2, n0, t0, st_blocks(n0, t0), n2}, st_blocks(n0, t0), st_rows(2340, n2 * t0));
done:
    if (status != ST_OK) for (int k = 0; k < 1; k++) if (out[k].data != NULL) { rt->release(out[k].data); out[k].data = NULL; }
    return status;
}
