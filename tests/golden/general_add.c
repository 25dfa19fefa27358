static inline int64_t st_broadcast_dim(int64_t a, int64_t b) { return a == 1 ? b : a; }

typedef struct { const double *p0; const double *p1; double *o0; int64_t n0; int64_t n1; int64_t n2; int64_t n3; int64_t n4; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const double *restrict const p0 = st_c->p0;
    const double *restrict const p1 = st_c->p1;
    double *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    const int64_t n1 = st_c->n1;
    const int64_t n2 = st_c->n2;
    const int64_t n3 = st_c->n3;
    const int64_t n4 = st_c->n4;
    for (int64_t q = begin; q < end; q++) {
        const int64_t i0 = q;
        const double *b0 = p0 + i0 * n1;
        const double *b1 = p1 + i0 * n2;
        double *w0 = o0 + i0 * n0;
        if (n3 == 1 && n4 == 1) {
#pragma omp simd
            for (int64_t j = 0; j < n0; j++) {
                const double v0 = b0[j];
                const double v1 = b1[j];
                const double v2 = (v0 + v1);
                w0[j] = v2;
            }
        } else {
#pragma omp simd
            for (int64_t j = 0; j < n0; j++) {
                const double v0 = b0[j * n3];
                const double v1 = b1[j * n4];
                const double v2 = (v0 + v1);
                w0[j] = v2;
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
    const int64_t n0 = in[0].shape[0];
    const int64_t n1 = in[1].shape[0];
    const int64_t n2 = (st_broadcast_dim(n0, n1));
    const int64_t n3 = in[0].shape[1];
    const int64_t n4 = in[1].shape[1];
    const int64_t n5 = (st_broadcast_dim(n3, n4));
    if (n0 != n2 && n0 != 1) { status = st_fail(call, ST_SHAPE, 0, ST_VALUES(0, n2, n0)); goto done; }
    if (n3 != n5 && n3 != 1) { status = st_fail(call, ST_SHAPE, 0, ST_VALUES(1, n5, n3)); goto done; }
    if (n1 != n2 && n1 != 1) { status = st_fail(call, ST_SHAPE, 0, ST_VALUES(0, n2, n1)); goto done; }
    if (n4 != n5 && n4 != 1) { status = st_fail(call, ST_SHAPE, 0, ST_VALUES(1, n5, n4)); goto done; }
    out[0].shape[0] = n2;
    out[0].shape[1] = n5;
    out[0].data = st_take(rt, st_times(st_times(8, n2), n5));
    if (out[0].data == NULL) { status = ST_MEMORY; goto done; }
    double *const p0 = (double *)in[0].data;
    double *const p1 = (double *)in[1].data;
    const int64_t t0 = n0 == 1 ? 0 : n3;
    const int64_t t1 = n3 == 1 ? 0 : 1;
    const int64_t t2 = n1 == 1 ? 0 : n4;
    const int64_t t3 = n4 == 1 ? 0 : 1;
    double *const p2 = (double *)out[0].data;
    st_run(rt, k0, &(k0_t){p0, p1, p2, n5, t0, t2, t1, t3}, n2, st_rows(16384, n5));
done:
    if (status != ST_OK) for (int k = 0; k < 1; k++) if (out[k].data != NULL) { rt->release(out[k].data); out[k].data = NULL; }
    return status;
}
