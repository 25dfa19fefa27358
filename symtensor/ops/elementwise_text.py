"""C helpers that the texts of elementwise records call: Python's division and remainder, integer powers,
extrema.

Integers are computed in 64 bits and cut to their type, which gives NumPy's results for every width; nothing
traps.
"""

from __future__ import annotations

__all__ = ["DIVISION", "EXTREMA", "POWER"]

DIVISION = """
static inline int64_t st_idiv(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}
static inline int64_t st_imod(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
ST_LANES double st_fmod_huge(double a, double b, double limit, double r) {
    return fabs(a) < limit * fabs(b) && fabs(b) < INFINITY ? r : fmod(a, b);
}
static inline float st_cmodf(float x, float y) {
    double a = fabs((double)x), b = fabs((double)y), r = a - floor(a / b) * b;
    return (float)st_fmod_huge(x, y, 0x1p28, copysign(r < 0 ? r + b : r, x));
}
#ifdef __FMA__
static inline double st_cmod(double x, double y) {
    double a = fabs(x), b = fabs(y), r = __builtin_fma(-floor(a / b), b, a);
    return st_fmod_huge(x, y, 0x1p52, copysign(r < 0 ? r + b : r, x));
}
#else
#define st_cmod fmod
#endif
static inline double st_fdiv(double a, double b) {
    double r = st_cmod(a, b), q = (a - r) / b;
    q = (r != 0) & ((b < 0) != (r < 0)) ? q - 1 : q;
    double whole = floor(q);
    whole = q - whole > (double)0.5 ? whole + 1 : whole;
    whole = q == 0 ? copysign(0, a / b) : whole;
    return b == 0 ? a / b : whole;
}
static inline double st_fmod(double a, double b) {
    double r = st_cmod(a, b), zero = copysign(0, b);
    double turned = (b < 0) != (r < 0) ? r + b : r;
    return r == 0 ? b == 0 ? r : zero : turned;
}
static inline float st_fdivf(float a, float b) {
    float r = st_cmodf(a, b), q = (a - r) / b;
    q = (r != 0) & ((b < 0) != (r < 0)) ? q - 1 : q;
    float whole = floorf(q);
    whole = q - whole > (float)0.5 ? whole + 1 : whole;
    whole = q == 0 ? copysignf(0, a / b) : whole;
    return b == 0 ? a / b : whole;
}
static inline float st_fmodf(float a, float b) {
    float r = st_cmodf(a, b), zero = copysignf(0, b);
    float turned = (b < 0) != (r < 0) ? r + b : r;
    return r == 0 ? b == 0 ? r : zero : turned;
}
"""

POWER = """
static inline uint64_t st_upow(uint64_t x, uint64_t n) {
    uint64_t y = 1;
    for (; n; n >>= 1, x *= x) if (n & 1) y *= x;
    return y;
}
static inline int64_t st_ipow(int64_t x, int64_t n) {
    if (n < 0) return x == 1 ? 1 : x == -1 ? (n & 1 ? -1 : 1) : 0;
    return (int64_t)st_upow((uint64_t)x, (uint64_t)n);
}
"""

EXTREMA = """
#define ST_MAX(a, b) ((((a) >= (b)) | ((a) != (a))) ? (a) : (b))
#define ST_MIN(a, b) ((((a) <= (b)) | ((a) != (a))) ? (a) : (b))
"""
