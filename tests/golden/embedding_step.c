#define ST_MAX(a, b) ((((a) >= (b)) | ((a) != (a))) ? (a) : (b))
#define ST_MIN(a, b) ((((a) <= (b)) | ((a) != (a))) ? (a) : (b))

static inline int64_t st_slice_end(int64_t at, int64_t n, int64_t low, int64_t high) {
    if (at < 0) { at += n; return at < low ? low : at; }
    return at > high ? high : at;
}
static inline int64_t st_slice_start(int64_t n, int given, int64_t start, int64_t step) {
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    return given ? st_slice_end(start, n, low, high) : step < 0 ? high : low;
}
static inline int64_t st_slice_length(int64_t n, int64_t first, int given, int64_t stop, int64_t step) {
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    const int64_t last = given ? st_slice_end(stop, n, low, high) : step < 0 ? low : high;
    const int64_t span = step < 0 ? first - last : last - first, pace = step < 0 ? -step : step;
    return span <= 0 || pace == 0 ? 0 : (span - 1) / pace + 1;
}
/* how many of the n elements first, first + step, ... come before the bound */
static inline int64_t st_slice_before(int64_t first, int64_t step, int64_t n, int64_t bound) {
    const int64_t span = step < 0 ? first - bound : bound - first - 1, pace = step < 0 ? -step : step;
    return span < 0 ? 0 : pace != 0 && span / pace < n ? span / pace + 1 : n;
}
/* the box that iterations begin to end - 1 own: a share of one dimension, the first long one that is sliced, else the
   longest */
static inline void st_own_box(int rank, const int64_t *dim, const char *sliced, int64_t begin, int64_t end,
                              int64_t *low, int64_t *high) {
    int part = 0;
    for (int k = 0; k < rank; k++) {
        low[k] = 0; high[k] = dim[k];
        if (dim[k] > dim[part]) part = k;
    }
    const int64_t most = dim[part];
    for (int k = rank - 1; k >= 0; k--) if (sliced[k] && dim[k] >= 64) part = k;
    if (most == 0) return;
    low[part] = dim[part] == most ? begin : begin * dim[part] / most;
    high[part] = dim[part] == most ? end : end * dim[part] / most;
}

typedef struct { st_call *st_call_; int32_t st_node; const float *st_in0; int64_t st_n0; int64_t st_n1; const int32_t *st_in1; } k0_t;
ST_KERNEL k0(void *context, int64_t begin, int64_t end)
{
    const k0_t *const st_c = context;
    st_call *const st_call_ = st_c->st_call_;
    const int32_t st_node = st_c->st_node;
    const float *restrict const st_in0 = st_c->st_in0;
    const int64_t st_n0 = st_c->st_n0;
    const int64_t st_n1 = st_c->st_n1;
    const int32_t *restrict const st_in1 = st_c->st_in1;
    const int64_t st_in0_dim[] = {st_n0, st_n1};
#define IN0_T float
#define IN0_PTR st_in0
#define IN0_DIM(k) st_in0_dim[k]
#define IN1_T int32_t
#define IN1_PTR st_in1
#define IN1(a0) st_in1[(a0)]
    for (int64_t i = begin; i < end; i++) {
        int64_t rest_ = i;
        const int64_t q0 = rest_;

        {
            int64_t x0 = (int64_t)IN1(q0);
            if (x0 < -IN0_DIM(0) || x0 >= IN0_DIM(0)) FAIL(ST_INDEX, x0, 0, IN0_DIM(0));
            if (x0 < 0) x0 += IN0_DIM(0);
        }
    }
#undef IN0_T
#undef IN0_PTR
#undef IN0_DIM
#undef IN1_T
#undef IN1_PTR
#undef IN1
}

