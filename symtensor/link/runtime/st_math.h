/* Elementary functions as inline text that compilers vectorize: no tables, no branches, no calls.

   exp, expm1: Cody-Waite reduction to |r| <= ln(2)/2, then a polynomial. log: reduction to [sqrt(1/2), sqrt(2)), then
   a polynomial (float) or the atanh series' near-minimax fit (double). The rest follow from these. Coefficients are
   Chebyshev interpolants computed with 40 digits. Largest errors in units of the last place (float; double):
   exp 1.0; 1.0  expm1 1.5; 2.0  log 0.8; 0.9  log1p 1.5; 1.5  tanh 1.7; 1.9  sigmoid 1.5; 1.5  softplus 1.7; 1.7
   sin, cos 0.51; 0.9, and 0.51 where float is computed in double: tan, pow, exp2, log2, log10, sinh, cosh and their kin.
   (tanh 2.6 and sigmoid 2.4 for double on processors without fused multiply-add.)
   tests/link/test_math.py checks them. Infinities, nan, zeros and subnormals follow C's Annex F. */
#ifndef ST_MATH_H
#define ST_MATH_H
#include <math.h>
#include <stdint.h>

#define ST_INLINE static inline __attribute__((always_inline, unused))

#ifdef __FMA__
#define ST_FMA(a, b, c) __builtin_fma((a), (b), (c))
#define ST_FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#elif defined(__ARM_FEATURE_FMA)
#define ST_FMA(a, b, c) __builtin_fma((a), (b), (c))
#define ST_FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define ST_FMA(a, b, c) ((a) * (b) + (c))
#define ST_FMAF(a, b, c) ((a) * (b) + (c))
#endif

ST_INLINE int32_t st_bits32(float x) { int32_t i; __builtin_memcpy(&i, &x, 4); return i; }
ST_INLINE float st_float32(int32_t i) { float x; __builtin_memcpy(&x, &i, 4); return x; }
ST_INLINE int64_t st_bits64(double x) { int64_t i; __builtin_memcpy(&i, &x, 8); return i; }
ST_INLINE double st_float64(int64_t i) { double x; __builtin_memcpy(&x, &i, 8); return x; }

/* n / (a + b), the roundings of the sum (for b up to a) and of the quotient made good. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define ST_RATIO(T, FMA, wide) \
    T d = a + b, lost = b - (d - a), r = (T)1 / d, q = n * r; \
    return FMA(FMA(-q, lost, FMA(-q, d, n)), r, q);
#else
#define ST_RATIO(T, FMA, wide) return (T)((wide)n / ((wide)a + (wide)b));
#endif
ST_INLINE float st_ratiof(float n, float a, float b) { ST_RATIO(float, ST_FMAF, double) }
ST_INLINE double st_ratio(double n, double a, double b) { ST_RATIO(double, ST_FMA, double) }

/* ---- float ---- */

/* r and n with x = n ln 2 + r; returns (exp(r) - 1). */
ST_INLINE float st_expm1_reducedf(float x, int32_t *n) {
    const float magic = 0x1.8p23f; /* adding it rounds to an integer, which then sits in the low bits */
    float t = ST_FMAF(x, 0x1.715476p0f, magic);
    float k = t - magic;
    *n = st_bits32(t) - st_bits32(magic);
    float r = ST_FMAF(k, -0x1.62e4p-1f, x);
    r = ST_FMAF(k, -1.4286068203094172321e-6f, r);
    float q = 0.00019891080464f;
    q = ST_FMAF(q, r, 0.00139337307158f);
    q = ST_FMAF(q, r, 0.00833331084465f);
    q = ST_FMAF(q, r, 0.0416664641974f);
    q = ST_FMAF(q, r, 0.166666666817f);
    q = ST_FMAF(q, r, 0.5f);
    return ST_FMAF(q, r * r, r);
}

/* exp(x) for x up to 89 */
ST_INLINE float st_exp_lowf(float x) {
    int32_t n;
    float p = st_expm1_reducedf(x < -104.0f ? -104.0f : x, &n);
    int32_t half = n >> 1; /* two factors: the result may be subnormal */
    float a = st_float32((half + 127) << 23), b = st_float32((n - half + 127) << 23);
    return ST_FMAF(p, a, a) * b;
}

