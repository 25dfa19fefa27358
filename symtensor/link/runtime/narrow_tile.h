/* The narrow product for one REAL, VECTOR and set of instructions (TARGET): see narrow.c. */

enum { NAME(LANES) = sizeof(VECTOR) / sizeof(REAL), NAME(BLOCK) = UP * NAME(LANES) };

/* t[s][l] += sum over k of x[k][l] y[k][s], for a block of neighbours l and 4 of the short side. */
TARGET static void NAME(along)(int64_t depth, const REAL *x, int64_t step, const REAL *y, REAL *t)
{
    VECTOR sum[4][UP];
    for (int s = 0; s < 4; s++) /* one by one, for else they are not kept in registers */
        for (int u = 0; u < UP; u++) memcpy(&sum[s][u], t + (s * UP + u) * NAME(LANES), sizeof(VECTOR));
    for (int64_t k = 0; k < depth; k++, x += step, y += 4) {
        VECTOR v[UP];
        for (int u = 0; u < UP; u++) memcpy(&v[u], x + u * NAME(LANES), sizeof(VECTOR));
        for (int s = 0; s < 4; s++)
            for (int u = 0; u < UP; u++) sum[s][u] += v[u] * y[s];
    }
    for (int s = 0; s < 4; s++)
        for (int u = 0; u < UP; u++) memcpy(t + (s * UP + u) * NAME(LANES), &sum[s][u], sizeof(VECTOR));
}

/* t[s][l] = sum over k of x[l][k] y[s][k], for ROWS of the long side and 4 of the short one. */
TARGET static void NAME(deep)(int64_t depth, const REAL *const *x, const REAL *y, int64_t step, REAL t[4][ROWS])
{
    VECTOR sum[4][ROWS] = {{{0}}};
    int64_t k = 0;
    for (; k + NAME(LANES) <= depth; k += NAME(LANES)) {
        VECTOR v[ROWS], w;
        for (int l = 0; l < ROWS; l++) memcpy(&v[l], x[l] + k, sizeof(VECTOR));
        for (int s = 0; s < 4; s++) {
            memcpy(&w, y + s * step + k, sizeof(VECTOR));
            for (int l = 0; l < ROWS; l++) sum[s][l] += v[l] * w;
        }
    }
    for (int s = 0; s < 4; s++)
        for (int l = 0; l < ROWS; l++) {
            REAL total = ADD_UP(sum[s][l]);
            for (int64_t rest = k; rest < depth; rest++) total += x[l][rest] * y[s * step + rest];
            t[s][l] = total;
        }
}

/* C gets `count` neighbours of the long side. */
static inline void NAME(store)(const narrow *p, int64_t l, int64_t s, int64_t count, const REAL *t)
{
    REAL *restrict at = (REAL *)p->c + l * p->long_c + s * p->short_c;
    const REAL alpha = *(const REAL *)p->alpha, beta = *(const REAL *)p->beta;
    if (beta == 0 && p->long_c == 1)
        for (int64_t i = 0; i < count; i++) at[i] = alpha * t[i];
    else if (beta == 0)
        for (int64_t i = 0; i < count; i++) at[i * p->long_c] = alpha * t[i];
    else
        for (int64_t i = 0; i < count; i++) at[i * p->long_c] = alpha * t[i] + beta * at[i * p->long_c];
}

static void NAME(blocks)(void *context, int64_t begin, int64_t end)
{
    const narrow *p = context;
    const REAL *x = p->x, *y = p->packed;
    const int64_t fours = (p->shorter + 3) / 4;
    for (int64_t q = begin; q < end; q++) {
        const int64_t first = q * NAME(BLOCK), last = first + NAME(BLOCK) < p->longer ? first + NAME(BLOCK) : p->longer;
        if (p->lies_along) {
            REAL t[NARROW / 4][4][NAME(BLOCK)] = {{{0}}};
            const int64_t from = last - NAME(BLOCK); /* the last block begins in the one before it */
            for (int64_t k = 0; k < p->depth; k += DEPTH)
                for (int64_t four = 0; four < fours; four++)
                    NAME(along)(p->depth - k < DEPTH ? p->depth - k : DEPTH, x + k * p->step + from, p->step,
                                y + (four * p->depth + k) * 4, t[four][0]);
            for (int64_t s = 0; s < p->shorter; s++)
                NAME(store)(p, first, s, last - first, t[s / 4][s % 4] + (first - from));
            continue;
        }
        for (int64_t l = first; l < last; l += ROWS) {
            const REAL *rows[ROWS];
            for (int64_t r = 0; r < ROWS; r++) rows[r] = x + (l + r < last ? l + r : last - 1) * p->step;
            for (int64_t four = 0; four < fours; four++) {
                REAL t[4][ROWS];
                NAME(deep)(p->depth, rows, y + four * 4 * p->padded, p->padded, t);
                for (int64_t s = four * 4; s < p->shorter && s < four * 4 + 4; s++)
                    NAME(store)(p, l, s, last - l < ROWS ? last - l : ROWS, t[s % 4]);
            }
        }
    }
}

/* The short operand in fours (along) or in rows; returns the size of a block. */
static int64_t NAME(pack)(const narrow *p, REAL *to)
{
    memset(to, 0, sizeof(REAL) * (size_t)((p->shorter + 3) / 4 * 4 * p->padded));
    for (int64_t s = 0; s < p->shorter; s++) {
        const REAL *y = (const REAL *)p->y + s * p->short_y;
        REAL *restrict at = p->lies_along ? to + s / 4 * 4 * p->depth + s % 4 : to + s * p->padded;
        const int64_t step = p->lies_along ? 4 : 1;
        for (int64_t k = 0; k < p->depth; k++) at[k * step] = y[k * p->deep_y];
    }
    return NAME(BLOCK);
}

#undef REAL
#undef ADD_UP
#undef VECTOR
#undef NAME
