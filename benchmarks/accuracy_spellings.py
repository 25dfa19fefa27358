"""Naive spellings of stable functions: does the compiler recognize each, in values and gradients?

A `Family` is a function with its exact values; its spellings are texts over ``x`` (and ``y``). All spellings of a
family are one program, each with inputs of its own. ``python -m benchmarks.accuracy_spellings`` prints the errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import symtensor
from benchmarks.accuracy_stable import Entry, draw, truths, ulps
from symtensor import tensor as T

WIDE, REAL, NEGATIVE, POSITIVE = ((-700.0, 700.0),), ((-40.0, 40.0),), ((-50.0, 0.0),), ((0.0, 50.0),)

NAMES = {name: getattr(T, name) for name in (
    "exp", "log", "log1p", "expm1", "sqrt", "sqr", "tanh", "sinh", "cosh", "cos", "sigmoid", "softplus", "erf", "erfc",
    "inv", "neg", "cast", "logsumexp", "add", "mul", "sub", "true_div", "pow", "switch", "exp2", "log2")}
NAMES |= {"T": T, "softmax": T.nnet.softmax, "f32": np.float32, "f64": np.float64}


@dataclass(frozen=True)
class Family:
    """``truth`` and ``slopes`` of mpmath numbers, as in `accuracy_stable.Entry`; ``apart``: the result is a difference
    of what the spellings say, and its error is measured in units of the largest input, or of 1."""

    name: str
    truth: Callable[..., Any]
    slopes: Callable[..., Any] | None
    spellings: tuple[str, ...]
    spans: tuple[tuple[float, float], ...] = WIDE
    apart: bool = False
    row: int = 0


def families(mp: Any) -> list[Family]:
    """All families."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + mp.exp(-x)) if x > -1000 else mp.exp(x)

    def softplus(x: Any) -> Any:
        return mp.log1p(mp.exp(x)) if x < 1000 else x

    def slope(x: Any) -> Any:
        return sigmoid(x) * sigmoid(-x)

    def log1mexp(x: Any) -> Any:
        return mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(x))

    def lse(xs: Any) -> Any:
        top = max(xs)
        return top + mp.log(sum(mp.exp(x - top) for x in xs)) if abs(top) != mp.inf else top

    def parts(xs: Any) -> Any:
        return [mp.exp(x - lse(xs)) for x in xs]

    def density(x: Any) -> Any:
        return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)

    return [
        Family("sigmoid(x)", sigmoid, slope, (
            "1 / (1 + exp(-x))", "1 / (exp(-x) + 1)", "inv(1 + exp(-x))", "1.0 / (1.0 + exp(x * -1))",
            "(1 + exp(-x)) ** -1", "exp(x) / (1 + exp(x))", "exp(x) / (exp(x) + 1.0)", "1 / (1 + 1 / exp(x))",
            "1 - 1 / (1 + exp(x))", "exp(x) * (1 / (1 + exp(x)))", "f32(1) / (f32(1) + exp(0 - x))",
            "(1 + tanh(x / 2)) / 2", "0.5 * (tanh(0.5 * x) + 1)", "true_div(1, add(exp(neg(x)), 1))",
            "1 - sigmoid(-x)", "1 - 1 / (exp(x) + 1)", "cast(1, 'float32') / (1 + exp(-1 * x))")),
        Family("sigmoid(-x)", lambda x: sigmoid(-x), lambda x: -slope(x), (
            "1 - sigmoid(x)", "1 / (1 + exp(x))", "exp(-x) / (1 + exp(-x))", "1 - 1 / (1 + exp(-x))",
            "sigmoid(x) * exp(-x)", "1 - exp(x) / (1 + exp(x))", "-(sigmoid(x) - 1)", "(1 - tanh(x / 2)) / 2")),
        Family("softplus(x)", softplus, sigmoid, (
            "log(1 + exp(x))", "log(exp(x) + 1)", "log1p(exp(x))", "-log(sigmoid(-x))", "-log(1 - sigmoid(x))",
            "-log(1 / (1 + exp(x)))", "log(1 + exp(-x)) + x", "x - log(sigmoid(x))", "log(1 + 1 / exp(-x))",
            "-log1p(-sigmoid(x))", "log(f32(1) + exp(-(-x)))", "log(exp(x) + exp(0 * x + 0))")),
        Family("log_sigmoid(x)", lambda x: -softplus(-x), lambda x: sigmoid(-x), (
            "log(sigmoid(x))", "log(1 / (1 + exp(-x)))", "-log(1 + exp(-x))", "x - log(1 + exp(x))",
            "log(1 - sigmoid(-x))", "log(exp(x) / (1 + exp(x)))", "log(1 - 1 / (1 + exp(x)))", "-log1p(exp(-x))",
            "log1p(-sigmoid(-x))", "x - softplus(x)", "-log(exp(-x) + 1)")),
        Family("log1mexp(x)", log1mexp, lambda x: -1 / mp.expm1(-x), (
            "log(1 - exp(x))", "log1p(-exp(x))", "log(-expm1(x))", "log(-(exp(x) - 1))", "log(1 - 1 / exp(-x))",
            "log(-exp(x) + 1)", "log1p(exp(x) * -1)"), NEGATIVE),
        Family("expm1(x)", mp.expm1, mp.exp, (
            "exp(x) - 1", "-1 + exp(x)", "-(1 - exp(x))", "exp(x) + (-1.0)", "exp(x) - f64(1)",
            "sub(exp(x), 1)"), REAL),
        Family("log1p(x)", mp.log1p, lambda x: 1 / (1 + x), (
            "log(1 + x)", "log(x + 1.0)", "log(1 - (-x))", "-log(1 / (1 + x))", "log(1 + x * 1)"), ((-1.0, 50.0),)),
        Family("log(exp(x) - 1)", lambda x: x + log1mexp(-x), lambda x: -1 / mp.expm1(-x), (
            "log(exp(x) - 1)", "log(expm1(x))", "x + log(1 - exp(-x))", "log(exp(x) + -1)"), ((0.01, 300.0),),
               apart=True),
        Family("logaddexp(x, y)", lambda x, y: lse([x, y]), lambda x, y: parts([x, y]), (
            "log(exp(x) + exp(y))", "log(exp(y) + exp(x))", "-log(1 / (exp(x) + exp(y)))", "x + log(1 + exp(y - x))",
            "y + log1p(exp(x - y))"), WIDE * 2, apart=True),
        Family("log(1 + exp(x) + exp(y))", lambda x, y: lse([x, y, mp.mpf(0)]),
               lambda x, y: parts([x, y, mp.mpf(0)])[:2], (
            "log(1 + exp(x) + exp(y))", "log(exp(x) + exp(y) + 1)", "log1p(exp(x) + exp(y))",
            "log(add(exp(y), 1, exp(x)))"), WIDE * 2, apart=True),
        Family("log(exp(x) - exp(y))", lambda x, y: x + log1mexp(y - x),
               lambda x, y: (-1 / mp.expm1(y - x), -1 / mp.expm1(x - y)), (
            "log(exp(x) - exp(y))", "log(-exp(y) + exp(x))"), ((100.0, 700.0), (-700.0, 90.0)), apart=True),
        Family("exp(x), the odds", mp.exp, mp.exp, (
            "sigmoid(x) / (1 - sigmoid(x))", "sigmoid(x) / sigmoid(-x)", "1 / exp(-x)"), REAL),
        Family("x, the log-odds", lambda x: x, lambda x: mp.mpf(1), (
            "log(sigmoid(x) / (1 - sigmoid(x)))", "log(sigmoid(x)) - log(1 - sigmoid(x))", "log(exp(x))",
            "log(sigmoid(x)) - log(sigmoid(-x))", "log1p(expm1(x))"), REAL),
        Family("tanh(x)", mp.tanh, None, (
            "(exp(x) - exp(-x)) / (exp(x) + exp(-x))", "(exp(2 * x) - 1) / (exp(2 * x) + 1)",
            "(1 - exp(-2 * x)) / (1 + exp(-2 * x))", "2 * sigmoid(2 * x) - 1", "2 / (1 + exp(-2 * x)) - 1",
            "1 - 2 / (exp(2 * x) + 1)", "sinh(x) / cosh(x)", "1 - 2 * sigmoid(-2 * x)")),
        Family("sinh(x)", mp.sinh, mp.cosh, (
            "(exp(x) - exp(-x)) / 2", "0.5 * (exp(x) - exp(-x))"), REAL),
        Family("cosh(x)", mp.cosh, mp.sinh, (
            "(exp(x) + exp(-x)) / 2", "(exp(-x) + exp(x)) * 0.5"), REAL),
        Family("log(cosh(x))", lambda x: mp.log(mp.cosh(x)), None, (
            "log(cosh(x))", "log((exp(x) + exp(-x)) / 2)"), WIDE, apart=True),
        Family("log(1 - tanh(x)**2)", lambda x: -2 * mp.log(mp.cosh(x)), lambda x: -2 * mp.tanh(x), (
            "log(1 - tanh(x) ** 2)", "log(1 - sqr(tanh(x)))", "log1p(-tanh(x) * tanh(x))"), REAL, apart=True),
        Family("1 - cos(x)", lambda x: 1 - mp.cos(x), mp.sin, ("1 - cos(x)", "-(cos(x) - 1)"), ((-3.0, 3.0),)),
        Family("erfc(x)", mp.erfc, lambda x: -density(x), (
            "1 - erf(x)", "-(erf(x) - 1)", "1 + erf(-x)", "-1 * erf(x) + 1"), ((-6.0, 9.0),)),
        Family("log(erfc(x))", lambda x: mp.log(mp.erfc(x)), lambda x: -density(x) / mp.erfc(x), (
            "log(erfc(x))", "log(1 - erf(x))"), ((-5.0, 50.0),), apart=True),
        Family("log(erfc(x) / 2)", lambda x: mp.log(mp.erfc(x) / 2), lambda x: -density(x) / mp.erfc(x), (
            "log(0.5 * erfc(x))", "log(erfc(x) / 2)", "log(0.5 * (1 - erf(x)))", "log((1 + erf(-x)) / 2)"),
               ((-5.0, 50.0),), apart=True),
        Family("abs(x)", lambda x: abs(x), lambda x: mp.sign(x), (
            "sqrt(x ** 2)", "(x ** 2) ** 0.5", "sqrt(x * x)"), ((-50.0, 50.0),)),
        Family("log(x**2)", lambda x: 2 * mp.log(abs(x)), lambda x: 2 / x, (
            "log(x ** 2)", "log(x * x)", "-log(1 / (x * x))"), ((0.01, 50.0),)),
        Family("logsumexp(x)", lse, parts, (
            "log(exp(x).sum(axis=-1))", "log(T.sum(exp(x), axis=1))", "log(exp(x).sum(axis=1, keepdims=True))[:, 0]"),
               apart=True, row=4),
        Family("softmax(x)", parts, None, (
            "exp(x) / exp(x).sum(axis=1, keepdims=True)", "(exp(x).T / exp(x).sum(axis=1)).T",
            "exp(x - x.max(axis=1, keepdims=True)) / exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)",
            "exp(x) * inv(exp(x).sum(axis=1, keepdims=True))", "exp(log(softmax(x)))",
            "exp(x - logsumexp(x, axis=1, keepdims=True))", "exp(x - log(exp(x).sum(axis=1, keepdims=True)))"),
               apart=True, row=4),
        Family("logsoftmax(x)", lambda xs: [x - lse(xs) for x in xs], None, (
            "log(softmax(x))", "log(exp(x) / exp(x).sum(axis=1, keepdims=True))",
            "x - log(exp(x).sum(axis=1, keepdims=True))", "x - logsumexp(x, axis=1, keepdims=True)",
            "log(exp(x)) - log(T.sum(exp(x), axis=1, keepdims=True))"), apart=True, row=4),
    ]


