"""The stable family against mpmath: values and gradients, by name and spelled naively."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import symtensor
from symtensor import tensor as T

Numbers = Sequence[Any]


TANH = "the gradient is 1 - tanh(x)**2, exact to the rounding of 1, not of itself where it is tiny"
APART = "a difference of inputs is rounded before exp; the error grows with its size"


@dataclass(frozen=True)
class Entry:
    """``build`` of tensors and ``truth`` of mpmath numbers; ``slopes``: the derivatives (None: by mpmath).

    ``spans``: where inputs are drawn. ``naive``: only the optimizer makes it accurate. ``row``: a function of the last
    axis of a matrix, its truth one of a list of numbers. ``note``: why larger errors are in the nature of the thing.
    """

    name: str
    build: Callable[..., Any]
    truth: Callable[..., Any]
    spans: tuple[tuple[float, float], ...] = ((-40.0, 40.0),)
    slopes: Callable[..., Any] | None = None
    naive: bool = False
    row: int = 0
    note: str = ""


def entries(mp: Any) -> list[Entry]:
    """What is measured."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + mp.exp(-x)) if x > -1000 else mp.exp(x)

    def slope(x: Any) -> Any:
        return sigmoid(x) * sigmoid(-x)

    def softplus(x: Any) -> Any:
        return mp.log1p(mp.exp(x)) if x < 1000 else x

    def lse(xs: Numbers) -> Any:
        top = max(xs)
        return top + mp.log(sum(mp.exp(x - top) for x in xs)) if abs(top) != mp.inf else top

    def parts(xs: Numbers) -> list[Any]:
        return [mp.exp(x - lse(xs)) for x in xs]

    def ce(p: Any, t: Any) -> Any:
        return t * softplus(-p) + (1 - t) * softplus(p)

    def log1mexp(x: Any) -> Any:
        return mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(x))

    real, positive, negative, wide = ((-40.0, 40.0),), ((0.0, 50.0),), ((-50.0, 0.0),), ((-700.0, 700.0),)
    named = [
        Entry("log1p(x)", T.log1p, mp.log1p, ((-1.0, 50.0),), lambda x: 1 / (1 + x)),
        Entry("expm1(x)", T.expm1, mp.expm1, real, mp.exp),
        Entry("sigmoid(x)", T.sigmoid, sigmoid, wide, slope),
        Entry("softplus(x)", T.softplus, softplus, wide, sigmoid),
        Entry("log_sigmoid(x)", T.log_sigmoid, lambda x: -softplus(-x), wide, lambda x: sigmoid(-x)),
        Entry("log1mexp(x)", T.log1mexp, log1mexp, negative, lambda x: -1 / mp.expm1(-x)),
        Entry("tanh(x)", T.tanh, mp.tanh, real, lambda x: mp.sech(x) ** 2, note=TANH),
        Entry("erf(x)", T.erf, mp.erf, ((-9.0, 9.0),), lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
        Entry("erfc(x)", T.erfc, mp.erfc, ((-6.0, 27.0),), lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
        Entry("erfcx(x)", T.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), ((-9.0, 300.0),),
              lambda x: 2 * x * mp.exp(x * x) * mp.erfc(x) - 2 / mp.sqrt(mp.pi)),
        Entry("gammaln(x)", T.gammaln, lambda x: mp.loggamma(x).real, positive, mp.digamma),
        Entry("psi(x)", T.psi, mp.digamma, positive, lambda x: mp.psi(1, x)),
        Entry("xlogx(x)", T.xlogx, lambda x: x * mp.log(x) if x else mp.mpf(0), positive, lambda x: mp.log(x) + 1),
        Entry("arctanh(x)", T.arctanh, mp.atanh, ((-1.0, 1.0),), lambda x: 1 / ((1 - x) * (1 + x))),
        Entry("arcsinh(x)", T.arcsinh, mp.asinh, wide, lambda x: 1 / mp.sqrt(1 + x * x)),
        Entry("xlogy(x, y)", T.xlogy, lambda x, y: x * mp.log(y) if x else mp.mpf(0), ((-9.0, 9.0), (0.0, 50.0)),
              lambda x, y: (mp.log(y), x / y)),
        Entry("logaddexp(x, y)", T.logaddexp, lambda x, y: lse([x, y]), real * 2, lambda x, y: parts([x, y]),
              note=APART),
        Entry("logsumexp(x)", lambda x: T.logsumexp(x, axis=-1), lse, real, parts, row=4, note=APART),
        Entry("softmax(x)", T.nnet.softmax, parts, real, row=4, note=APART),
        Entry("logsoftmax(x)", T.nnet.logsoftmax, lambda xs: [x - lse(xs) for x in xs], real, row=4, note=APART),
        Entry("sigmoid_binary_crossentropy(x, t)", T.nnet.sigmoid_binary_crossentropy, ce, ((-40.0, 40.0), (0.0, 1.0)),
              lambda x, t: (sigmoid(x) - t, -x), note=APART),
    ]
    naive = [
        ("log(1 + x)", lambda x: T.log(1 + x), mp.log1p, ((-1.0, 50.0),), lambda x: 1 / (1 + x)),
        ("exp(x) - 1", lambda x: T.exp(x) - 1, mp.expm1, real, mp.exp),
        ("log(1 + exp(x))", lambda x: T.log(1 + T.exp(x)), softplus, wide, sigmoid),
        ("log1p(exp(x))", lambda x: T.log1p(T.exp(x)), softplus, wide, sigmoid),
        ("1 / (1 + exp(-x))", lambda x: 1 / (1 + T.exp(-x)), sigmoid, wide, slope),
        ("exp(x) / (1 + exp(x))", lambda x: T.exp(x) / (1 + T.exp(x)), sigmoid, wide, slope),
        ("1 - sigmoid(x)", lambda x: 1 - T.sigmoid(x), lambda x: sigmoid(-x), wide, lambda x: -slope(x)),
        ("log(sigmoid(x))", lambda x: T.log(T.sigmoid(x)), lambda x: -softplus(-x), wide, lambda x: sigmoid(-x)),
        ("log(1 - sigmoid(x))", lambda x: T.log(1 - T.sigmoid(x)), lambda x: -softplus(x), wide, lambda x: -sigmoid(x)),
        ("log1p(-exp(x))", lambda x: T.log1p(-T.exp(x)), log1mexp, negative,
         lambda x: -1 / mp.expm1(-x)),
        ("log(1 - exp(x))", lambda x: T.log(1 - T.exp(x)), log1mexp, negative,
         lambda x: -1 / mp.expm1(-x)),
        ("log(exp(x) + exp(y))", lambda x, y: T.log(T.exp(x) + T.exp(y)), lambda x, y: lse([x, y]), wide * 2,
         lambda x, y: parts([x, y])),
    ]
    rows = [
        ("log(sum(exp(x)))", lambda x: T.log(T.exp(x).sum(axis=-1)), lse, wide, parts),
        ("log(softmax(x))", lambda x: T.log(T.nnet.softmax(x)), lambda xs: [x - lse(xs) for x in xs], wide, None),
    ]
    return [*named, *(Entry(*record, naive=True, note=APART if record[0] == "log(exp(x) + exp(y))" else "")
                      for record in naive),
            *(Entry(*record, naive=True, row=4, note=APART) for record in rows)]


def edges(dtype: str) -> list[float]:
    """Zeros, the smallest numbers, near 1 and -1, large ones, the largest, infinities and nan."""
    info = np.finfo(dtype)
    near = [1 - info.epsneg, 1.0, 1 + info.eps, 1e-3, 1e-8, float(info.eps), float(info.tiny),
            float(info.smallest_subnormal), 30.0, 88.0, 100.0, 709.0, 1e4, float(info.max), np.inf]
    return [0.0, -0.0, *(sign * float(value) for value in near for sign in (1, -1)), np.nan]


def draw(entry: Entry, dtype: str, count: int) -> list[np.ndarray]:
    """Inputs: uniform ones, ones of all sizes, and at the end edge values."""
    rng = np.random.default_rng(5)
    arrays = []
    for low, high in entry.spans:
        uniform = rng.uniform(low, high, count)
        small = rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-20, 1, count)
        arrays.append(np.concatenate([uniform, small[(small > low) & (small < high)][:count // 2]]))
    length = min(map(len, arrays))
    arrays = [array[:length].astype(dtype) for array in arrays]
    if entry.row:
        return [array[:length // entry.row * entry.row].reshape(-1, entry.row) for array in arrays]
    if len(arrays) == 1:
        return [np.concatenate([arrays[0], np.array(edges(dtype), dtype)])]
    return arrays


def ulps(got: float, want: Any, dtype: str, mp: Any) -> float:
    """The distance in units of the last place of the dtype; inf where one is nan or infinite and the other not."""
    info = np.finfo(dtype)
    if want is None:
        return 0.0
    if mp.isnan(want) or np.isnan(got):
        return 0.0 if mp.isnan(want) and np.isnan(got) else np.inf
    if abs(want) >= float(info.max):
        return 0.0 if (np.isinf(got) and (got > 0) == (want > 0)) or abs(got) == info.max else np.inf
    if np.isinf(got):
        return np.inf
    exponent = max(mp.frexp(want)[1] - info.nmant - 1 if want else -10000, info.minexp - info.nmant)
    return float(abs(mp.mpf(float(got)) - want) / mp.ldexp(1, int(exponent)))


def truths(entry: Entry, arrays: list[np.ndarray], mp: Any) -> tuple[Any, list[Any] | None]:
    """The exact value for each element (or row), and the derivative by each input; None where there is none."""

    def real(compute: Callable[[], Any]) -> Any:
        try:
            value = compute()
        except (ValueError, ZeroDivisionError, OverflowError, TypeError):
            return None
        many = isinstance(value, (list, tuple))
        kept = [None if not isinstance(v, mp.mpf) else v for v in (value if many else [value])]
        return kept if many else kept[0]

    if entry.row:
        points = [[mp.mpf(float(v)) for v in row] for row in arrays[0]]
        return ([real(lambda p=p: entry.truth(p)) for p in points],
                None if entry.slopes is None else [[real(lambda p=p: entry.slopes(p)) for p in points]])
    points = [tuple(mp.mpf(float(v)) for v in values) for values in zip(*arrays)]
    finite = [all(mp.isfinite(v) for v in p) for p in points]
    values = [real(lambda p=p: entry.truth(*p)) if good else None for p, good in zip(points, finite)]
    slopes = [real(lambda p=p: entry.slopes(*p)) if good and value is not None else None
              for p, good, value in zip(points, finite, values)]
    if len(arrays) == 1:
        return values, [slopes]
    return values, [[None if s is None else s[k] for s in slopes] for k in range(len(arrays))]


def measure(entry: Entry, dtype: str, optimizer: str, mp: Any, count: int = 150) -> tuple[float, float]:
    """The largest errors of the value and of the gradient."""
    arrays = draw(entry, dtype, count)
    values, slopes = truths(entry, arrays, mp)
    inputs = [T.TensorType(dtype, (None,) * array.ndim)() for array in arrays]
    y = entry.build(*inputs)
    grads = [] if slopes is None else symtensor.grad(y.sum(), inputs)
    function = symtensor.function(inputs, [y, *grads], mode=symtensor.Mode(None, optimizer))
    results = function(*arrays)

    def worst(got: np.ndarray, want: Any) -> float:
        flat = [w for row in want for w in (row if isinstance(row, list) else [row])] if entry.row else want
        return max((ulps(g, w, dtype, mp) for g, w in zip(got.ravel(), flat)), default=0.0)

    value = worst(results[0], values)
    return value, max((worst(got, want) for got, want in zip(results[1:], slopes or [])), default=float("nan"))


def shown(error: float) -> str:
    """The number in a table."""
    if not np.isfinite(error):
        return "–" if np.isnan(error) else "wrong"
    return f"{error:.1f}" if error < 1000 else f"{error:.0e}"


def table(names: Sequence[str] = ()) -> tuple[list[str], int]:
    """The table in Markdown, and how many entries are beyond the limits: 4 ULP for values, 8 for gradients."""
    import mpmath as mp

    mp.mp.dps = 50
    lines = ["Against mpmath: the largest error of the value and of the gradient, in ULP, with the optimizer and "
             "without. Naive spellings (second part) are accurate with the optimizer only.", ""]
    heads = [f"{dtype}, {mode}" for dtype in ("float32", "float64") for mode in ("optimized", "not")]
    lines += [f"| function | {' | '.join(heads)} |", "|---" * 5 + "|"]
    bad, notes = 0, [TANH, APART]
    for entry in entries(mp):
        if names and entry.name not in names:
            continue
        cells = []
        for dtype in ("float32", "float64"):
            for optimizer in ("fast_run", "None"):
                value, slope = measure(entry, dtype, optimizer, mp)
                bad += not entry.note and (optimizer == "fast_run" or not entry.naive) and (value > 4 or slope > 8)
                cells.append(f"{shown(value)}, {shown(slope)}")
        mark = f" ({notes.index(entry.note) + 1})" if entry.note else ""
        lines.append(f"| `{entry.name}`{mark} | {' | '.join(cells)} |")
    return [*lines, "", *(f"({k}) {note[0].upper() + note[1:]}." for k, note in enumerate(notes, 1))], bad
