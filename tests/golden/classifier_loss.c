#define ST_MAX(a, b) ((((a) >= (b)) | ((a) != (a))) ? (a) : (b))
#define ST_MIN(a, b) ((((a) <= (b)) | ((a) != (a))) ? (a) : (b))

typedef struct { const int32_t *st_in0; const int32_t *st_in2; int32_t *st_out0; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    const int32_t *restrict const st_in0 = st_c->st_in0;
    const int32_t *restrict const st_in2 = st_c->st_in2;
    int32_t *restrict const st_out0 = st_c->st_out0;
#define IN0_T int32_t
#define IN0_PTR st_in0
#define IN0() st_in0[0]
#define IN2_T int32_t
#define IN2_PTR st_in2
#define IN2() st_in2[0]
#define OUT0_T int32_t
#define OUT0_PTR st_out0
    for (int64_t i = begin; i < end; i++) {
        ((OUT0_T *)OUT0_PTR)[i] = (OUT0_T)IN0() + (OUT0_T)i * (OUT0_T)IN2();
    }
#undef IN0_T
#undef IN0_PTR
#undef IN0
#undef IN2_T
#undef IN2_PTR
#undef IN2
#undef OUT0_T
#undef OUT0_PTR
}

typedef struct { st_call *st_call_; int32_t st_node; const int32_t *st_in0; const int64_t *st_in2; int32_t *st_out0; } k1_t;
ST_KERNEL k1(void *context, int64_t begin, int64_t end)
{
    const k1_t *const st_c = context;
    st_call *const st_call_ = st_c->st_call_;
    const int32_t st_node = st_c->st_node;
    const int32_t *restrict const st_in0 = st_c->st_in0;
    const int64_t *restrict const st_in2 = st_c->st_in2;
    int32_t *restrict const st_out0 = st_c->st_out0;
#define IN0_T int32_t
#define IN0_PTR st_in0
#define IN0(a0) st_in0[(a0)]
#define IN2_T int64_t
#define IN2_PTR st_in2
#define IN2() st_in2[0]
#define OUT0_T int32_t
#define OUT0_PTR st_out0
    for (int64_t i = begin; i < end; i++) {
        const int64_t target = (int64_t)IN0(i);
        if (target < 0 || target >= IN2()) { FAIL(ST_INDEX, target, 1, IN2()); }
        OUT0_PTR[i] = (int32_t)target;
    }
#undef IN0_T
#undef IN0_PTR
#undef IN0
#undef IN2_T
#undef IN2_PTR
#undef IN2
#undef OUT0_T
#undef OUT0_PTR
}

typedef struct { const float *p0; const float *p1; const int32_t *p2; const int32_t *p3; float x4; float *o1; float *o0; int64_t n0; } k2_t;
ST_KERNEL k2(void *context, int64_t begin, int64_t end)
{
    const k2_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const float *restrict const p1 = st_c->p1;
    const int32_t *restrict const p2 = st_c->p2;
    const int32_t *restrict const p3 = st_c->p3;
    const float x4 = st_c->x4;
    float *restrict const o1 = st_c->o1;
    float *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    for (int64_t q = begin; q < end; q++) {
        const int64_t i0 = q;
        const int32_t x3 = *(p3 + i0);
        const float *b0 = p0 + i0 * n0;
        float *w1 = o1 + i0 * n0;
        float a6 = -INFINITY;
#pragma omp simd reduction(max:a6)
        for (int64_t j = 0; j < n0; j++) {
            const float v0 = b0[j];
            const float v1 = p1[j];
            const float v5 = (v0 + v1);
            a6 = v5 > a6 ? v5 : a6;
        }
        double a10 = 0;
        int32_t a12 = 0;
        float a19 = 0;
        for (int64_t from = 0; from < n0; from += 4096) {
            const int64_t to = st_least(from + 4096, n0);
            double t10 = 0;
            int32_t t12 = 0;
            float t19 = 0;
#pragma omp simd reduction(+:t10) reduction(+:t12) reduction(+:t19)
            for (int64_t j = from; j < to; j++) {
                const float v0 = b0[j];
                const float v1 = p1[j];
                const int32_t v2 = p2[j];
                const float v5 = (v0 + v1);
                const float v7 = (v5 - a6);
                const float v8 = (st_expf(v7));
                const float v9 = (v7 != 0 ? v8 : 0.0f);
                const st_bool v11 = (v7 == 0.0f);
                const st_bool v17 = (v2 == x3);
                const float v18 = (v17 != 0 ? v7 : 0.0f);
                w1[j] = v8;
                t10 = t10 + (double)v9;
                t12 = t12 + (int32_t)v11;
                t19 = t19 + v18;
            }
            a10 = a10 + t10;
            a12 = a12 + t12;
            a19 = a19 + t19;
        }
        const double v13 = ((double)(a12));
        const double v14 = (v13 - 1.0);
        const double v15 = (a10 + v14);
        const double v16 = (st_log1p(v15));
        const double v20 = ((double)(a19));
        const double v21 = (v16 - v20);
        const float v22 = ((float)(v21));
        const double v23 = (v13 + a10);
        const float v24 = ((float)(v23));
#pragma omp simd
        for (int64_t j = 0; j < n0; j++) {
            const int32_t v2 = p2[j];
            const float v8 = w1[j];
            const st_bool v17 = (v2 == x3);
            const float v25 = (v8 / v24);
            const float v26 = (v17 ? (float)1 : (float)0);
            const float v27 = (v25 - v26);
            const float v28 = (x4 * v27);
            w1[j] = v28;
        }
        o0[q] = v22;
    }
}

