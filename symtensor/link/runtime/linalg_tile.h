/* The small cases of linalg.c for the type T: plain loops, where there is no LAPACK and for matrices of a few elements. */

/* b becomes the solution of a x = b, row after row. */
static void NAME(substitute)(int what, int64_t n, int64_t k, const T *a, int64_t row_a, int64_t col_a, T *b,
                             int64_t row_b, int64_t col_b)
{
    for (int64_t s = 0; s < n; s++) {
        int64_t i = what & ST_UPPER ? n - 1 - s : s;
        T *to = b + i * row_b;
        for (int64_t t = 0; t < s; t++) {
            int64_t j = what & ST_UPPER ? n - 1 - t : t;
            T factor = a[i * row_a + j * col_a];
            const T *from = b + j * row_b;
            for (int64_t q = 0; q < k; q++) to[q * col_b] -= factor * from[q * col_b];
        }
        if (what & ST_UNIT) continue;
        T pivot = a[i * (row_a + col_a)];
        for (int64_t q = 0; q < k; q++) to[q * col_b] /= pivot;
    }
}

/* The lower triangle of a, rows ld apart, becomes L with L L^H = a; 1 + index of a row where that fails, or 0. */
static int64_t NAME(cholesky)(int64_t n, T *a, int64_t ld)
{
    for (int64_t i = 0; i < n; i++) {
        T *row = a + i * ld;
        for (int64_t j = 0; j <= i; j++) {
            const T *other = a + j * ld;
            T sum = row[j];
            for (int64_t p = 0; p < j; p++) sum -= row[p] * CONJ(other[p]);
            if (j < i) row[j] = sum / other[j];
            else if (!(REAL_PART(sum) > 0)) return i + 1;
            else row[i] = (T)ROOT(REAL_PART(sum));
        }
    }
    return 0;
}

/* a (m by n, m >= n, columns ld apart) becomes P L U; 1 + index of the first pivot that is 0, or 0. */
static int64_t NAME(lu)(int64_t m, int64_t n, T *a, int64_t ld, int64_t *pivots)
{
    int64_t info = 0;
    for (int64_t j = 0; j < n; j++) {
        int64_t top = j;
        for (int64_t i = j + 1; i < m; i++)
            if (SIZE(a[j * ld + i]) > SIZE(a[j * ld + top])) top = i;
        pivots[j] = top;
        if (a[j * ld + top] == 0) {
            info = info ? info : j + 1;
            continue;
        }
        for (int64_t c = 0; top != j && c < n; c++) {
            T saved = a[c * ld + j];
            a[c * ld + j] = a[c * ld + top];
            a[c * ld + top] = saved;
        }
        T pivot = a[j * ld + j];
        for (int64_t i = j + 1; i < m; i++) a[j * ld + i] /= pivot;
        for (int64_t c = j + 1; c < n; c++) {
            T factor = a[c * ld + j];
            for (int64_t i = j + 1; i < m; i++) a[c * ld + i] -= factor * a[j * ld + i];
        }
    }
    return info;
}

static void NAME(swap)(int64_t count, int64_t columns, T *a, int64_t ld, const int64_t *pivots)
{
    for (int64_t c = 0; c < columns; c++) {
        T *column = a + c * ld;
        for (int64_t i = 0; i < count; i++) {
            T saved = column[i];
            column[i] = column[pivots[i]];
            column[pivots[i]] = saved;
        }
    }
}
#undef T
#undef SUFFIX
#undef SIZE
#undef ROOT
