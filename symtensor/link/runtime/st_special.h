/* Special functions of mathematical physics, in double. Formula numbers are those of the Digital Library of Mathematical
   Functions (dlmf.nist.gov). Relative errors, away from zeros, are a few 1e-15 for erfcx, psi and tri_gamma, below 1e-13
   for polygamma, the incomplete gamma function (a up to 1e4) and Bessel functions (order and argument up to 100), and
   grow with the logarithm of the result beyond. symtensor/ops/elementwise_scalar.py says the same in Python. */
#ifndef ST_SPECIAL_H
#define ST_SPECIAL_H
#include <math.h>
#include <stdint.h>

#define STX static __attribute__((unused)) double
#define STX_PI 3.14159265358979323846
#define STX_MOST 20000 /* terms summed before the result is nan */

/* ---- gamma and its relatives ---- */

/* tgamma may give inf or nan at the poles, by platform; one meaning for all. */
STX stx_gamma(double x)
{
    if (x == 0) return copysign(INFINITY, x);
    return x < 0 && x == floor(x) ? NAN : tgamma(x);
}

/* 5.5.2 and 5.11.2; in (1, 2) as the difference from the zero there, every term with that factor. */
STX stx_psi(double x)
{
    static const double c[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12};
    double total = 0, y = 1.4616321449683622, part = 0, sum = 0;
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0 && x == floor(x)) return NAN;
    if (x > 1 && x < 2) {
        double d = (x - y) - 9.549995429965697e-17, r, s;
        for (int k = 0; k < 10; k++) { total += 1 / (x * y); x += 1; y += 1; }
        r = 1 / (x * x);
        s = 1 / (y * y);
        for (int k = 6; k >= 0; k--) { part = part * r + sum; sum = sum * s + c[k]; }
        part = part * r + sum; /* the divided difference of sum c_k r^(k+1) */
        return d * (total + log1p(d / y) / d + 0.5 / (x * y) + (x + y) * r * s * part);
    }
    if (x < 0) {
        total = -STX_PI / tan(STX_PI * (x - rint(x)));
        x = 1 - x;
    }
    for (; x < 10; x += 1) total -= 1 / x;
    for (int k = 6; k >= 0; k--) sum = (sum + c[k]) / (x * x);
    return total + log(x) - 0.5 / x - sum;
}

/* sum of (a + k)^-s over k >= 0, integer s >= 2: 25.11.5 with a shift */
STX stx_zeta_of_positive(double s, double a)
{
    static const double b[] = {0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07,
        2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13,
        8.586062056277845e-15, -2.174868698558062e-16};
    double sum = 0, term = pow(a, -s), tail, factor;
    for (; a < 10 + s; a += 1, term = pow(a, -s)) {
        sum += term;
        if (!(term > 1e-18 * sum)) return sum;
    }
    tail = a / (s - 1) + 0.5;
    factor = s / a;
    for (int k = 0; k < 10; k++) {
        tail += b[k] * factor;
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2) / (a * a);
    }
    return sum + pow(a, 1 - s) * (tail / a);
}

/* the same for any a: what is left of the sum over all integers */
STX stx_zeta(double s, double a)
{
    double f = a - floor(a), sign = fmod(s, 2) == 0 ? 1 : -1;
    if (isinf(a)) return a > 0 ? 0 : NAN;
    if (a > 0) return stx_zeta_of_positive(s, a);
    if (f == 0) return INFINITY;
    return stx_zeta_of_positive(s, f)
        + sign * (stx_zeta_of_positive(s, ceil(a) - a) - stx_zeta_of_positive(s, 1 - a));
}

STX stx_polygamma(double n, double x)
{
    if (!(n >= 0) || n != floor(n) || x != x || isinf(n)) return NAN;
    if (n == 0) return stx_psi(x);
    return (fmod(n, 2) == 0 ? -1 : 1) * tgamma(n + 1) * stx_zeta(n + 1, x);
}

/* 5.15.1, 5.15.8, 5.15.6 */
STX stx_tri_gamma(double x)
{
    static const double c[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6};
    double total = 0, sign = 1, sum = 0, series = 0;
    if (isinf(x)) return x > 0 ? 0 : NAN;
    if (x <= 0 && x == floor(x)) return INFINITY;
    if (x < 0) {
        double s = STX_PI / sin(STX_PI * (x - rint(x)));
        total = s * s;
        sign = -1;
        x = 1 - x;
    }
    for (; x < 10; x += 1) sum += 1 / x / x;
    for (int k = 6; k >= 0; k--) series = (series + c[k]) / (x * x);
    return total + sign * (sum + 1 / x + 0.5 / (x * x) + series / x);
}

