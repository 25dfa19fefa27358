"""The elementary functions of st_math.h against the C library in more precision, in units of the last place."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import symtensor

HEADERS = Path(symtensor.__file__).parent / "link" / "runtime"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
# One float in a prime number; all 2^32 take half an hour (STRIDE = 1).
STRIDE = 61 if os.environ.get("SYMTENSOR_TEST_FULL") else 4093
BOUNDS = {
    "powf": 0.51, "expf": 1.0, "expm1f": 1.5, "logf": 0.8, "log1pf": 1.5, "tanhf": 1.7, "sigmoidf": 1.5,
    "softplusf": 1.7,
    "sinf": 0.51, "cosf": 0.51, "tanf": 0.51, "exp2f": 0.51, "log2f": 0.51, "log10f": 0.51,
    "sinhf": 0.51, "coshf": 0.51, "asinhf": 0.51, "acoshf": 0.51, "atanhf": 0.51,
    "exp": 1.0, "expm1": 2.0, "log": 0.9, "log1p": 1.5, "tanh": 2.6, "sigmoid": 2.4, "softplus": 1.7,
    "sin": 0.9, "cos": 0.9,
}
PROGRAM = r"""
#define ST_LANES static __attribute__((unused))
#include "st_math.h"
#include <stdio.h>
static long double sigmoidl_(long double x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
static long double softplusl_(long double x) { return x != x ? x : (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); }
static double ulp(double got, long double want, int bits, int low) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : 1e9;
    double w = bits == 24 ? (double)(float)want : (double)want;
    if (isinf(w) || isinf(got)) return w == got ? 0 : 1e9;
    if (got == 0 && w == 0) return 0;
    int e;
    frexp(w, &e);
    e = e - bits < low ? low : e - bits;
    return (double)(fabsl(got - want) / ldexpl(1, e));
}
#define FLOATS(f, reference) { double worst = 0; \
    for (uint64_t i = 0; i < (1ull << 32); i += STRIDE) { \
        float x = st_float32((int32_t)(uint32_t)i); \
        double e = ulp(st_##f(x), reference((long double)x), 24, -149); \
        if (e > worst) worst = e; } \
    printf(#f " %.3f\n", worst); }
#define DOUBLES(f, reference) { double worst = 0; uint64_t s = 88172645463325252ull; \
    for (int i = 0; i < 400000; i++) { \
        s ^= s << 13; s ^= s >> 7; s ^= s << 17; \
        double x = i & 1 ? st_float64((int64_t)s) : (double)(int64_t)s * (i % 4 == 0 ? 0x1p-63 * 40 : 0x1p-63 * 2); \
        double e = ulp(st_##f(x), reference((long double)x), 53, -1074); \
        if (e > worst) worst = e; } \
    printf(#f " %.3f\n", worst); }
static void powers(void) { double worst = 0; uint64_t s = 88172645463325252ull;
    for (int i = 0; i < 400000; i++) {
        s ^= s << 13; s ^= s >> 7; s ^= s << 17;
        float x = i & 1 ? st_float32((int32_t)s) : (float)(int32_t)s * 0x1p-28f;
        float y = (float)(int32_t)(s >> 32) * 0x1p-26f;
        if (i % 3 == 0) y = rintf(y);
        if (i % 7 == 0) { const float edges[] = {0, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 0.5f, 2, 3};
            x = edges[s % 10]; y = edges[s / 16 % 10]; }
        double e = ulp(st_powf(x, y), powl(x, y), 24, -149);
        if (e > worst) worst = e; }
    printf("powf %.3f\n", worst); }
int main(void) {
    FLOATS(expf, expl) FLOATS(expm1f, expm1l) FLOATS(logf, logl) FLOATS(log1pf, log1pl) FLOATS(tanhf, tanhl)
    FLOATS(sinf, sinl) FLOATS(cosf, cosl) FLOATS(tanf, tanl)
    FLOATS(sinhf, sinhl) FLOATS(coshf, coshl) FLOATS(asinhf, asinhl) FLOATS(acoshf, acoshl)
    FLOATS(atanhf, atanhl)
    FLOATS(exp2f, exp2l) FLOATS(log2f, log2l) FLOATS(log10f, log10l) FLOATS(sigmoidf, sigmoidl_)
    FLOATS(softplusf, softplusl_)
    DOUBLES(exp, expl) DOUBLES(expm1, expm1l) DOUBLES(log, logl) DOUBLES(log1p, log1pl) DOUBLES(tanh, tanhl)
    DOUBLES(sigmoid, sigmoidl_) DOUBLES(softplus, softplusl_) DOUBLES(sin, sinl) DOUBLES(cos, cosl)
    powers();
    return 0;
}
"""


@pytest.mark.compiler
@pytest.mark.skipif(COMPILER is None, reason="no C compiler on the PATH")
@pytest.mark.parametrize("flags", [["-march=native"], []], ids=["native", "baseline"])
def test_largest_errors(tmp_path: Path, flags: list[str]) -> None:
    source = tmp_path / "errors.c"
    source.write_text(PROGRAM)
    program = tmp_path / "errors"
    command = [COMPILER, "-O2", *flags, "-ffp-contract=off", "-fno-math-errno", f"-DSTRIDE={STRIDE}", f"-I{HEADERS}"]
    subprocess.run([*command, str(source), "-o", str(program), "-lm"], check=True)
    lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
    found = {name: float(worst) for name, worst in (line.split() for line in lines)}
    assert found.keys() == BOUNDS.keys()
    assert {name: worst for name, worst in found.items() if worst > BOUNDS[name]} == {}