typedef struct { const float *p0; const int32_t *at0; const float *p1; float x2; float *o0; int64_t n0; int64_t n1; } k1_t;
ST_KERNEL k1(void *context, int64_t begin, int64_t end)
{
    const k1_t *const st_c = context;
    const float *restrict const p0 = st_c->p0;
    const int32_t *restrict const at0 = st_c->at0;
    const float *restrict const p1 = st_c->p1;
    const float x2 = st_c->x2;
    float *restrict const o0 = st_c->o0;
    const int64_t n0 = st_c->n0;
    const int64_t n1 = st_c->n1;
    for (int64_t q = begin; q < end; q++) {
        const int64_t i0 = q;
        const int64_t named0 = (int64_t)at0[i0];
        const float *b0 = p0 + (named0 < 0 ? named0 + n1 : named0) * n0;
        const float *b1 = p1 + i0 * n0;
        float *w0 = o0 + i0 * n0;
#pragma omp simd
        for (int64_t j = 0; j < n0; j++) {
            const float v0 = b0[j];
            const float v1 = b1[j];
            const float v3 = (v0 * 2.0f);
            const float v4 = (st_sigmoidf(v3));
            const float v5 = (-v3);
            const float v6 = (st_sigmoidf(v5));
            const float v7 = ((4.0f * v4) * v6);
            const float v8 = (v1 * v7);
            const float v9 = (x2 * v8);
            const float v10 = (-v9);
            w0[j] = v10;
        }
    }
}

