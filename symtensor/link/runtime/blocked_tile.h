/* C += alpha A B in blocks, for REAL; included by blocked.c for each type. The scheme is that of Goto and van de Geijn,
   "Anatomy of high-performance matrix multiplication" (2008): a block of B stays in the outer cache, a block of A in the
   inner one, a tile of C in registers. */

typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

enum { NAME(width) = VECTOR_BYTES / sizeof(REAL), NAME(nr) = 2 * VECTOR_BYTES / sizeof(REAL) };

/* rows first..first+MR of A, k after k; rows past the end are 0 */
static void NAME(pack_a)(REAL *restrict to, const REAL *a, int64_t row, int64_t col, int64_t rows, int64_t depth)
{
    for (int64_t first = 0; first < rows; first += MR) {
        const REAL *from = a + first * row;
        int64_t have = rows - first < MR ? rows - first : MR;
        if (have < MR) memset(to, 0, sizeof(REAL) * MR * (size_t)depth);
        if (row == 1 || have < MR) {
            for (int64_t p = 0; p < depth; p++)
                for (int64_t i = 0; i < have; i++) to[p * MR + i] = from[i * row + p * col];
        } else {
            for (int64_t p = 0; p < depth; p++)
                for (int i = 0; i < MR; i++) to[p * MR + i] = from[i * row + p * col];
        }
        to += MR * depth;
    }
}

static void NAME(pack_b)(REAL *restrict to, const REAL *b, int64_t row, int64_t col, int64_t depth, int64_t columns)
{
    enum { NR = NAME(nr) };
    for (int64_t first = 0; first < columns; first += NR) {
        const REAL *from = b + first * col;
        int64_t have = columns - first < NR ? columns - first : NR;
        if (have < NR) {
            memset(to, 0, sizeof(REAL) * NR * (size_t)depth);
            for (int64_t p = 0; p < depth; p++)
                for (int64_t j = 0; j < have; j++) to[p * NR + j] = from[p * row + j * col];
        } else if (col == 1) {
            for (int64_t p = 0; p < depth; p++) memcpy(to + p * NR, from + p * row, sizeof(REAL) * NR);
        } else {
            for (int j = 0; j < NR; j++)
                for (int64_t p = 0; p < depth; p++) to[p * NR + j] = from[p * row + j * col];
        }
        to += NR * depth;
    }
}

static void NAME(tile)(const REAL *restrict a, const REAL *restrict b, int64_t depth, REAL alpha, REAL *restrict c,
                       int64_t ldc, int64_t rows, int64_t columns)
{
    enum { NR = NAME(nr), W = NAME(width) };
    VECTOR sum[MR][2];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) sum[i][0] = sum[i][1] = (VECTOR){0};
    for (int64_t p = 0; p < depth; p++) {
        VECTOR left = *(const VECTOR *)(b + p * NR), right = *(const VECTOR *)(b + p * NR + W);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            REAL x = a[p * MR + i];
            sum[i][0] += left * x;
            sum[i][1] += right * x;
        }
    }
    if (rows == MR && columns == NR) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            *(VECTOR *)(c + i * ldc) += sum[i][0] * alpha;
            *(VECTOR *)(c + i * ldc + W) += sum[i][1] * alpha;
        }
        return;
    }
    REAL part[MR * NR];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
        *(VECTOR *)(part + i * NR) = sum[i][0] * alpha;
        *(VECTOR *)(part + i * NR + W) = sum[i][1] * alpha;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) c[i * ldc + j] += part[i * NR + j];
}

void NAME(st_blocked)(int64_t m, int64_t n, int64_t k, REAL alpha, const REAL *a, int64_t row_a, int64_t col_a,
                      const REAL *b, int64_t row_b, int64_t col_b, REAL *c, int64_t ldc, char *pack)
{
    enum { NR = NAME(nr) };
    REAL *packed_b = (REAL *)pack, *packed_a = packed_b + BLOCK_K * BLOCK_N;
    for (int64_t j = 0; j < n; j += BLOCK_N) {
        int64_t columns = n - j < BLOCK_N ? n - j : BLOCK_N;
        for (int64_t p = 0; p < k; p += BLOCK_K) {
            int64_t depth = k - p < BLOCK_K ? k - p : BLOCK_K;
            NAME(pack_b)(packed_b, b + p * row_b + j * col_b, row_b, col_b, depth, columns);
            for (int64_t i = 0; i < m; i += BLOCK_M) {
                int64_t rows = m - i < BLOCK_M ? m - i : BLOCK_M;
                NAME(pack_a)(packed_a, a + i * row_a + p * col_a, row_a, col_a, rows, depth);
                for (int64_t s = 0; s < columns; s += NR)
                    for (int64_t r = 0; r < rows; r += MR)
                        NAME(tile)(packed_a + r * depth, packed_b + s * depth, depth, alpha, c + (i + r) * ldc + j + s,
                                   ldc, rows - r < MR ? rows - r : MR, columns - s < NR ? columns - s : NR);
            }
        }
    }
}

#undef REAL
#undef VECTOR
#undef NAME
