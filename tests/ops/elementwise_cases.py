"""What tests of elementwise ops are generated from: dtype combinations, inputs in every layout, and an
evaluator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import DTYPES, TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops import elementwise_complex, elementwise_extra, elementwise_special, random_math  # noqa: F401 (records)
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise

RECORDS = {name: op for name, op in ELEMENTWISE.items() if not name.startswith("doc_")}
LAYOUTS = ("C", "F", "negative", "strided", "broadcast", "empty", "one")

BITS = ("and_", "or_", "xor", "left_shift", "right_shift")
_MIXED = (("int8", "float32"), ("int32", "float32"), ("int64", "uint64"), ("bool", "int16"),
          ("uint8", "int8"),
          ("float16", "float64"), ("float32", "complex64"), ("complex64", "float64"), ("int8", "uint32"))


def kind_letter(dtype: str) -> str:
    return np.dtype(dtype).kind


def accepted(op: Elemwise, dtypes: Sequence[str]) -> bool:
    if any(kind_letter(dtype) not in op.accepts for dtype in dtypes):
        return False
    if op.name in BITS and len(dtypes) > 1 and set(dtypes) == {"int64", "uint64"}:
        return False
    return not (op.name in ("sub", "neg") and set(dtypes) == {"bool"})


def dtype_cases(op: Elemwise) -> Iterator[tuple[str, ...]]:
    """The same dtype everywhere, and the mixed pairs (then repeated for a third input)."""
    nin = op.nin or 2
    for dtype in DTYPES:
        if accepted(op, (dtype,) * nin):
            yield (dtype,) * nin
    if nin > 1:
        for pair in itertools.chain(_MIXED, (p[::-1] for p in _MIXED)):
            dtypes = (*pair, pair[1])[:nin]
            if accepted(op, dtypes):
                yield dtypes


def intervals(op: Elemwise) -> list[tuple[float, float]]:
    nin = op.nin or 2
    sample: Any = op.sample
    return [tuple(interval) for interval in sample] if isinstance(sample[0],
                                                                  Sequence) else [tuple(sample)] * nin


def draw(rng: np.random.Generator, interval: tuple[float, float], shape: tuple[int, ...],
         dtype: str) -> np.ndarray:
    """Values in the interval; unsigned ones in its part above 0; bools at random."""
    low, high = interval
    kind = kind_letter(dtype)
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind == "u":
        low, high = max(low, 0), max(high, 1)
    if kind in "iu":
        return rng.integers(int(np.ceil(low)), max(int(np.floor(high)), int(np.ceil(low))) + 1,
                            shape).astype(dtype)
    values = rng.uniform(low, high, shape)
    if kind == "c":
        return (values + 1j * rng.uniform(-0.4, 0.4, shape)).astype(dtype)
    return values.astype(dtype)


def lay_out(rng: np.random.Generator, op: Elemwise, dtypes: Sequence[str], layout: str) -> list[np.ndarray]:
    arrays = []
    for at, (interval, dtype) in enumerate(zip(intervals(op), dtypes)):
        shape = {"empty": (0, 3), "one": (1, 1), "broadcast": ((3, 1), (1, 4), (3, 4))[at % 3]}.get(layout,
                                                                                                    (3, 4))
        if layout == "strided":
            arrays.append(draw(rng, interval, (6, 8), dtype)[::2, ::2])
        elif layout == "negative":
            arrays.append(draw(rng, interval, shape, dtype)[::-1, ::-1])
        elif layout == "F":
            arrays.append(np.asfortranarray(draw(rng, interval, shape, dtype)))
        else:
            arrays.append(draw(rng, interval, shape, dtype))
    return arrays


def edges(dtype: str) -> np.ndarray:
    """Values where functions go wrong: zeros, extremes, and for floats infinities, nan, subnormals and
    ties."""
    kind = kind_letter(dtype)
    if kind == "b":
        return np.array([False, True])
    if kind in "iu":
        info = np.iinfo(dtype)
        small = [v for v in (-3, -2, -1, 0, 1, 2, 3, 5) if v >= info.min]
        return np.array([*small, info.min, info.max, info.max - 1], dtype)
    if kind == "c":
        parts = edges("float32" if dtype == "complex64" else "float64")
        parts = parts[np.isfinite(parts) & (np.abs(parts) < 1e3)]
        return (parts[:, None] + 1j * parts[None, :]).ravel().astype(dtype)
    info = np.finfo(dtype)
    plain = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, -1.0, 2.0, -3.0, 7.0, 0.1, 1e-3, 90.0, -90.0,
             np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, float(info.smallest_subnormal)]
    return np.array(plain, np.float64).astype(dtype)


def evaluate(outputs: Sequence[Variable], values: dict[Variable, Any]) -> list[np.ndarray]:
    """The outputs by `perform`, node by node."""
    known = dict(values)

    def value(variable: Variable) -> Any:
        return variable.data if isinstance(variable, Constant) else known[variable]

    for node in toposort(outputs, values):
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, [value(v) for v in node.inputs], storage)
        known.update(zip(node.outputs, (cell[0] for cell in storage)))
    return [np.asarray(value(output)) for output in outputs]


def variables(dtypes: Sequence[str], ndim: int) -> list[Variable]:
    return [TensorType(dtype, (None,) * ndim).make_variable() for dtype in dtypes]


def sum_to(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    axes = tuple(axis for axis, dim in enumerate(shape) if dim == 1 and array.shape[axis] != 1)
    return array.sum(axis=axes, keepdims=True) if axes else array


# -- comparing native code with NumPy ------------------------------------------------------------------------

# Largest differences allowed, relative: libraries and the runtime's own functions differ in the last places.
BOUNDS = {"float16": 2e-3, "float32": 2e-6, "float64": 4e-15, "complex64": 4e-6, "complex128": 1e-14}
LOOSE = {"gamma": 40, "gammaln": 400, "psi": 100, "tri_gamma": 20, "erfinv": 4, "erfcinv": 4, "pow": 4,
         "tan": 2,
         "arccosh": 4, "arcsinh": 4, "arctanh": 10, "exp2": 4, "int_div": 1, "log1p": 2, "arccos": 4,
         "arcsin": 4,
         "softplus": 2, "sinh": 4, "cosh": 4, "tanh": 2, "arctan": 3, "sin": 1, "cos": 1, "log": 2, "log2": 2,
         "log10": 2, "erfc": 8, "erfcx": 8, "polygamma": 40, "gammainc": 100, "gammaincc": 100, "gammal": 100,
         "gammau": 100, "betainc": 400, "jv": 100, "j0": 100, "j1": 100, "iv": 100, "ive": 100, "i0": 8, "i1": 8,
         "cbrt": 2, "hypot": 2,
         "sinc": 4, "log1mexp": 4, "log_sigmoid": 2, "xlogy": 2, "xlogy0": 2, "xlog1py": 2, "xlogx": 2}
EXACT = {"add", "sub", "mul", "true_div", "sqrt", "neg", "abs_", "floor", "ceil", "trunc", "clip", "switch",
         "sqr",
         "round_half_to_even", "round_half_away_from_zero", "maximum", "minimum", "mod", "int_div", "inv",
         "sgn"}


def comparable(name, dtypes, arrays, expected):
    """Where C and NumPy must agree: not where a float has no value in the integer type, nor complex
    overflow."""
    keep = np.ones(expected.shape, bool)
    if name.startswith("cast{") and kind_letter(dtypes[0]) == "f" and expected.dtype.kind in "iu":
        info = np.iinfo(expected.dtype)
        x = arrays[0].astype(np.float64)
        keep &= (x > max(info.min - 1.0, -2.0**62)) & (x < min(info.max + 1.0, 2.0**62))
        if expected.dtype.kind == "u":
            keep &= x > -1
    if expected.dtype.kind == "c" or any(kind_letter(d) == "c" for d in dtypes):
        keep &= np.isfinite(expected)
        for array in arrays:
            keep &= np.isfinite(array) & (np.abs(array) < 60) & ((np.abs(array) > 1e-2) | (array == 0))
    if name == "betainc":  # of such parameters nothing is known
        keep &= np.maximum(arrays[0], arrays[1]).astype(float) < 1e3
    if name in ("tan", "sin", "cos", "mod"):
        keep &= np.abs(arrays[0].astype(np.complex128)) < 1e5
    return keep


def same_elements(a, b):
    with np.errstate(all="ignore"):
        return (a == b) | ((a != a) & (b != b))


def assert_agree(name: str, dtypes: Sequence[str], arrays: Sequence[np.ndarray], got: np.ndarray,
                 expected: np.ndarray) -> None:
    """Native results equal NumPy's: to the bit for arithmetic, else up to the last places."""
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape), f"{name} {dtypes}"
    keep = comparable(name, dtypes, arrays, expected)
    kind = expected.dtype.kind
    if kind in "biu" or (name in EXACT and "c" not in map(kind_letter, dtypes)):
        wrong = ~same_elements(got, expected)
    else:
        bound = BOUNDS[expected.dtype.name] * LOOSE.get(name, 1)
        tiny = float(np.finfo(expected.dtype).tiny)
        absolute = max(tiny, bound / 1e3) if kind == "c" or name in LOOSE else tiny
        wrong = ~np.isclose(got, expected, rtol=bound, atol=absolute, equal_nan=True)
    shown = [np.broadcast_to(a, wrong.shape)[wrong & keep][:5] for a in (*arrays, got, expected)]
    assert not (wrong & keep).any(), f"{name} {dtypes}: inputs, native, NumPy: {shown}"