ST_INLINE float st_expf(float x) { return st_exp_lowf(x > 89.0f ? 89.0f : x); }

ST_INLINE float st_expm1f(float x) {
    int32_t n;
    float c = x > 89.0f ? 89.0f : x;
    c = c < -18.0f ? -18.0f : c;
    float p = st_expm1_reducedf(c, &n);
    float s = st_float32((n + 126) << 23); /* 2^(n-1) */
    float y = 2.0f * ST_FMAF(s, p, s - 0.5f);
    return __builtin_fabsf(x) < 0x1p-26f ? x : y;
}

/* log(x + c) for normal x and a c below its last place */
ST_INLINE float st_log_sumf(float x, float c, int32_t shift) {
    int32_t i = st_bits32(x) - 0x3f3504f3;
    int32_t e = i >> 23;
    float f = st_float32((i & 0x7fffff) + 0x3f3504f3) - 1.0f;
    f = ST_FMAF(c, st_float32((127 - (e > 120 ? 120 : e)) << 23), f);
    float k = (float)(e - shift);
    float q = 0.0697161147145f;
    q = ST_FMAF(q, f, -0.114797338466f);
    q = ST_FMAF(q, f, 0.116854199235f);
    q = ST_FMAF(q, f, -0.124256873315f);
    q = ST_FMAF(q, f, 0.142490576457f);
    q = ST_FMAF(q, f, -0.166678023195f);
    q = ST_FMAF(q, f, 0.200007157489f);
    q = ST_FMAF(q, f, -0.24999996958f);
    q = ST_FMAF(q, f, 0.3333333118f);
    float f2 = f * f;
    float y = ST_FMAF(k, 1.4286068203094172321e-6f, q * f * f2);
    y = ST_FMAF(f2, -0.5f, y);
    return (y + f) + k * 0x1.62e4p-1f;
}

ST_INLINE float st_logf(float x) {
    int small = x < 0x1p-126f;
    float y = st_log_sumf(small ? x * 0x1p25f : x, 0.0f, small ? 25 : 0);
    float edge = x == 0.0f ? -INFINITY : (x > 0.0f ? x : NAN);
    return (x > 0.0f) & (x < INFINITY) ? y : edge;
}

ST_INLINE float st_log1pf(float x) {
    float u = 1.0f + x;
    float c = x > 1.0f ? 1.0f - (u - x) : x - (u - 1.0f); /* what the addition lost */
    float y = st_log_sumf(u, c, 0);
    y = x == 0.0f ? x : y;
    float edge = x == -1.0f ? -INFINITY : (x > -1.0f ? x : NAN);
    return (x > -1.0f) & (x < INFINITY) ? y : edge;
}

ST_INLINE float st_tanhf(float x) {
    int32_t n;
    float a = __builtin_fabsf(x), p = st_expm1_reducedf(2.0f * (a > 20.0f ? 20.0f : a), &n);
    float s = st_float32((n + 126) << 23), half = ST_FMAF(s, p, s - 0.5f); /* of exp(2a) - 1 */
    return __builtin_copysignf(st_ratiof(half, 1.0f, half), x);
}

ST_INLINE float st_sigmoidf(float x) {
    float e = st_exp_lowf(-__builtin_fabsf(x));
    return st_ratiof(x < 0.0f ? e : 1.0f, 1.0f, e);
}

ST_INLINE float st_softplusf(float x) {
    float e = st_exp_lowf(-__builtin_fabsf(x)), u = 1.0f + e;
    return (x > 0.0f ? x : 0.0f) + st_log_sumf(u, e - (u - 1.0f), 0);
}

/* ---- double ---- */