def errors(family: Family, dtype: str, mp: Any, mode: Any = None,
           count: int = 60) -> Iterator[tuple[str, float, float]]:
    """Each spelling with the largest error of its value and of its gradient, in ULP."""
    entry = Entry(family.name, lambda: None, family.truth, family.spans, family.slopes, row=family.row)
    arrays = draw(entry, dtype, count)
    values, slopes = truths(entry, arrays, mp)
    inputs: list[Any] = [T.TensorType(dtype, ())()]  # what gradients are multiplied with
    outputs: list[Any] = []
    for text in family.spellings:
        given = [T.TensorType(dtype, (None,) * array.ndim)() for array in arrays]
        made = eval(text, NAMES, dict(zip("xy", given)))
        if made.type.dtype != dtype:  # by a constant of a wider dtype
            made = T.cast(made, dtype)
        inputs += given
        costs = [made.sum(), (made * inputs[0]).sum()] if slopes is not None else []
        outputs += [made, *(g for cost in costs for g in symtensor.grad(cost, given))]
    function = symtensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
    results = iter(function(np.ones((), dtype), *arrays * len(family.spellings)))
    largest = np.max(np.abs(np.nan_to_num(np.stack(arrays), posinf=0, neginf=0)), axis=0)
    scale = np.maximum(1, largest) * np.finfo(dtype).eps

    def worst(got: np.ndarray, want: Any) -> float:
        flat = [w for row in want for w in (row if isinstance(row, list) else [row])] if family.row else want
        near = scale.max(axis=1) if family.row and got.ndim == 1 else scale
        found = 0.0
        for value, exact, unit in zip(got.ravel(), flat, near.ravel()):
            error = ulps(value, exact, dtype, mp)
            if family.apart and exact is not None and np.isfinite(value) and mp.isfinite(exact):
                error = min(error, float(abs(mp.mpf(float(value)) - exact)) / unit)
            found = max(found, error)
        return found

    for text in family.spellings:
        value = worst(next(results), values)
        yield text, value, max((worst(next(results), want) for want in [*(slopes or ())] * 2), default=0.0)


def main(dtype: str = "float32", part: str = "") -> None:
    """Print the errors of the families whose name has ``part``; those beyond the limits are marked."""
    import mpmath

    mpmath.mp.dps = 60
    for family in families(mpmath):
        for text, value, slope in errors(family, dtype, mpmath) if part in family.name else ():
            mark = "   " if value <= 4 and slope <= 8 else "!!!"
            print(f"{mark} {value:8.3g} {slope:8.3g}  {text}   [{family.name}]")


if __name__ == "__main__":
    main(*sys.argv[1:])
