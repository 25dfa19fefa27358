typedef struct { const float *p0; const float *p1; const float *p2; float x3; float *o2; float *o0; float *o1; int64_t n0; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const float *restrict const p1 = st_c->p1;
    const float *restrict const p2 = st_c->p2;
    const float x3 = st_c->x3;
    float *restrict const o2 = st_c->o2;
    float *restrict const o0 = st_c->o0;
    float *restrict const o1 = st_c->o1;
    const int64_t n0 = st_c->n0;
    for (int64_t q = begin; q < end; q++) {
        const int64_t i0 = q;
        const float *b0 = p0 + i0 * n0;
        const float *b2 = p2 + i0 * n0;
        float *w2 = o2 + i0 * n0;
        double a5 = 0;
#pragma omp simd reduction(+:a5)
        for (int64_t j = 0; j < n0; j++) {
            const float v2 = b2[j];
            a5 = a5 + (double)v2;
        }
        const float v5 = (float)a5;
        const float v6 = (v5 / x3);
        double a9 = 0;
#pragma omp simd reduction(+:a9)
        for (int64_t j = 0; j < n0; j++) {
            const float v2 = b2[j];
            const float v7 = (v2 - v6);
            const float v8 = (v7 * v7);
            a9 = a9 + (double)v8;
        }
        const float v9 = (float)a9;
        const float v10 = (v9 / x3);
        const float v11 = (v10 + 0x1.4f8b58p-17f);
        const float v12 = (sqrtf(v11));
        double a17 = 0;
#pragma omp simd reduction(+:a17)
        for (int64_t j = 0; j < n0; j++) {
            const float v0 = b0[j];
            const float v1 = p1[j];
            const float v2 = b2[j];
            const float v4 = (v0 * v1);
            const float v7 = (v2 - v6);
            const float v14 = (v7 / v12);
            const float v15 = (v4 * v14);
            const float v16 = (v15 / v12);
            a17 = a17 + (double)v16;
        }
        const float v17 = (float)a17;
        const float v18 = (-v17);
        const float v19 = (v18 * 0x1p-1f);
        const float v20 = (v19 / v12);
        const float v21 = (v20 / x3);
        double a24 = 0;
#pragma omp simd reduction(+:a24)
        for (int64_t j = 0; j < n0; j++) {
            const float v0 = b0[j];
            const float v1 = p1[j];
            const float v2 = b2[j];
            const float v4 = (v0 * v1);
            const float v7 = (v2 - v6);
            const float v13 = (v4 / v12);
            const float v22 = ((v21 * 2.0f) * v7);
            const float v23 = (v13 + v22);
            w2[j] = v23;
            a24 = a24 + (double)v23;
        }
        const float v24 = (float)a24;
        const float v25 = (v24 / x3);
#pragma omp simd
        for (int64_t j = 0; j < n0; j++) {
            const float v23 = w2[j];
            const float v26 = (v23 - v25);
            w2[j] = v26;
        }
        o0[q] = v6;
        o1[q] = v12;
    }
}

typedef struct { const float *p0; const float *p1; const float *p2; const float *p3; float *o0; int64_t n0; int64_t columns; int64_t blocks; int64_t n1; } k1_t;
ST_KERNEL k1(void *context, int64_t begin, int64_t end)
{
    const k1_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const float *restrict const p1 = st_c->p1;
    const float *restrict const p2 = st_c->p2;
    const float *restrict const p3 = st_c->p3;
    float *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    const int64_t columns = st_c->columns;
    const int64_t blocks = st_c->blocks;
    const int64_t n1 = st_c->n1;
    for (int64_t q = begin; q < end; q++) {
        const int64_t low = q % blocks * columns, row = q / blocks;
        const int64_t wide = st_least(n0 - low, columns);
        double a7[256];
        for (int64_t j = 0; j < wide; j++) a7[j] = 0;
        for (int64_t i0 = 0; i0 < n1; i0++) {
            const float *b0 = p0 + i0 * n0 + low;
            const float x1 = *(p1 + i0);
            const float x2 = *(p2 + i0);
            const float *b3 = p3 + i0 * n0 + low;
#pragma omp simd
            for (int64_t j = 0; j < wide; j++) {
                const float v0 = b0[j];
                const float v3 = b3[j];
                const float v4 = (v0 - x1);
                const float v5 = (v4 / x2);
                const float v6 = (v3 * v5);
                a7[j] = a7[j] + (double)v6;
            }
        }
        for (int64_t j = 0; j < wide; j++) o0[row * n0 + low + j] = (float)(a7[j]);
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
    out[1].data = NULL;
    (void)in;
    const int64_t n0 = in[2].shape[1];
    const int64_t n1 = in[1].shape[0];
    if (n0 != n1) {
        if (n0 == 1 || n1 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 6, ST_VALUES(1, n0, n1)); goto done; }
    }
    const int64_t n2 = in[2].shape[0];
    const int64_t n3 = in[0].shape[0];
    if (n2 != n3) {
        if (n2 == 1 || n3 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 7, ST_VALUES(0, n2, n3)); goto done; }
    }
    const int64_t n4 = in[0].shape[1];
    if (n1 != n4) {
        if (n1 == 1 || n4 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 8, ST_VALUES(1, n1, n4)); goto done; }
    }
    const float s0 = ((float)(n4));
    const int64_t m0 = st_slot((int64_t)0, st_times(4, n3));
    const int64_t m1 = st_slot(m0, st_times(4, n3));
    char *const arena = m1 >= ST_TOO_MUCH ? NULL : call->arena(call, (size_t)m1);
    if (arena == NULL && m1 > 0) { status = ST_MEMORY; goto done; }
    out[0].shape[0] = n3;
    out[0].shape[1] = n4;
    out[0].data = st_take(rt, st_times(st_times(4, n4), n3));
    if (out[0].data == NULL) { status = ST_MEMORY; goto done; }
    out[1].shape[0] = n4;
    out[1].data = st_take(rt, st_times(4, n4));
    if (out[1].data == NULL) { status = ST_MEMORY; goto done; }
    float *const p0 = (float *)in[2].data;
    float *const p1 = (float *)in[1].data;
    float *const p2 = (float *)in[0].data;
    float *const p3 = (float *)(arena);
    float *const p4 = (float *)(arena + m0);
    float *const p5 = (float *)out[0].data;
    st_run(rt, k0, &(k0_t){p0, p1, p2, s0, p5, p3, p4, n4}, n3, st_rows(1820, n4));
    float *const p6 = (float *)out[1].data;
    const int64_t t0 = st_columns(n4, 256, rt->threads);
    st_run(rt, k1, &(k1_t){p2, p3, p4, p0, p6, n4, t0, st_blocks(n4, t0), n3}, st_blocks(n4, t0), st_rows(16384, n3 * t0));
done:
    if (status != ST_OK) for (int k = 0; k < 2; k++) if (out[k].data != NULL) { rt->release(out[k].data); out[k].data = NULL; }
    return status;
}