ST_INLINE double st_expm1_reduced(double x, int64_t *n) {
    const double magic = 0x1.8p52;
    double t = ST_FMA(x, 0x1.71547652b82fep0, magic);
    double k = t - magic;
    *n = st_bits64(t) - st_bits64(magic);
    double r = ST_FMA(k, -0x1.62e42fee00000p-1, x);
    r = ST_FMA(k, -0x1.a39ef35793c76p-33, r);
    double q = 2.09147553258932022e-9;
    q = ST_FMA(q, r, 2.5105312729622101787e-8);
    q = ST_FMA(q, r, 2.7557273478718580474e-7);
    q = ST_FMA(q, r, 2.7557255170000887438e-6);
    q = ST_FMA(q, r, 0.0000248015873256774619);
    q = ST_FMA(q, r, 0.00019841269875002278793);
    q = ST_FMA(q, r, 0.0013888888888883711167);
    q = ST_FMA(q, r, 0.0083333333333260831202);
    q = ST_FMA(q, r, 0.041666666666666669783);
    q = ST_FMA(q, r, 0.1666666666666667103);
    q = ST_FMA(q, r, 0.5);
    return ST_FMA(q, r * r, r);
}

ST_INLINE double st_exp_low(double x) {
    int64_t n;
    double p = st_expm1_reduced(x < -746.0 ? -746.0 : x, &n);
    int64_t half = n >> 1;
    double a = st_float64((half + 1023) << 52), b = st_float64((n - half + 1023) << 52);
    return ST_FMA(p, a, a) * b;
}

ST_INLINE double st_exp(double x) { return st_exp_low(x > 710.0 ? 710.0 : x); }

ST_INLINE double st_expm1(double x) {
    int64_t n;
    double c = x > 710.0 ? 710.0 : x;
    c = c < -38.0 ? -38.0 : c;
    double p = st_expm1_reduced(c, &n);
    double s = st_float64((n + 1022) << 52);
    double y = 2.0 * ST_FMA(s, p, s - 0.5);
    return __builtin_fabs(x) < 0x1p-54 ? x : y;
}

ST_INLINE double st_log_sum(double x, double c, int64_t shift) {
    int64_t i = st_bits64(x) - 0x3fe6a09e667f3bcdLL;
    int64_t e = i >> 52;
    double f = st_float64((i & 0xfffffffffffffLL) + 0x3fe6a09e667f3bcdLL) - 1.0;
    f = ST_FMA(c, st_float64((1023 - (e > 1000 ? 1000 : e)) << 52), f);
    double k = (double)(int32_t)(e - shift);
    double s = f / (2.0 + f), z = s * s;
    double q = 0.1308803485092755383;
    q = ST_FMA(q, z, 0.13268638369266823879);
    q = ST_FMA(q, z, 0.15386244737621666606);
    q = ST_FMA(q, z, 0.18181795547521136235);
    q = ST_FMA(q, z, 0.22222222392582045097);
    q = ST_FMA(q, z, 0.28571428570799785031);
    q = ST_FMA(q, z, 0.40000000000000883236);
    q = ST_FMA(q, z, 0.66666666666666666463);
    double h = 0.5 * f * f;
    /* log(1+f) = f - (h - s (h + z q)), the large terms added last */
    double tail = ST_FMA(k, 0x1.a39ef35793c76p-33, s * ST_FMA(z, q, h));
    return ST_FMA(k, 0x1.62e42fee00000p-1, f - (h - tail));
}

ST_INLINE double st_log(double x) {
    int small = x < 0x1p-1022;
    double y = st_log_sum(small ? x * 0x1p54 : x, 0.0, small ? 54 : 0);
    double edge = x == 0.0 ? -INFINITY : (x > 0.0 ? x : NAN);
    return (x > 0.0) & (x < INFINITY) ? y : edge;
}

ST_INLINE double st_log1p(double x) {
    double u = 1.0 + x;
    double c = x > 1.0 ? 1.0 - (u - x) : x - (u - 1.0);
    double y = st_log_sum(u, c, 0);
    y = x == 0.0 ? x : y;
    double edge = x == -1.0 ? -INFINITY : (x > -1.0 ? x : NAN);
    return (x > -1.0) & (x < INFINITY) ? y : edge;
}

ST_INLINE double st_tanh(double x) {
    int64_t n;
    double a = __builtin_fabs(x), p = st_expm1_reduced(2.0 * (a > 40.0 ? 40.0 : a), &n);
    double s = st_float64((n + 1022) << 52), half = ST_FMA(s, p, s - 0.5);
    return __builtin_copysign(st_ratio(half, 1.0, half), x);
}

