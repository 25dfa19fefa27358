/* The matrix product without a BLAS. Contraction to fused multiply-add is wanted here: compile with
   -ffp-contract=fast, and -march=native where possible. */
#include "support.h"
#include <string.h>

#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, MR = 12 };
#elif defined(__AVX__)
enum { VECTOR_BYTES = 32, MR = 6 };
#elif defined(__aarch64__)
enum { VECTOR_BYTES = 16, MR = 12 };
#else
enum { VECTOR_BYTES = 16, MR = 6 };
#endif

enum { BLOCK_M = 192, BLOCK_N = 1024, BLOCK_K = 256 };
_Static_assert((BLOCK_M + BLOCK_N) * BLOCK_K * sizeof(double) <= ST_BLOCKED_BYTES, "the packs fit");

#define REAL float
#define VECTOR float_vector
#define NAME(name) name##_sgemm
#include "blocked_tile.h"

#define REAL double
#define VECTOR double_vector
#define NAME(name) name##_dgemm
#include "blocked_tile.h"
