"""Cases of running sums, counts, sets, grids and rearrangements."""

from __future__ import annotations

from functools import partial

import numpy as np
from cases import case as full_case

from symtensor import tensor as T

case = partial(full_case, dtypes="d")

ALL = "?bhilBHILefdFD"
WIDE = {"e": 4e-3, "f": 1e-5, "F": 1e-5}


def same(name, *args, inputs=lambda n, d: [d(n, 3, 2)], **fields):
    """A case of a function that NumPy has with the same arguments."""
    case(f"{name}/{' '.join(map(str, args))}", lambda *xs: getattr(T, name)(*xs, *args),
         lambda *xs: getattr(np, name)(*xs, *args), inputs, **fields)


def running(name, x, axis):
    """NumPy's, accumulated as here."""
    wide = {"e": "d", "f": "d", "F": "D"}.get(x.dtype.char)
    return getattr(np, name)(x, axis, wide).astype(x.dtype)


for name in ("cumsum", "cumprod"):
    for axis in (0, 1, -1, None):
        case(f"{name}/{axis}", lambda x, name=name, axis=axis: getattr(T, name)(x, axis),
             lambda x, name=name, axis=axis: getattr(np, name)(x, axis) if x.dtype.kind in "biu" else
             running(name, x, axis), lambda n, d: [d(n, 3, 2)],
             dtypes=(ALL if name == "cumsum" else "bfD") if axis == 0 else "d")
case("cumprod/zeros", lambda x: T.cumprod(x * [1, 0, 1, 0, 1], 1), lambda x: np.cumprod(x * [1, 0, 1, 0, 1], 1),
     lambda n, d: [d(n, 5)], dtypes="d")
case("cumsum/dtype", lambda x: T.cumsum(x, 0, "float64"), lambda x: np.cumsum(x, 0, "float64"), lambda n, d: [d(n, 20)],
     dtypes="if", gradient=False)
for n, axis in ((1, -1), (2, 0)):
    same("diff", n, axis, inputs=lambda n, d: [d(n + 2, 3)], dtypes="?ifdD" if n == 1 else "d")

# -- rearranged ------------------------------------------------------------------------------------------------

case("flip", lambda x: [T.flip(x), T.flip(x, 0), T.flip(x, (0, 2)), T.flipud(x), T.fliplr(x)],
     lambda x: [np.flip(x), np.flip(x, 0), np.flip(x, (0, 2)), np.flipud(x), np.fliplr(x)], lambda n, d: [d(n, 3, 2)],
     dtypes="?bfdD")
TURNS = ((1, (0, 1)), (2, (1, 2)), (-1, (2, 0)), (4, (0, 1)))
case("rot90", lambda x: [T.rot90(x, *turn) for turn in TURNS], lambda x: [np.rot90(x, *turn) for turn in TURNS],
     lambda n, d: [d(n, 3, 2)])
ROLLS = ((-2, 1), (5, None), ((1, -1), (0, 2)), (0, -1), (7, 0))
same("roll", 1, 0, dtypes="?ifdD")
case("roll/others", lambda x: [T.roll(x, *roll) for roll in ROLLS], lambda x: [np.roll(x, *roll) for roll in ROLLS],
     lambda n, d: [d(n, 3, 2)], dtypes="d")
case("roll/symbolic", lambda x, k: T.roll(x, k[0], 0), lambda x, k: np.roll(x, k[0], 0),
     lambda n, d: [d(n, 2), np.array([-3])])
PLACES = ((2, 0), (0, 3), (-1, -2))
case("rollaxis", lambda x: [T.rollaxis(x, *place) for place in PLACES],
     lambda x: [np.rollaxis(x, *place) for place in PLACES], lambda n, d: [d(n, 3, 2)])
REPS = ((2, 3), (2, 1, 1, 3), (1, 2, 2), (0, 1, 1))
same("tile", 2, dtypes="?ifdD")
case("tile/others", lambda x: [T.tile(x, reps) for reps in REPS], lambda x: [np.tile(x, reps) for reps in REPS],
     lambda n, d: [d(n, 3, 2)], dtypes="d")