/* log(gamma(1 + a)), a >= 0, also relative to a small a: 5.7.3 */
STX stx_gammaln1p(double a)
{
    if (a > 0.01) return lgamma(1 + a);
    return a * (-0.5772156649015329 + a * (0.8224670334241132 + a * (-0.40068563438653143 + a * (0.27058080842778454
        + a * (-0.20738555102867398 + a * (0.16955717699740818 + a * -0.1440498967688461))))));
}

/* x^a exp(-x) / gamma(a + 1); for large a with Stirling's series, so that no large numbers cancel */
STX stx_gamma_term(double a, double x)
{
    double m, s, e = 0, power, r;
    if (a < 20) return x > 700 ? exp(a * log(x) - x - lgamma(a + 1)) : pow(x, a) * exp(-x) / tgamma(a + 1);
    m = (x - a) / a;
    if (fabs(m) < 0.5) { /* m - log(1 + m), 4.6.4 */
        s = m / (2 + m);
        power = s * s * s;
        for (int k = 3; k < 60; k += 2, power *= s * s) e += power / k;
        e = m * s - 2 * e;
    } else e = m - log(x / a);
    r = 1 / (a * a);
    return exp(-a * e) / sqrt(2 * STX_PI * a)
        * exp(-(1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / a);
}

/* The regularized incomplete gamma functions P (upper = 0) and Q: 8.7.1, 8.9.2, and 8.7.3 for small a. */
STX stx_gammainc(double a, double x, int upper)
{
    double sum = 1, term = 1;
    if (!(a >= 0 && x >= 0) || (isinf(a) && isinf(x)) || (a == 0 && x == 0)) return NAN;
    if (a == 0 || isinf(x)) return !upper;
    if (x == 0 || isinf(a)) return upper;
    if (x < 1 && a < 1 && upper) {
        double whole = a * log(x) - stx_gammaln1p(a);
        sum = 0;
        for (int k = 1; k < 40; k++) { term *= -x / k; sum += term / (a + k); }
        return -expm1(whole) - exp(whole) * a * sum;
    }
    if (x < 1 || x < a) {
        for (double k = 1; k < STX_MOST && term > 1e-17 * sum; k++) { term *= x / (a + k); sum += term; }
        sum *= term > 1e-17 * sum ? NAN : stx_gamma_term(a, x);
        return upper ? 1 - sum : sum;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b; /* Lentz's algorithm for the continued fraction */
    sum = d;
    for (double k = 1; k < STX_MOST; k++) {
        double n = -k * (k - a);
        b += 2;
        d = n * d + b;
        c = b + n / c;
        d = 1 / (d == 0 ? 1e-300 : d);
        c = c == 0 ? 1e-300 : c;
        sum *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    sum *= fabs(d * c - 1) > 1e-15 ? NAN : a * stx_gamma_term(a, x);
    return upper ? sum : 1 - sum;
}

/* I_x(a, b): 8.17.22, on the side where it converges */
STX stx_betainc(double a, double b, double x)
{
    int swap = x > (a + 1) / (a + b + 2);
    double y = 1 - x, front, c = 1, d, h;
    if (!(a >= 0 && b >= 0 && a + b > 0 && x >= 0 && x <= 1)) return NAN;
    if (x == 0 || x == 1) return x;
    if (a == 0 || b == 0) return a == 0;
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b));
    if (swap) { h = a; a = b; b = h; h = x; x = y; y = h; }
    d = 1 - (a + b) * x / (a + 1);
    d = 1 / (d == 0 ? 1e-300 : d);
    h = d;
    for (int m = 1; m < STX_MOST; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            double n = k ? odd : even;
            d = 1 + n * d;
            c = 1 + n / c;
            d = 1 / (d == 0 ? 1e-300 : d);
            c = c == 0 ? 1e-300 : c;
            h *= d * c;
        }
        if (fabs(d * c - 1) < 1e-15) break;
    }
    h *= front / a;
    return swap ? 1 - h : h;
}

/* ---- the error function ---- */

/* exp(-x^2), x^2 in two parts */
STX stx_bell(double x)
{
    double head = (double)(float)x;
    if (fabs(x) >= 28) return 0;
    return exp(-head * head) * exp(-(x - head) * (x + head));
}

