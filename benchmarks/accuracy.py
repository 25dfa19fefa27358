"""How far results are from the truth, in units of the last place: ``python3 dev.py accuracy`` writes docs/accuracy.md.

Two tables. One runs the C text of every elementwise function of one float32 over its inputs (one in ``--stride``;
all 2^32 with ``--stride 1``) against long double arithmetic. The other evaluates the functions that are spelled so
that they lose no digits, and the naive spellings that the compiler recognizes, in float32 and float64, values and
gradients, with the optimizer and without, against mpmath.

    python -m benchmarks.accuracy [--stride N] [--only NAME,NAME] [--table floats|stable] [--print]

All inputs of the common functions take about an hour on two cores: ``python3 dev.py accuracy --stride 1 --only hot``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import accuracy_stable
from symtensor.link.native import preamble
from symtensor.link.scalars import elementwise_text
from symtensor.link.toolchain import find_compiler, flags
from symtensor.ops import elementwise_extra, elementwise_special  # noqa: F401  (they define records)
from symtensor.ops.elemwise import ELEMENTWISE

ROOT = Path(__file__).resolve().parent.parent
GAMMA_LIKE = {"gamma", "gammaln", "psi", "tri_gamma", "j0", "j1", "i0", "i1"}
EXACT = {"isnan", "isinf", "isfinite", "floor", "ceil", "trunc", "round_half_to_even", "round_half_away_from_zero",
         "neg", "sqr", "inv", "sgn", "abs_", "tensor_copy", "sqrt", "conj", "real", "imag", "angle", "signbit",
         "isposinf", "isneginf", "logical_not", "relu", "hard_sigmoid", "ultra_fast_sigmoid",
         "normal_quantile"}  # rounded once, piecewise linear, or for random numbers
HOT = ("exp", "log", "tanh", "sigmoid", "expm1", "log1p", "softplus", "sin", "cos", "erf", "exp2", "log2", "log10",
       "tan", "sinh", "cosh", "arctan", "arcsinh", "log_sigmoid", "cbrt")

# The function of a long double x.
REFERENCES = {
    "exp": "expl(x)", "exp2": "exp2l(x)", "expm1": "expm1l(x)", "log": "logl(x)", "log2": "log2l(x)",
    "log10": "log10l(x)", "log1p": "log1pl(x)", "sin": "sinl(x)", "cos": "cosl(x)", "tan": "tanl(x)",
    "arcsin": "asinl(x)", "arccos": "acosl(x)", "arctan": "atanl(x)", "sinh": "sinhl(x)", "cosh": "coshl(x)",
    "tanh": "tanhl(x)", "arcsinh": "asinhl(x)", "arccosh": "acoshl(x)", "arctanh": "atanhl(x)",
    "deg2rad": "x * (PI / 180)", "rad2deg": "x * (180 / PI)",
    "sigmoid": "x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x))",
    "softplus": "softplus(x)", "log_sigmoid": "-softplus(-x)", "cbrt": "cbrtl(x)",
    "log1mexp": "x > 0 ? NAN : x > -0.7L ? logl(-expm1l(x)) : log1pl(-expl(x))", "sinc": "sinc(x)",
    "erf": "erfl(x)", "erfc": "erfcl(x)", "erfcx": "erfcx(x)", "erfinv": "erfinv(x, got)", "erfcinv": "erfcinv(x, got)",
    "gamma": "x == 0 ? 1 / x : x < 0 && x == floorl(x) ? NAN : tgammal(x)", "gammaln": "lgammal(x)", "psi": "psi(x)",
    "tri_gamma": "tri_gamma(x)", "j0": "j0l(x)", "j1": "j1l(x)", "i0": "bessel_i(0, x)", "i1": "bessel_i(1, x)",
    "bell": "expl(-x * x)", "erfcx_slope": "erfcx_slope(x)", "xlogx": "x == 0 ? 0 : x * logl(x)",
}
ORACLES = r"""
#define PI 3.141592653589793238462643383279502884L
typedef long double real;
static real softplus(real x) { return x != x ? x : (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); }
static real sinc(real x)
{
    real k = rintl(x), y = sinl(PI * (x - k)) / (PI * x);
    return x == 0 ? 1 : isinf(x) ? 0 : fmodl(k, 2) == 0 ? y : -y;
}
static real erfcx(real x)
{
    if (x > 90) { real r = 1 / (2 * x * x); return (1 - r + 3 * r * r - 15 * r * r * r) / (x * sqrtl(PI)); }
    return expl(x * x) * erfcl(x);
}
static real erfcx_slope(real x)
{
    real tail = 0, k;
    if (x < 2) return 2 * x * erfcx(x) - 2 / sqrtl(PI);
    for (k = x < 20 ? 100 : 16; k > 0; k--) tail = k / 2 / (x + tail);
    return x == x ? -2 * tail / (x + tail) / sqrtl(PI) : x;
}
static real erfcinv(real q, real x) /* one step of Newton's method from what is to be checked */
{
    if (!(q > 0 && q < 2)) return q == 0 ? INFINITY : q == 2 ? -INFINITY : NAN;
    for (int k = 0; k < 3; k++) x += (erfcl(x) - q) * sqrtl(PI) / 2 * expl(x * x);
    return x;
}
static real erfinv(real p, real x)
{
    if (!(fabsl(p) < 1)) return fabsl(p) == 1 ? p * INFINITY : NAN;
    if (p > 0.5L) return erfcinv(1 - p, x);
    if (p < -0.5L) return -erfcinv(1 + p, -x);
    for (int k = 0; k < 3; k++) x += (p - erfl(x)) * sqrtl(PI) / 2 * expl(x * x);
    return x;
}
static const real bernoulli[] = {1.0L / 6, -1.0L / 30, 1.0L / 42, -1.0L / 30, 5.0L / 66, -691.0L / 2730, 7.0L / 6,
                                 -3617.0L / 510};