case("tile/symbolic", lambda x, r: T.tile(x, r, ndim=2), lambda x, r: np.tile(x, r),
     lambda n, d: [d(n, 2), np.array([2, 3])])
TIMES = ((2, 0), (3, None), (0, 1))
case("repeat/number", lambda x: [T.repeat(x, *times) for times in TIMES],
     lambda x: [np.repeat(x, *times) for times in TIMES], lambda n, d: [d(n, 3, 2)])
for axis in (0, 1, None):
    case(f"repeat/vector {axis}", lambda x, r, axis=axis: T.repeat(x, r, axis),
         lambda x, r, axis=axis: np.repeat(x, r, axis),
         lambda n, d, axis=axis: [d(n, 3), d.index(4, 3 * n if axis is None else (n, 3)[axis])],
         dtypes=ALL if axis == 0 else "fd")
case("repeat/one number", lambda x, r: T.repeat(x, r, 1), lambda x, r: np.repeat(x, r, 1),
     lambda n, d: [d(n, 3), np.array([2])])
WIDTHS = (1, ((2, 0), (1, 3)), ((7, 9), (0, 0)))
for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
    case(f"pad/{mode}", lambda x, mode=mode: [T.pad(x, width, mode) for width in WIDTHS],
         lambda x, mode=mode: [np.pad(x, width, mode) for width in WIDTHS], lambda n, d: [d(n, 3)], sizes=(1, 4),
         dtypes="?ifD" if mode == "constant" else "d")
same("broadcast_to", (4, 3, 2), inputs=lambda n, d: [d(3, 1)], sizes=(1,))
case("broadcast_arrays", T.broadcast_arrays, np.broadcast_arrays, lambda n, d: [d(n, 1), d(3)], static=False)

# -- grids -------------------------------------------------------------------------------------------------------

for endpoint in (True, False):
    case(f"linspace/{endpoint}", lambda a, b, e=endpoint: [T.linspace(a, b, num, e) for num in (0, 1, 5)],
         lambda a, b, e=endpoint: [np.linspace(a, b, num, e, dtype=a.dtype) for num in (0, 1, 5)],
         lambda n, d: [d(n), d(n)])
case("linspace/axis", lambda a, b: list(T.linspace(a, b, 4, retstep=True, axis=-1)),
     lambda a, b: list(np.linspace(a, b, 4, retstep=True, axis=-1)), lambda n, d: [d(n, 2), d(2)], dtypes="d")
case("logspace", lambda a, b: T.logspace(a, b, 4), lambda a, b: np.logspace(a, b, 4, dtype=a.dtype),
     lambda n, d: [d(n), d(n)])
case("geomspace", lambda a, b: T.geomspace(a, b, 4), lambda a, b: np.geomspace(a, b, 4, dtype=a.dtype),
     lambda n, d: [d.positive(n), d.positive(n)])
case("geomspace/negative", lambda a, b: T.geomspace(-a, -b, 4), lambda a, b: np.geomspace(-a, -b, 4, dtype=a.dtype),
     lambda n, d: [d.positive(n), d.positive(n)])
case("vander", lambda x: [T.vander(x, 3), T.vander(x, 2, True)], lambda x: [np.vander(x, 3), np.vander(x, 2, True)],
     lambda n, d: [d(n)], dtypes="lfd")
for sparse in (False, True):
    for indexing in ("xy", "ij"):
        case(f"meshgrid/{sparse} {indexing}",
             lambda *xs, s=sparse, i=indexing: T.meshgrid(*xs, sparse=s, indexing=i),
             lambda *xs, s=sparse, i=indexing: np.meshgrid(*xs, sparse=s, indexing=i),
             lambda n, d: [d(n), d(3), d(2)], dtypes="d" if sparse else "ifd")
