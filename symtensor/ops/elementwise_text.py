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
static inline double st_fdiv(double a, double b) {
    if (b == 0) return a / b;
    double r = fmod(a, b), q = (a - r) / b;
    if (r != 0 && (b < 0) != (r < 0)) q -= 1;
    if (q == 0) return copysign(0.0, a / b);
    double f = floor(q);
    return q - f > 0.5 ? f + 1 : f;
}
static inline float st_fdivf(float a, float b) {
    if (b == 0) return a / b;
    float r = fmodf(a, b), q = (a - r) / b;
    if (r != 0 && (b < 0) != (r < 0)) q -= 1;
    if (q == 0) return copysignf(0.0f, a / b);
    float f = floorf(q);
    return q - f > 0.5f ? f + 1 : f;
}
static inline double st_fmod(double a, double b) {
    double r = fmod(a, b);
    if (r == 0) return b == 0 ? r : copysign(0.0, b);
    return (b < 0) != (r < 0) ? r + b : r;
}
static inline float st_fmodf(float a, float b) {
    float r = fmodf(a, b);
    if (r == 0) return b == 0 ? r : copysignf(0.0f, b);
    return (b < 0) != (r < 0) ? r + b : r;
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