static real psi(real x)
{
    real total = 0, power = 1;
    if (x == 0) return -1 / x;
    if (x < 0 && x == floorl(x)) return NAN;
    if (x < 0) { total = -PI / tanl(PI * (x - rintl(x))); x = 1 - x; }
    for (; x < 25; x += 1) total -= 1 / x;
    total += logl(x) - 0.5L / x;
    for (int k = 0; k < 8; k++) { power *= x * x; total -= bernoulli[k] / (2 * (k + 1)) / power; }
    return total;
}
static real tri_gamma(real x)
{
    real total = 0, sign = 1, power = x;
    if (isinf(x)) return x > 0 ? 0 : NAN;
    if (x <= 0 && x == floorl(x)) return INFINITY;
    if (x < 0) { real s = PI / sinl(PI * (x - rintl(x))); total = s * s; sign = -1; x = 1 - x; }
    for (; x < 25; x += 1) total += sign / (x * x);
    power = x;
    total += sign * (1 / x + 0.5L / (x * x));
    for (int k = 0; k < 8; k++) { power *= x * x; total += sign * bernoulli[k] / power; }
    return total;
}
static real bessel_i(int order, real x)
{
    real term = order ? x / 2 : 1, sum = 0;
    if (!(fabsl(x) < 100)) return order && x < 0 ? -INFINITY : x == x ? INFINITY : x;
    for (int k = 1; k < 400 && fabsl(term) > 1e-22L * fabsl(sum); k++) {
        sum += term;
        term *= x * x / 4 / (k * (k + order));
    }
    return sum;
}
static double ulps(float got, real want)
{
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : 1e9;
    real g = isinf(got) ? copysignl(0x1p128L, got) : got, w = fabsl(want) > 0x1p128L ? copysignl(0x1p128L, want) : want;
    int e = 0;
    if (g == w) return 0;
    frexpl(fabsl(w) >= 0x1p128L ? 0x1.fp127L : w, &e);
    return (double)(fabsl(g - w) / ldexpl(1, e - 24 < -149 ? -149 : e - 24));
}
static double quick_ulps(float got, double want) /* the same in double: 2^-29 off, and much faster */
{
    if (want == UNKNOWN) return 1e9;
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : 1e9;
    if (isinf(got) && fabs(want) >= 0x1p128) return signbit(got) == signbit(want) ? 0 : 1e9;
    uint64_t bits;
    double ulp;
    memcpy(&bits, &want, 8);
    int64_t e = (int64_t)(bits >> 52 & 2047) - 1023 - 23;
    bits = (uint64_t)((e < -149 ? -149 : e) + 1023) << 52;
    memcpy(&ulp, &bits, 8);
    return fabs(want) < 0x1p127 && fabsf(got) < 0x1p127f ? fabs(got - want) / ulp : 1e9;
}
int main(int count, char **words)
{
    uint64_t stride = strtoull(words[2], 0, 10), above = 0, seen = 0;
    for (int k = 0; k < (int)(sizeof names / sizeof *names); k++) {
        static float in[65536], out[65536];
        double worst = 0;
        float where = 0;
        if (strcmp(words[1], names[k])) continue;
        for (uint64_t at = 0; at < 1ull << 32;) {
            int n = 0;
            for (; n < 65536 && at < 1ull << 32; at += stride, n++) {
                uint32_t bits = (uint32_t)at;
                memcpy(&in[n], &bits, 4);
            }
            run(k, n, in, out);
            for (int i = 0; i < n; i++) {
                double error = quick_ulps(out[i], quick(k, in[i], out[i]));
                seen++;
                if (error < 0.999 && error <= worst - 0.001) continue;
                error = ulps(out[i], reference(k, in[i], out[i]));
                above += error > 1;
                if (error > worst) { worst = error; where = in[i]; }
            }
        }
        printf("%s %.3f %a %llu %llu\n", names[k], worst, where, (unsigned long long)above, (unsigned long long)seen);
    }
    return 0 * count;
}
"""


def unary_functions() -> list[str]:
    """The names of all elementwise functions of one float that round more than once."""
    names = [name for name, op in ELEMENTWISE.items() if op.nin == 1 and "f" in op.accepts and op.has_c(("float32",))
             and not name.startswith(("cast{", "doc_")) and name not in EXACT]
    missing = [name for name in names if name not in REFERENCES]
    if missing:
        raise KeyError(f"benchmarks/accuracy.py has no reference for {', '.join(missing)}")
    return names


def _in_double(text: str) -> str:
    """The reference or the oracles in double, which decides for the many inputs that are clearly right."""
    for ours in re.findall(r"static (?:const )?real (\w+)", ORACLES):
        text = re.sub(rf"\b{ours}\b", f"quick_{ours}", text)
    text = text.replace("#define PI", "#define QUICK_PI").replace("typedef long double real;", "")
    text = re.sub(r"\bPI\b", "QUICK_PI", re.sub(r"\breal\b", "double", text))
    return re.sub(r"\b(\d*\.?\d+(?:e-?\d+)?)L\b", r"\1", re.sub(r"\b(\w+)l\(", r"\1(", text))


def build(folder: Path, names: list[str], target: str = "native") -> Path:
    """The program that compares float32 functions with their references."""
    supports = dict.fromkeys(ELEMENTWISE[name].support for name in names)
    loops = "\n".join(
        f"static void f{k}(int n, const float *restrict x, float *restrict y) {{ _Pragma(\"omp simd\")\n"
        f"for (int i = 0; i < n; i++) y[i] = {elementwise_text(ELEMENTWISE[name], ['x[i]'], ['float32'])}; }}"
        for k, name in enumerate(names))
    runs = " ".join(f"if (k == {k}) f{k}(n, x, y);" for k in range(len(names)))
    checks = " ".join(f"if (k == {k}) return {REFERENCES[name]};" for k, name in enumerate(names))
    # Near its roots a function of the gamma kind loses digits in double: long double decides.
    quick = " ".join(
        f"if (k == {k}) {{ double y = {_in_double(REFERENCES[name])}; "
        f"return {'fabs(y) * sqrt(fabs(x)) < 1e-3 && fabs(x) > 0.5 ? UNKNOWN : ' if name in GAMMA_LIKE else ''}y; }}"
        for k, name in enumerate(names))
    oracles, main = ORACLES.split("static double ulps", 1)
    text = "\n".join([
        "#define UNKNOWN 0x1p1000", *supports, loops,
        f"static void run(int k, int n, const float *x, float *y) {{ {runs} }}", oracles,
        f"static real reference(int k, real x, real got) {{ {checks} return 0; }}",
        _in_double(oracles), f"static double quick(int k, double x, double got) {{ {quick} return NAN; }}",
        "static const char *const names[] = {" + ", ".join(f'"{name}"' for name in names) + "};",
        "static double ulps" + main])
    source, program = folder / "accuracy.c", folder / f"accuracy-{target}"
    source.write_text("#define _GNU_SOURCE\n#include <stdio.h>\n#include <stdlib.h>\n" + preamble(text) + text)
    options = [flag for flag in flags(target) if flag not in ("-shared", "-fPIC")]
    subprocess.run([*find_compiler().command, *options, str(source), "-o", str(program), "-lm"], check=True)
    return program


def measure(names: list[str], stride: int, target: str = "native") -> dict[str, tuple[float, str, int, int]]:
    """For each function the largest error, where, how many are above 1, of how many."""
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), names, target)

        def one(name: str) -> Any:
            words = subprocess.run([str(program), name, str(stride)], check=True, capture_output=True,
                                   text=True).stdout.split()
            print(*words, file=sys.stderr, flush=True)
            return name, (float(words[1]), words[2], int(words[3]), int(words[4]))

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return dict(pool.map(one, names))


def floats_table(found: dict[str, tuple[float, str, int, int]]) -> list[str]:
    """The first table in Markdown."""
    lines = ["| function | max ULP | at | above 1 ULP | inputs |", "|---|---|---|---|---|"]
    for name, (worst, where, above, seen) in found.items():
        lines.append(f"| {name} | {worst:.3f} | {float.fromhex(where):.9g} | {above:,} | "
                     f"{'all 2^32' if seen == 2**32 else f'{seen:,}'} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=509, help="one input in so many (1: all 2^32)")
    parser.add_argument("--only", default="", help="names of functions, separated by commas ('hot': the "
                        "common ones): only their rows are written anew")
    parser.add_argument("--table", choices=("floats", "stable", "both"), default="both")
    parser.add_argument("--print", action="store_true", help="print instead of writing docs/accuracy.md")
    given = parser.parse_args()
    names = unary_functions()
    if given.only:
        names = list(HOT) if given.only == "hot" else given.only.split(",")
    parts = ["# Accuracy", "", "Written by `python3 dev.py accuracy`. Errors are in units of the last place (ULP)."]
    failed = 0
    if given.table != "stable":
        found = measure(names, given.stride)
        failed += sum(worst > (4 if name in GAMMA_LIKE else 2) for name, (worst, *_) in found.items())
        parts += ["", "## Functions of one float32", "", "Against long double. The limit is 2 ULP, 4 for "
                  f"{', '.join(sorted(GAMMA_LIKE))}. Functions that round once are left out.", "", *floats_table(found)]
    if given.table != "floats":
        lines, bad = accuracy_stable.table()
        failed += bad
        parts += ["", "## The stable family", "", *lines]
    text = "\n".join(parts) + "\n"
    page = ROOT / "docs" / "accuracy.md"
    if given.print:
        print(text)
    elif given.only:
        rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
        page.write_text("".join(f"{rows.get(line.split(' | ')[0], line)}\n" for line in page.read_text().splitlines()))
    else:
        page.write_text(text)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