ST_INLINE double st_sigmoid(double x) {
    double e = st_exp_low(-__builtin_fabs(x));
    return st_ratio(x < 0.0 ? e : 1.0, 1.0, e);
}

ST_INLINE double st_softplus(double x) {
    double e = st_exp_low(-__builtin_fabs(x)), u = 1.0 + e;
    return (x > 0.0 ? x : 0.0) + st_log_sum(u, e - (u - 1.0), 0);
}

/* ---- trigonometry: x - k pi/2 in parts of 33 bits, Taylor polynomials; huge arguments go to the C library ---- */

#define ST_HUGE 1e6
ST_LANES double st_sin_huge(double x, double y) { return __builtin_fabs(x) < ST_HUGE ? y : sin(x); }
ST_LANES double st_cos_huge(double x, double y) { return __builtin_fabs(x) < ST_HUGE ? y : cos(x); }
ST_LANES double st_tan_huge(double x, double y) { return __builtin_fabs(x) < ST_HUGE ? y : tan(x); }

/* the quadrant of x, and r + *low = x - quadrant pi/2 */
ST_INLINE double st_quadrant(double x, int64_t *quadrant, double *low) {
    const double magic = 0x1.8p52;
    double t = x * 0.63661977236758134308 + magic, k = t - magic;
    *quadrant = st_bits64(t);
    double a = x - k * 0x1.921fb54400000p+0;
    double w = k * 0x1.0b4611a600000p-34, b = a - w, v = k * 0x1.3198a2e037073p-69, r = b - v;
    *low = ((b - r) - v) + ((a - b) - w);
    return r;
}
ST_INLINE double st_sin_part(double r, double low) {
    double z = r * r;
    double q = 2.8114572543455206e-15;
    q = ST_FMA(q, z, -7.647163731819816e-13);
    q = ST_FMA(q, z, 1.6059043836821613e-10);
    q = ST_FMA(q, z, -2.505210838544172e-08);
    q = ST_FMA(q, z, 2.7557319223985893e-06);
    q = ST_FMA(q, z, -0.0001984126984126984);
    q = ST_FMA(q, z, 0.008333333333333333);
    q = ST_FMA(q, z, -0.16666666666666666);
    return r + ST_FMA(z * r, q, low - 0.5 * z * low);
}
ST_INLINE double st_cos_part(double r, double low) {
    double z = r * r, h = 0.5 * z, w = 1.0 - h;
    double q = 4.779477332387385e-14;
    q = ST_FMA(q, z, -1.1470745597729725e-11);
    q = ST_FMA(q, z, 2.08767569878681e-09);
    q = ST_FMA(q, z, -2.755731922398589e-07);
    q = ST_FMA(q, z, 2.48015873015873e-05);
    q = ST_FMA(q, z, -0.001388888888888889);
    q = ST_FMA(q, z, 0.041666666666666664);
    return w + (((1.0 - w) - h) + (z * z * q - r * low));
}
ST_INLINE double st_sine_of(double x, int64_t more) {
    int64_t n;
    double low, r = st_quadrant(x, &n, &low), s = st_sin_part(r, low), c = st_cos_part(r, low);
    double y = (n + more) & 1 ? c : s;
    return (n + more) & 2 ? -y : y;
}
ST_INLINE double st_sin(double x) { return st_sin_huge(x, x == 0.0 ? x : st_sine_of(x, 0)); }
ST_INLINE double st_cos(double x) { return st_cos_huge(x, st_sine_of(x, 1)); }

#define st_tan tan
#define st_pow pow

