typedef struct { const float *p1; float x2; float *o0; float *o1; float *o2; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const float *restrict const p1 = st_c->p1;
    const float x2 = st_c->x2;
    float *restrict const o0 = st_c->o0;
    float *restrict const o1 = st_c->o1;
    float *restrict const o2 = st_c->o2;
#pragma omp simd
    for (int64_t i = begin; i < end; i++) {
        const float v0 = o0[i];
        const float v1 = p1[i];
        const float v3 = o1[i];
        const float v4 = o2[i];
        const float v5 = (0x1.ccccccp-1f * v0);
        const float v6 = (0x1.99999ap-4f * v1);
        const float v7 = (v5 + v6);
        const float v8 = (x2 * v7);
        const float v9 = (0x1.ff7ceep-1f * v3);
        const float v10 = (v1 * v1);
        const float v11 = (0x1.0624dep-10f * v10);
        const float v12 = (v9 + v11);
        const float v13 = (sqrtf(v12));
        const float v14 = (v13 + 0x1.5798eep-27f);
        const float v15 = (v8 / v14);
        const float v16 = (v4 - v15);
        o0[i] = v7;
        o1[i] = v12;
        o2[i] = v16;
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
    out[2].data = NULL;
    out[3].data = NULL;
    out[4].data = NULL;
    out[5].data = NULL;
    (void)in;
    const int64_t n0 = in[1].shape[0];
    const int64_t n1 = in[3].shape[0];
    if (n0 != n1) {
        if (n0 == 1 || n1 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 4, ST_VALUES(0, n0, n1)); goto done; }
    }
    const int64_t n2 = in[1].shape[1];
    const int64_t n3 = in[3].shape[1];
    if (n2 != n3) {
        if (n2 == 1 || n3 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 5, ST_VALUES(1, n2, n3)); goto done; }
    }
    const int64_t n4 = in[2].shape[0];
    if (n4 != n0) {
        if (n4 == 1 || n0 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 6, ST_VALUES(0, n4, n0)); goto done; }
    }
    const int64_t n5 = in[2].shape[1];
    if (n5 != n2) {
        if (n5 == 1 || n2 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 7, ST_VALUES(1, n5, n2)); goto done; }
    }
    const int64_t n6 = in[0].shape[0];
    if (n6 != n0) {
        if (n6 == 1 || n0 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 8, ST_VALUES(0, n6, n0)); goto done; }
    }
    const int64_t n7 = in[0].shape[1];
    if (n7 != n2) {
        if (n7 == 1 || n2 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 9, ST_VALUES(1, n7, n2)); goto done; }
    }
    const int64_t n8 = in[5].shape[0];
    const int64_t n9 = in[7].shape[0];
    if (n8 != n9) {
        if (n8 == 1 || n9 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 10, ST_VALUES(0, n8, n9)); goto done; }
    }
    const int64_t n10 = in[6].shape[0];
    if (n10 != n8) {
        if (n10 == 1 || n8 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 11, ST_VALUES(0, n10, n8)); goto done; }
    }
    const int64_t n11 = in[4].shape[0];
    if (n11 != n8) {
        if (n11 == 1 || n8 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 12, ST_VALUES(0, n11, n8)); goto done; }
    }
    const float s0 = *(const float *)in[8].data;
    float *const p0 = (float *)in[1].data;
    float *const p1 = (float *)in[3].data;
    float *const p2 = (float *)in[2].data;
    float *const p3 = (float *)in[0].data;
    float *const p7 = (float *)in[5].data;
    float *const p8 = (float *)in[7].data;
    float *const p9 = (float *)in[6].data;
    float *const p10 = (float *)in[4].data;
    float *const p4 = (float *)in[1].data;
    float *const p5 = (float *)in[2].data;
    float *const p6 = (float *)in[0].data;
    float *const p11 = (float *)in[5].data;
    float *const p12 = (float *)in[6].data;
    float *const p13 = (float *)in[4].data;
    st_together(rt, (const st_job[]){
        {k0, &(k0_t){p1, s0, p4, p5, p6}, n6 * n7, 5461},
        {k0, &(k0_t){p8, s0, p11, p12, p13}, n11, 5461},
    }, 2);
done:
    return status;
}
