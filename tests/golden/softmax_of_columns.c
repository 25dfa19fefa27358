typedef struct { const float *p0; float *o0; int64_t n0; int64_t columns; int64_t blocks; int64_t n1; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    float *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    const int64_t columns = st_c->columns;
    const int64_t blocks = st_c->blocks;
    const int64_t n1 = st_c->n1;
    for (int64_t q = begin; q < end; q++) {
        const int64_t low = q % blocks * columns, row = q / blocks;
        const int64_t wide = st_least(n0 - low, columns);
        float a1[64];
        for (int64_t j = 0; j < wide; j++) a1[j] = -INFINITY;
        for (int64_t i0 = 0; i0 < n1; i0++) {
            const float *b0 = p0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v0 = b0[j];
                a1[j] = v0 > a1[j] ? v0 : a1[j];
            }
        }
        double a4[64];
        for (int64_t j = 0; j < wide; j++) a4[j] = 0;
        for (int64_t i0 = 0; i0 < n1; i0++) {
            const float *b0 = p0 + i0 * n0 + low;
            float *w0 = o0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v0 = b0[j];
                const float v2 = (v0 - a1[j]);
                const float v3 = (st_expf(v2));
                w0[j] = v3;
                a4[j] = a4[j] + (double)v3;
            }
        }
        float r4[64];
        for (int64_t j = 0; j < wide; j++) r4[j] = (float)(a4[j]);
        for (int64_t i0 = 0; i0 < n1; i0++) {
            float *w0 = o0 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v3 = w0[j];
                const float v5 = (v3 / r4[j]);
                w0[j] = v5;
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
        { status = st_fail(call, ST_SHAPE, 1, ST_VALUES(1, n0, n1)); goto done; }
    }
    const int64_t n2 = in[0].shape[0];
    out[0].shape[0] = n2;
    out[0].shape[1] = n0;
    out[0].data = st_take(rt, st_times(st_times(4, n2), n0));
    if (out[0].data == NULL) { status = ST_MEMORY; goto done; }
    float *const p0 = (float *)in[0].data;
    float *const p1 = (float *)out[0].data;
    const int64_t t0 = st_columns(n0, 64, rt->threads);
    st_run(rt, k0, &(k0_t){p0, p1, n0, t0, st_blocks(n0, t0), n2}, st_blocks(n0, t0), st_rows(2340, n2 * t0));
done:
    if (status != ST_OK) for (int k = 0; k < 1; k++) if (out[k].data != NULL) { rt->release(out[k].data); out[k].data = NULL; }
    return status;
}