/* exp(x^2) erfc(x), or its derivative; from 2 on the continued fraction 7.9.1 */
STX stx_erfcx(double x, int slope)
{
    double y, tail = 0;
    if (!(x >= -27)) return x != x ? x : slope ? -INFINITY : INFINITY;
    if (x < 2) {
        y = erfc(x) / stx_bell(x);
        return slope ? 2 * x * y - 1.1283791670955126 : y;
    }
    for (int k = x < 1e8 ? 60 : 1; k > 0; k--) tail = k * 0.5 / (x + tail);
    return (slope ? -2 * tail : 1) / ((x + tail) * 1.7724538509055160273);
}

/* x >= 0 with erfc(x) = q, 0 < q <= 1/2: Newton's method on log(erfc), which is nearly a parabola */
STX stx_inverse_tail(double q)
{
    double size = -log(q), x = sqrt(size - log(STX_PI * size) / 2), step = 1;
    x = x == x ? x : 0.5;
    for (int k = 0; k < 60 && fabs(step) > 1e-16 * x; k++) {
        double tail = erfc(x);
        if (tail == 0) break;
        step = log(tail / q) * tail / (1.1283791670955126 * exp(-x * x));
        x += step;
    }
    return x;
}

STX stx_erfinv(double p)
{
    double x = p / 1.1283791670955126, step = 1;
    if (!(fabs(p) <= 1)) return NAN;
    if (fabs(p) == 1) return copysign(INFINITY, p);
    if (fabs(p) > 0.5) return copysign(stx_inverse_tail(1 - fabs(p)), p);
    for (int k = 0; k < 60 && fabs(step) > 1e-16 * fabs(x); k++) {
        step = (p - erf(x)) / (1.1283791670955126 * exp(-x * x));
        x += step;
    }
    return x;
}

STX stx_erfcinv(double q)
{
    if (!(q >= 0 && q <= 2)) return NAN;
    if (q == 0 || q == 2) return q == 0 ? INFINITY : -INFINITY;
    if (q >= 0.5 && q <= 1.5) return stx_erfinv(1 - q);
    return q < 1 ? stx_inverse_tail(q) : -stx_inverse_tail(2 - q);
}

/* ---- Bessel functions of real order ---- */

/* (x/2)^v / gamma(v+1) exp(-shift) times the sum of (sign x^2/4)^k / (k! (v+1)_k): 10.2.2, 10.25.2 */
STX stx_bessel_series(double v, double x, double sign, double shift)
{
    double sum = 1, term = 1, scale = 0, q = sign * x * x / 4;
    for (double k = 1;; k++) {
        if (k > STX_MOST) return NAN;
        term *= q / (k * (v + k));
        sum += term;
        if (fabs(term) < 1e-17 * fabs(sum) && k > -v) break;
        if (term > 1e280) { term *= 1e-280; sum *= 1e-280; scale += 644.7238260383328; }
    }
    if (fabs(v) < 20 && scale == 0) return sum * pow(x / 2, v) / tgamma(v + 1) * exp(-shift);
    if (v < -1 && fmod(floor(v), 2) == 0) sum = -sum; /* the sign of gamma(v + 1) */
    return sum * exp(v * log(x / 2) - lgamma(v + 1) - shift + scale);
}

/* J_v(x) for x >= 25 and v < 2: 10.17.3. Near its zeros cos(x - pi/4) is cos(2x) / (cos x - sin x) / sqrt 2. */
STX stx_j_of_large(double v, double x)
{
    double term = 1, even = 1, odd = 0, s = sin(x), c = cos(x), along, across;
    for (int k = 1; k < 60; k++) {
        double next = term * (4 * v * v - (2 * k - 1.0) * (2 * k - 1)) / (8 * k * x);
        if (fabs(next) > fabs(term)) break;
        term = next;
        if (k % 2) odd += k % 4 == 1 ? term : -term;
        else even += k % 4 == 2 ? -term : term;
        if (fabs(term) < 1e-18) break;
    }
    if (v == 0 || v == 1) {
        double plus = s + c, minus = s - c; /* sqrt 2 times cos, sin of x - pi/4 */
        if (x < 1e300) { if (s * c < 0) plus = -cos(2 * x) / minus; else minus = -cos(2 * x) / plus; }
        along = v == 0 ? plus : minus;
        across = v == 0 ? minus : -plus;
    } else {
        double phase = (v / 2 + 0.25) * STX_PI, cp = cos(phase), sp = sin(phase);
        along = 1.4142135623730951 * (c * cp + s * sp);
        across = 1.4142135623730951 * (s * cp - c * sp);
    }
    return (along * even - across * odd) / sqrt(STX_PI * x);
}

