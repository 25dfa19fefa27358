/* Shared by the pages of matrix products. */
#ifndef SYMTENSOR_MATRIX_H
#define SYMTENSOR_MATRIX_H
#include <complex.h>
#include <string.h>
#include "support.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };  /* of CBLAS */

typedef float _Complex c64;
typedef double _Complex c128;

static const size_t ST_SIZES[] = {4, 8, 8, 16};          /* of ST_F32, ST_F64, ST_C64, ST_C128 */

void *st_blas(int entry);                                /* a function given to st_set_blas, or NULL */

int st_narrow(int dtype, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int64_t row_a,
              int64_t col_a, const void *b, int64_t row_b, int64_t col_b, const void *beta, void *c, int64_t ldc);

/* As a BLAS wants it: unit stride along rows (no transposition) or columns (transposition), and a leading dimension. */
static inline int st_layout(int64_t rows, int64_t columns, int64_t row, int64_t col, int *trans,
                            int64_t *leading)
{
    if ((col == 1 || columns == 1) && (row >= columns || rows == 1)) {
        *trans = NO_TRANS;
        *leading = rows == 1 || row < columns ? columns : row;
    } else if ((row == 1 || rows == 1) && (col >= rows || columns == 1)) {
        *trans = TRANS;
        *leading = columns == 1 || col < rows ? rows : col;
    } else {
        return 0;
    }
    if (*leading < 1) *leading = 1;
    return *leading <= INT32_MAX;
}

#endif