case("mgrid", lambda x: T.mgrid[0:x.shape[0], 1:7:2], lambda x: list(np.mgrid[0:len(x), 1:7:2]), lambda n, d: [d(n)],
     gradient=False)
case("ogrid", lambda x: T.ogrid[0:x.shape[0], 0:1:3j], lambda x: list(np.ogrid[0:len(x), 0:1:3j]), lambda n, d: [d(n)],
     gradient=False)
case("mgrid/one", lambda x: T.mgrid[2:x.shape[0] + 2], lambda x: np.mgrid[2:len(x) + 2], lambda n, d: [d(n)],
     gradient=False)
case("bartlett", lambda x: T.bartlett(x.shape[0]), lambda x: np.bartlett(len(x)), lambda n, d: [d(n)], gradient=False)

# -- counts and sets -----------------------------------------------------------------------------------------------

case("bincount", T.bincount, np.bincount, lambda n, d: [d.index(5, 3 * n)], gradient=False)
case("bincount/minlength", lambda x: T.bincount(x, minlength=9), lambda x: np.bincount(x, minlength=9),
     lambda n, d: [d.index(5, 3 * n).astype("int8")], gradient=False)
case("bincount/weights", T.bincount, lambda x, w: np.bincount(x, w).astype(w.dtype),
     lambda n, d: [d.index(5, 3 * n), d(3 * n)], dtypes="fd")
case("to_one_hot", lambda x: T.to_one_hot(x, 4, "int8"), lambda x: np.eye(4, dtype="int8")[x],
     lambda n, d: [d.index(4, n)], gradient=False)
for mode, shift in (("raise", 0), ("wrap", -4), ("clip", 2)):
    case(f"choose/{mode}", lambda a, *xs, mode=mode: T.choose(a, xs, mode=mode),
         lambda a, *xs, mode=mode: np.choose(a, xs, mode=mode),
         lambda n, d, shift=shift: [d.index(3, n, 2) + shift, d(n, 2), d(2), d(n, 1)], dtypes="?ifdD")
case("choose/rows", lambda a, x: T.choose(a, x), lambda a, x: np.choose(a, x),
     lambda n, d: [d.index(3, n, 1), d(3, 2)])
for order in "CF":
    case(f"unravel_index/{order}", lambda x, order=order: list(T.unravel_index(x, (2, 3, 4), order)),
         lambda x, order=order: list(np.unravel_index(x, (2, 3, 4), order)), lambda n, d: [d.index(24, n, 2)],
         gradient=False)
    case(f"ravel_multi_index/{order}",
         lambda x, y, order=order: T.ravel_multi_index((x, y + 5), (3, 4), ("raise", "wrap"), order),
         lambda x, y, order=order: np.ravel_multi_index((x, y + 5), (3, 4), ("raise", "wrap"), order),
         lambda n, d: [d.index(3, n), d.index(4, n)], gradient=False)
case("unique", lambda x: T.unique(x), lambda x: np.unique(x), lambda n, d: [d(n, 3)], dtypes="?bLefdD", gradient=1)
case("unique/flags", lambda x: T.unique(x, True, True, True), lambda x: list(np.unique(x, True, True, True)),
     lambda n, d: [d(n, 3).round()], gradient=False)
case("unique/axis", lambda x: T.unique(x, True, True, True, axis=1),
     lambda x: list(np.unique(x, True, True, True, axis=1)), lambda n, d: [d(n, 3)], sizes=(1, 4), gradient=1)
case("isin", lambda x, y: [T.isin(x, y), T.isin(x, y, invert=True)],
     lambda x, y: [np.isin(x, y), np.isin(x, y, invert=True)],
     lambda n, d: [d(n, 3).round(), d(n).round()], dtypes="ifd", gradient=False)
for name in ("union1d", "intersect1d", "setdiff1d"):
    same(name, inputs=lambda n, d: [d.index(5, n).astype(float), d.index(5, n).astype(float)], dtypes="ifd",
         gradient=False)
