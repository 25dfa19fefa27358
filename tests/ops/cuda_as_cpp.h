/* What CUDA C++ has and C++ has not, as far as kernels of random numbers use it: included before their text. */
#include <initializer_list>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define __CUDACC__ 1
#define __device__
#define __forceinline__ inline
#define restrict __restrict__
#define _Static_assert static_assert
#define _Alignas alignas
static inline uint64_t __umul64hi(uint64_t x, uint64_t y) { return (uint64_t)((unsigned __int128)x * y >> 64); }
