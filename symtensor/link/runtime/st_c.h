/* What programs use of C's headers: to read those takes longer than to compile a small program. */
typedef __SIZE_TYPE__ size_t;
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __UINTPTR_TYPE__ uintptr_t;
#define NULL ((void *)0)
#define INT32_MAX __INT32_MAX__
#define INT32_MIN (-__INT32_MAX__ - 1)
#define INT64_MAX __INT64_MAX__
#define INT64_MIN (-__INT64_MAX__ - 1)
#define INT64_C(n) ((int64_t)n##LL)
#define UINT64_C(n) ((uint64_t)n##ULL)
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
#define ST_C(g) double g(double); float g##f(float);
ST_C(fabs) ST_C(floor) ST_C(ceil) ST_C(trunc) ST_C(round) ST_C(rint) ST_C(nearbyint) ST_C(sqrt) ST_C(cbrt)
ST_C(exp) ST_C(exp2) ST_C(expm1) ST_C(log) ST_C(log1p) ST_C(log2) ST_C(log10) ST_C(sin) ST_C(cos) ST_C(tan)
ST_C(asin) ST_C(acos) ST_C(atan) ST_C(sinh) ST_C(cosh) ST_C(tanh) ST_C(asinh) ST_C(acosh) ST_C(atanh)
ST_C(erf) ST_C(erfc) ST_C(tgamma) ST_C(lgamma)
#undef ST_C
#define ST_C(g) double g(double, double); float g##f(float, float);
ST_C(fmod) ST_C(pow) ST_C(atan2) ST_C(hypot) ST_C(copysign) ST_C(fmin) ST_C(fmax) ST_C(nextafter)
#undef ST_C