/* float, in double */
ST_INLINE double st_quadrantf(double x, int64_t *quadrant) {
    const double magic = 0x1.8p52;
    double t = x * 0.63661977236758134308 + magic, k = t - magic;
    *quadrant = st_bits64(t);
    return (x - k * 0x1.921fb54000000p+0) - k * 0x1.10b4611a62633p-30;
}
ST_INLINE double st_sin_partf(double r) {
    double z = r * r;
    double q = -2.505210838544172e-08;
    q = ST_FMA(q, z, 2.7557319223985893e-06);
    q = ST_FMA(q, z, -0.0001984126984126984);
    q = ST_FMA(q, z, 0.008333333333333333);
    q = ST_FMA(q, z, -0.16666666666666666);
    return ST_FMA(z * r, q, r);
}
ST_INLINE double st_cos_partf(double r) {
    double z = r * r;
    double q = 2.08767569878681e-09;
    q = ST_FMA(q, z, -2.755731922398589e-07);
    q = ST_FMA(q, z, 2.48015873015873e-05);
    q = ST_FMA(q, z, -0.001388888888888889);
    q = ST_FMA(q, z, 0.041666666666666664);
    return ST_FMA(z * z, q, 1.0 - 0.5 * z);
}
ST_INLINE double st_sine_off(double x, int64_t more) {
    int64_t n;
    double r = st_quadrantf(x, &n), y = (n + more) & 1 ? st_cos_partf(r) : st_sin_partf(r);
    return (n + more) & 2 ? -y : y;
}
ST_INLINE float st_sinf(float x) { return (float)st_sin_huge(x, x == 0.0f ? x : st_sine_off(x, 0)); }
ST_INLINE float st_cosf(float x) { return (float)st_cos_huge(x, st_sine_off(x, 1)); }
ST_INLINE float st_tanf(float x) {
    int64_t n;
    double r = st_quadrantf(x, &n), s = st_sin_partf(r), c = st_cos_partf(r);
    double top = n & 1 ? -c : s, bottom = n & 1 ? s : c;
    return (float)st_tan_huge(x, x == 0.0f ? x : top / bottom);
}

/* Rounding from double leaves float exact results where they are exact. */
ST_INLINE float st_log2f(float x) { return (float)(st_log(x) * 1.44269504088896340736); }
ST_INLINE float st_log10f(float x) { return (float)(st_log(x) * 0.434294481903251827651); }
ST_INLINE float st_exp2f(float x) { return (float)st_exp(x * 0.693147180559945309417); }
#define st_log2 log2
#define st_log10 log10
#define st_exp2 exp2

/* hyperbolic functions and their inverses, in double */
ST_INLINE float st_sinhf(float x) {
    double t = st_expm1(__builtin_fabs((double)x));
    return (float)__builtin_copysign(t < 1e300 ? 0.5 * (t + t / (t + 1.0)) : t, x);
}
ST_INLINE float st_coshf(float x) {
    double e = st_exp(__builtin_fabs((double)x));
    return (float)(0.5 * (e + 1.0 / e));
}
ST_INLINE float st_asinhf(float x) {
    double a = __builtin_fabs((double)x);
    double y = st_log1p(a + a * a / (1.0 + __builtin_sqrt(a * a + 1.0)));
    return a < INFINITY ? (float)__builtin_copysign(y, x) : x;
}
ST_INLINE float st_acoshf(float x) {
    double t = (double)x - 1.0;
    return t < 0.0 ? NAN : (float)st_log1p(t + __builtin_sqrt(t * (2.0 + t)));
}
ST_INLINE float st_atanhf(float x) {
    double a = __builtin_fabs((double)x);
    return (float)__builtin_copysign(0.5 * st_log1p(2.0 * a / (1.0 - a)), x);
}
#define st_sinh sinh
#define st_cosh cosh
#define st_asinh asinh
#define st_acosh acosh
#define st_atanh atanh

/* x^y as exp(y log |x|) in double, which leaves float all its digits; edges follow C's Annex F */
ST_INLINE float st_powf(float x, float y) {
    double a = __builtin_fabsf(x), half = 0.5 * (double)y;
    float r = (float)st_exp((double)y * st_log(a));
    int whole = (double)y == __builtin_rint(y), odd = whole & (half != __builtin_rint(half));
    r = (y == 0.0f) | (x == 1.0f) | ((a == 1.0) & (__builtin_fabsf(y) == INFINITY)) ? 1.0f : r;
    r = odd ? __builtin_copysignf(r, x) : r;
    return (x < 0.0f) & (x > -INFINITY) & !whole & (y == y) ? NAN : r;
}

#endif