typedef struct { const float *p0; int64_t count; int64_t chunk; double *part0; } k3_t;
ST_KERNEL k3(void *context, int64_t begin, int64_t end)
{
    const k3_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const int64_t count = st_c->count;
    const int64_t chunk = st_c->chunk;
    double *const part0 = st_c->part0;
    for (int64_t q = begin; q < end; q++) {
        const int64_t low = q * chunk, high = st_least(low + chunk, count);
        double a0 = 0;
#pragma omp simd reduction(+:a0)
        for (int64_t j = low; j < high; j++) {
            const float v0 = p0[j];
            a0 = a0 + (double)v0;
        }
        part0[q] = a0;
    }
}

int st_main(st_call *call)
{
    const st_runtime *const rt = call->rt;
    const st_input *const in = call->inputs;
    st_output *const out = call->outputs;
    int status = ST_OK;
    _Alignas(64) char parts[1][4096];
    call->error.code = 0;
    out[0].data = NULL;
    out[1].data = NULL;
    (void)in;
    const int64_t n0 = in[0].shape[1];
    const int64_t n1 = in[1].shape[0];
    if (n0 != n1) {
        if (n0 == 1 || n1 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 9, ST_VALUES(1, n0, n1)); goto done; }
    }
    const int64_t n2 = in[2].shape[0];
    const int64_t n3 = in[0].shape[0];
    if (n2 != n3) {
        if (n2 == 1 || n3 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 10, ST_VALUES(0, n2, n3)); goto done; }
    }
    const int32_t s0 = ((int32_t)(n0));
    const int64_t n4 = ((int64_t)(s0));
    const int64_t n5 = (ST_MAX(n4, 0));
    if (n5 != n0) {
        if (n5 == 1 || n0 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 11, ST_VALUES(1, n5, n0)); goto done; }
    }
    const float s3 = ((float)(n3));
    const float s4 = (1.0f / s3);
    const int64_t m0 = st_slot((int64_t)0, st_times(4, n0));
    const int64_t m1 = st_slot(m0, st_times(4, n3));
    const int64_t m2 = st_slot(m1, st_times(4, n3));
    char *const arena = m2 >= ST_TOO_MUCH ? NULL : call->arena(call, (size_t)m2);
    if (arena == NULL && m2 > 0) { status = ST_MEMORY; goto done; }
    out[1].shape[0] = n3;
    out[1].shape[1] = n0;
    out[1].data = st_take(rt, st_times(st_times(4, n0), n3));
    if (out[1].data == NULL) { status = ST_MEMORY; goto done; }
    out[0].data = st_take(rt, 4);
    if (out[0].data == NULL) { status = ST_MEMORY; goto done; }
    int32_t *const p1 = (int32_t *)in[2].data;
    float *const p3 = (float *)in[0].data;
    float *const p4 = (float *)in[1].data;
    const int32_t s1 = 0;
    const int32_t s2 = 1;
    int32_t *const p0 = (int32_t *)(arena);
    const int64_t t0 = n0;
    st_run(rt, k0, &(k0_t){&s1, &s2, p0}, t0, st_grain(16384, t0, 1 + 1 + 1 + n0));
    int32_t *const p2 = (int32_t *)(arena + m0);
    const int64_t t1 = n3;
    st_run(rt, k1, &(k1_t){call, 3, p1, &n0, p2}, t1, st_grain(16384, t1, n3 + 1 + 1 + n3));
    if (call->error.code) { status = ST_FAILED; goto done; }
    float *const p5 = (float *)(arena + m1);
    float *const p6 = (float *)out[1].data;
    st_run(rt, k2, &(k2_t){p3, p4, p0, p2, s4, p6, p5, n0}, n3, st_rows(2340, n0));
    float s5;
    const int64_t t2 = n3;
    const int64_t t3 = st_chunk(t2, 4096, 256);
    const int64_t t4 = st_blocks(t2, t3);
    st_run(rt, k3, &(k3_t){p5, t2, t3, ((double *)parts[0])}, t4, 1);
    double t5 = 0;
    for (int64_t q = 0; q < t4; q++) t5 = t5 + ((double *)parts[0])[q];
    s5 = (float)t5;
    const float s6 = (s5 / s3);
    *(float *)out[0].data = s6;
done:
    if (status != ST_OK) for (int k = 0; k < 2; k++) if (out[k].data != NULL) { rt->release(out[k].data); out[k].data = NULL; }
    return status;
}
