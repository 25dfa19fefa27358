"""Cases: what the tests of structural ops are generated from, one record for each way to use an op.

A page ``cases_<family>.py`` is data::

    case("sort/last", lambda x: T.sort(x), lambda x: np.sort(x), lambda n, d: [d(n, 3)])
    case("cholesky", T.slinalg.cholesky, np.linalg.cholesky, lambda n, d: [positive(d, n)], dtypes="fd")

`test_cases.py` sweeps every case: sizes ``n``, dtypes, memory layouts; interpreter, C and the reference agree; shapes
and types are what the ops say; gradients against differences, forward against reverse, and to second order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[..., np.ndarray]
CASES: dict[str, Case] = {}


@dataclass(frozen=True)
class Case:
    """One way to use an op.

    name : "family/what", unique.
    build : from symbolic inputs to a variable, or a list of them.
    reference : from NumPy arrays (in the inputs' dtypes) to an array, or a list of them: independent of the op.
    inputs : ``inputs(n, d)``: the arrays for size ``n``; ``d(*shape)`` draws float64 values in [-2, 2] without ties,
        ``d.positive(*shape)`` in [0.3, 2], ``d.index(high, *shape)`` int64 in [0, high), ``d.mask(*shape)`` bools.
        Float64 arrays are cast to the dtype under test; others keep theirs, and no gradient is taken for them.
    dtypes : NumPy's characters of the dtypes that the float64 inputs are cast to: any of "?bhilBHILefdFD".
        Complex dtypes get an imaginary part; integers are truncated from values ten times as large.
    sizes : values of ``n`` that work; the last one is used for dtypes, layouts and gradients.
    gradient : whether the gradients by all float inputs are checked (at the largest size, in float64); an int is the
        order to check (1 or 2), True is 2.
    rtol : relative tolerance between C, interpreter and reference by dtype character; None: 1e-12 for d and D, 1e-5
        for f and F, 4e-3 for e, exact for integers.
    static : whether the inputs' shapes are also tried as static ones.
    """

    name: str
    build: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Callable[[int, Any], Sequence[np.ndarray]]
    dtypes: str = "fd"
    sizes: tuple[int, ...] = (0, 1, 4)
    gradient: bool | int = True
    rtol: dict[str, float] | None = None
    static: bool = True


def case(name: str, build: Callable[..., Any], reference: Callable[..., Any],
         inputs: Callable[[int, Any], Sequence[np.ndarray]], **fields: Any) -> None:
    """Add a case; see `Case`."""
    if name in CASES:
        raise ValueError(f"there is a case named {name!r} already")
    CASES[name] = Case(name, build, reference, inputs, **fields)


class Drawer:
    """Draws the inputs of a case: distinct values, the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        """Distinct values in [-2, 2], none within 1e-3 of 0 or of another where they are few."""
        return self._spread(-2.0, 2.0, shape)

    def positive(self, *shape: int) -> np.ndarray:
        """Distinct values in [0.3, 2]."""
        return self._spread(0.3, 2.0, shape)

    def index(self, high: int, *shape: int) -> np.ndarray:
        """int64 in [0, high)."""
        return self.rng.integers(0, max(high, 1), shape)

    def mask(self, *shape: int) -> np.ndarray:
        """Booleans, about half of them true."""
        return self.rng.integers(0, 2, shape).astype(bool)

    def _spread(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(shape, dtype=int))
        steps = (self.rng.permutation(count) + self.rng.uniform(0.3, 0.7, count)) / max(count, 1)
        return (low + (high - low) * steps).reshape(shape)


def draw_inputs(c: Case, size: int, dtype: str = "d", seed: int = 0) -> list[np.ndarray]:
    """The arrays of a case at a size, its float64 ones in the dtype."""
    drawer = Drawer(seed)
    return [np.asarray(_cast(np.asarray(a), np.dtype(dtype), drawer)) for a in c.inputs(size, drawer)]


def _cast(array: np.ndarray, dtype: np.dtype, drawer: Drawer) -> np.ndarray:
    if array.dtype != np.float64:
        return array
    if dtype.kind == "c":
        return (array + 0.5j * drawer(*array.shape)).astype(dtype)
    if dtype.kind in "iu":
        return (np.abs(array) if dtype.kind == "u" else array * 1).__mul__(10).astype(dtype)
    return (array > 0) if dtype.kind == "b" else array.astype(dtype)


def layouts(array: np.ndarray) -> dict[str, np.ndarray]:
    """The same values in memory of different order, steps, alignment and permission; and the first row repeated."""
    wide = np.zeros([2 * dim for dim in array.shape], array.dtype)
    every_second = wide[(..., *(slice(None, None, 2) for _ in array.shape))]
    every_second[...] = array
    reverse = (..., *(slice(None, None, -1) for _ in array.shape))
    loose = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    loose[...] = array
    fixed = array.copy()
    fixed.flags.writeable = False
    return {"F": array.copy(order="F"), "negative": array[reverse].copy(order="C")[reverse],
            "strided": every_second, "unaligned": loose, "read-only": fixed}