typedef struct { st_call *st_call_; int32_t st_node; const float *st_in0; int64_t st_n0; int64_t st_n1; const float *st_in1; int64_t st_n2; const int32_t *st_in2; float *st_out0; } k2_t;
ST_KERNEL k2(void *context, int64_t begin, int64_t end)
{
    const k2_t *const st_c = context;
    st_call *const st_call_ = st_c->st_call_;
    const int32_t st_node = st_c->st_node;
    const float *const st_in0 = st_c->st_in0;
    const int64_t st_n0 = st_c->st_n0;
    const int64_t st_n1 = st_c->st_n1;
    const float *restrict const st_in1 = st_c->st_in1;
    const int64_t st_n2 = st_c->st_n2;
    const int32_t *restrict const st_in2 = st_c->st_in2;
    float *const st_out0 = st_c->st_out0;
    const int64_t st_in0_dim[] = {st_n0, st_n1};
    const int64_t st_in1_dim[] = {st_n2, st_n1};
    const int64_t st_in2_dim[] = {st_n2};
#define IN0_T float
#define IN0_PTR st_in0
#define IN0_DIM(k) st_in0_dim[k]
#define IN0(a0, a1) st_in0[(a0) * st_n1 + (a1)]
#define IN1_T float
#define IN1_PTR st_in1
#define IN1_DIM(k) st_in1_dim[k]
#define IN1(a0, a1) st_in1[(a0) * st_n1 + (a1)]
#define IN2_T int32_t
#define IN2_PTR st_in2
#define IN2_DIM(k) st_in2_dim[k]
#define IN2(a0) st_in2[(a0)]
#define OUT0_T float
#define OUT0_PTR st_out0
#define OUT0(a0, a1) st_out0[(a0) * st_n1 + (a1)]
    {
        for (int64_t q0 = 0; q0 < IN2_DIM(0); q0++)
        {
            int64_t x0 = (int64_t)IN2(q0);
            if (x0 < -IN0_DIM(0) || x0 >= IN0_DIM(0)) FAIL(ST_INDEX, x0, 0, IN0_DIM(0));
            if (x0 < 0) x0 += IN0_DIM(0);
        }
        const int64_t dims[] = {IN0_DIM(0), IN0_DIM(1)};
        const char sliced[] = {0, 1};
        int64_t low[2], high[2];
        st_own_box(2, dims, sliced, begin, end, low, high);
        const int64_t l0 = low[0], h0 = high[0];
        const int64_t l1 = low[1], h1 = high[1];
        if ((void *)OUT0_PTR != (void *)IN0_PTR) {
            for (int64_t c0 = l0; c0 < h0; c0++)
#pragma omp simd
            for (int64_t c1 = l1; c1 < h1; c1++) OUT0(c0, c1) = IN0(c0, c1);
        }
        const int64_t s1 = 0, p1 = 1, n1 = IN0_DIM(1);
        const int64_t f1 = st_slice_before(s1, p1, n1, p1 < 0 ? h1 : l1), e1 = st_slice_before(s1, p1, n1, p1 < 0 ? l1 : h1);
        const int64_t b0 = IN2_DIM(0);
        const int64_t y0 = IN1_DIM(0) != 1;
        const int64_t y1 = IN1_DIM(1) != 1;
        for (int64_t r0 = 0; r0 < b0; r0++) {
            int64_t x0 = (int64_t)IN2(r0);
            if (x0 < 0) x0 += IN0_DIM(0);
            if (x0 < l0 || x0 >= h0) continue;
            if (y1) {
#pragma omp simd
                for (int64_t r1 = f1; r1 < e1; r1++) {
                    const int64_t x1 = s1 + r1 * p1;
                    OUT0(x0, x1) = (OUT0_T)(OUT0(x0, x1) + IN1(r0 * y0, r1));
                }
            } else {
#pragma omp simd
                for (int64_t r1 = f1; r1 < e1; r1++) {
                    const int64_t x1 = s1 + r1 * p1;
                    OUT0(x0, x1) = (OUT0_T)(OUT0(x0, x1) + IN1(r0 * y0, 0));
                }
            }
        }
    }
#undef IN0_T
#undef IN0_PTR
#undef IN0_DIM
#undef IN0
#undef IN1_T
#undef IN1_PTR
#undef IN1_DIM
#undef IN1
#undef IN2_T
#undef IN2_PTR
#undef IN2_DIM
#undef IN2
#undef OUT0_T
#undef OUT0_PTR
#undef OUT0
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
    const int64_t n0 = in[2].shape[0];
    const int64_t n1 = in[1].shape[0];
    if (n0 != n1) {
        if (n0 == 1 || n1 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 4, ST_VALUES(0, n0, n1)); goto done; }
    }
    const int64_t n2 = in[2].shape[1];
    const int64_t n3 = in[0].shape[1];
    if (n2 != n3) {
        if (n2 == 1 || n3 == 1) return ST_GENERAL;
        { status = st_fail(call, ST_SHAPE, 5, ST_VALUES(1, n2, n3)); goto done; }
    }
    const int64_t n4 = in[0].shape[0];
    const float s0 = *(const float *)in[3].data;
    const int64_t n5 = (ST_MAX(1, n4));
    const int64_t n6 = (ST_MAX(n5, n3));
    const int64_t n7 = (n3 * n1);
    const int64_t m0 = st_slot((int64_t)0, st_times(st_times(4, n3), n1));
    char *const arena = m0 >= ST_TOO_MUCH ? NULL : call->arena(call, (size_t)m0);
    if (arena == NULL && m0 > 0) { status = ST_MEMORY; goto done; }
    float *const p0 = (float *)in[0].data;
    int32_t *const p1 = (int32_t *)in[1].data;
    float *const p2 = (float *)in[2].data;
    const int64_t t0 = n1;
    st_run(rt, k0, &(k0_t){call, 0, p0, n4, n3, p1}, t0, st_grain(16384, t0, n4 * n3 + n1 + n3 * n1));
    if (call->error.code) { status = ST_FAILED; goto done; }
    float *const p3 = (float *)(arena);
    st_run(rt, k1, &(k1_t){p0, p1, p2, s0, p3, n3, n4}, n1, st_rows(3276, n3));
    float *const p4 = (float *)in[0].data;
    const int64_t t1 = n6;
    st_run(rt, k2, &(k2_t){call, 3, p0, n4, n3, p3, n1, p1, p4}, t1, st_most(st_grain(16384, t1, n7), st_blocks(t1, rt->threads)));
    if (call->error.code) { status = ST_FAILED; goto done; }
done:
    return status;
}