/* Ratios of J_(m + k)(x), 0 <= m < 1, by 10.6.1 downward from where they vanish (Miller's algorithm): those for k = n, 0
   and 1 into y. The result is what they are multiplied with by 10.23.15; it is exact to rounding for x < 25. */
STX stx_j_down(double m, double x, int64_t n, double *y)
{
    double most = m + (double)n > x ? m + (double)n : x;
    int64_t top = 2 * ((int64_t)(most + 12 * cbrt(most) + 14) / 2), half = top / 2;
    double above = 0, here = 1e-290, sum = 0, weight = 0;
    int weigh = x < 25 && top < 300;
    if (weigh) weight = exp(lgamma(m + (double)half) - lgamma((double)half + 1));
    y[0] = y[1] = y[2] = 0;
    for (int64_t k = top; k >= 0; k--) {
        if (k == n) y[0] = here;
        if (k <= 1) y[1 + k] = here;
        if (weigh && k % 2 == 0) {
            double j = (double)(k / 2);
            sum += (k ? (m + (double)k) * weight : tgamma(m + 1)) * here;
            if (k > 2) weight *= j / (m + j - 1);
        }
        double below = 2 * (m + (double)k) / x * here - above;
        above = here;
        here = below;
        if (fabs(here) > 1e250) { here *= 1e-250; above *= 1e-250; sum *= 1e-250; y[0] *= 1e-250; y[2] *= 1e-250; }
    }
    return pow(x / 2, m) / sum;
}

STX stx_jv(double v, double x)
{
    double sign = 1, a, b, y[3], n = floor(v), m = v - n;
    if (v != v || x != x) return NAN;
    if (m == 0) {
        if (v < 0) { v = n = -v; sign = fmod(v, 2) == 0 ? 1 : -1; }
        if (x < 0) { x = -x; sign = fmod(v, 2) == 0 ? sign : -sign; }
    }
    if (x < 0 || isinf(v)) return NAN;
    if (isinf(x)) return 0;
    if (x == 0) return v == 0 ? 1 : v > 0 ? 0 : copysign(INFINITY, tgamma(v + 1));
    if (v >= 0 && x * x <= 4 * (v + 1)) return sign * stx_bessel_series(v, x, -1, 0);
    if (fabs(n) > STX_MOST) return NAN;
    if (x >= 25) {
        a = stx_j_of_large(m, x);
        b = stx_j_of_large(m + 1, x);
    } else if (x * x <= 4 * (m + 1)) {
        a = stx_bessel_series(m, x, -1, 0);
        b = stx_bessel_series(m + 1, x, -1, 0);
    } else {
        double scale = stx_j_down(m, x, n > 0 ? (int64_t)n : 0, y);
        if (n >= 0) return sign * scale * y[0];
        a = scale * y[1];
        b = scale * y[2];
    }
    if (n > x) {
        stx_j_down(m, x, (int64_t)n, y);
        return sign * y[0] * (fabs(a) > fabs(b) ? a / y[1] : b / y[2]);
    }
    for (; n < 0; n++) { double c = 2 * m / x * a - b; b = a; a = c; m -= 1; }
    for (; n > 0; n--) { double c = 2 * (m + 1) / x * b - a; a = b; b = c; m += 1; }
    return sign * a;
}

/* I_v(x) exp(-|x|): 10.40.1 or the series */
STX stx_ive(double v, double x)
{
    double sign = 1, sum = 1, term = 1;
    if (v != v || x != x) return NAN;
    if (v == floor(v)) {
        v = fabs(v);
        if (x < 0) { x = -x; sign = fmod(v, 2) == 0 ? 1 : -1; }
    }
    if (x < 0 || isinf(v)) return NAN;
    if (isinf(x)) return 0;
    if (x == 0) return v == 0 ? 1 : v > 0 ? 0 : copysign(INFINITY, tgamma(v + 1));
    if (x < 25 || x < v * v / 2) return sign * stx_bessel_series(v, x, 1, x);
    for (int k = 1; k < 200; k++) {
        double next = -term * (4 * v * v - (2 * k - 1.0) * (2 * k - 1)) / (8 * k * x);
        if (fabs(next) > fabs(term) && k > 2 * fabs(v)) break;
        term = next;
        sum += term;
        if (fabs(term) < 1e-18) break;
    }
    return sign * sum / sqrt(2 * STX_PI * x);
}

STX stx_iv(double v, double x)
{
    double scaled = stx_ive(v, x), half = exp(fabs(x) / 2);
    if (isinf(x) && v == v) return x > 0 ? x : v != floor(v) ? NAN : fmod(v, 2) == 0 ? -x : x;
    return scaled * half * half;
}
#endif
