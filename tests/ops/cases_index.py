"""Cases of indexing: reading, setting and increasing parts by every kind of key, and the functions that index."""

from __future__ import annotations

from functools import partial

import numpy as np
from cases import case

from symtensor import tensor as T

ALL = "?bhilBHILefdFD"
S = slice(None)

KEYS = {  # of a tensor of shape (n, 3, 4); n is at least 1 where a key needs a row
    "slices": (slice(None, None, -1), slice(1, 9), slice(-1, None, -2)),
    "ellipsis and new": (..., None, slice(1, None)),
    "item": (S, -1, 2),
    "rows": ([0, -1, 0],),
    "columns": (S, [2, 0, 2]),
    "far arrays": ([0, -1], S, [[3], [1]]),
    "near arrays": (S, [0, 1], 2),
    "mask": (S, np.array([True, False, True])),
    "masks": (S, np.eye(3, 4, dtype=bool)),
    "scalar mask": (True, S, None, [1, 1]),
    "no rows": (np.zeros((2, 0), int),),
}
ONE = {"dtypes": "d", "static": False}
FEW = {"sizes": (1, 4), **ONE}
NEED_ROWS = ("rows", "far arrays")


def updated(x, key, y, add):
    x = x.copy()
    if add:
        np.add.at(x, key, y)
    else:
        x[key] = y
    return x


for name, key in KEYS.items():
    sizes = (1, 2) if name in NEED_ROWS else (0, 1, 2)
    once = name not in ("rows", "columns", "scalar mask")  # else derivatives of setting are undefined
    every = name in ("slices", "rows")
    dtypes = {"slices": "?bFd", "rows": ALL}.get(name, "d")
    parts = partial(lambda key, n, d: [d(n, 3, 4), d(*np.zeros((n, 3, 4))[key].shape)], key)
    case(f"index/get {name}", lambda x, key=key: x[key], lambda x, key=key: x[key], lambda n, d: [d(n, 3, 4)],
         dtypes=dtypes, sizes=sizes, static=every)
    case(f"index/inc {name}", lambda x, y, key=key: T.inc_subtensor(x[key], y),
         lambda x, y, key=key: updated(x, key, y, True), parts, dtypes=dtypes, sizes=sizes,
         rtol={"e": 1e-2}, static=every)
    case(f"index/set {name}", lambda x, y, key=key: T.set_subtensor(x[key], y),
         lambda x, y, key=key: updated(x, key, y, False), parts, dtypes="?d" if every else "d", sizes=sizes,
         gradient=once, static=False)
    case(f"index/inc {name} by a number", lambda x, y, key=key: T.inc_subtensor(x[key], y),
         lambda x, y, key=key: updated(x, key, y, True), lambda n, d: [d(n, 3, 4), d()], dtypes="d", sizes=sizes,
         gradient=False, static=False)

case("index/symbolic slices", lambda x, i, j: x[i:, j:i:-1, i::j],
     lambda x, i, j: x[int(i):, int(j):int(i):-1, int(i)::int(j)],
     lambda n, d: [d(n, 3, 4), np.array(1), np.array(3, "int8")], dtypes="d")
case("index/symbolic items", lambda x, i, j: x[i, :, j], lambda x, i, j: x[int(i), :, int(j)],
     lambda n, d: [d(n, 3, 4), np.array(-1, "int16"), np.array(3, "uint8")], **FEW)
case("index/symbolic arrays", lambda x, i, j: x[i, None, j], lambda x, i, j: x[i, None, j],
     lambda n, d: [d(n, 3, 4), d.index(n, 2, 5), d.index(3, 5).astype("uint16")], **FEW)
case("index/symbolic mask", lambda x, m: x[m], lambda x, m: x[m], lambda n, d: [d(n, 3, 4), d.mask(n, 3)])
case("index/set by mask", lambda x, m, y: T.set_subtensor(x[m], y), lambda x, m, y: np.where(m[..., None], y, x),
     lambda n, d: [d(n, 3, 4), d.mask(n, 3), d(4)])
case("index/inc by mask", lambda x, m: T.inc_subtensor(x[m], x[m] * x[m]), lambda x, m: x + np.where(m, x * x, 0),
     lambda n, d: [d(n, 3), d.mask(n, 3)])
case("index/0-d by mask", lambda x: [x[x > 0], T.set_subtensor(x[x > 0], 1.0)],
     lambda x: [x[x > 0], np.where(x > 0, x.dtype.type(1), x)], lambda n, d: [d()])
case("index/view of a part", lambda x, y: T.inc_subtensor(x[:, 1].T, y), lambda x, y: updated(x, (S, 1), y.T, True),
     lambda n, d: [d(n, 3, 4), d(4, n)])
case("index/reshape of a part", lambda x, y: T.set_subtensor(x[:, 1].flatten(), y),
     lambda x, y: updated(x, (S, 1), y.reshape(-1, 4), False), lambda n, d: [d(n, 3, 4), d(4 * n)])
for axis in (None, 0, -1):
    case(f"index/take {axis}", lambda x, i, axis=axis: T.take(x, i, axis), lambda x, i, axis=axis: np.take(x, i, axis),
         lambda n, d: [d(n, 3, 4), d.index(min(n, 3), 2, 3) - 1], **FEW)
    for mode in ("wrap", "clip"):
        case(f"index/take {axis} {mode}", lambda x, i, axis=axis, mode=mode: T.take(x, i, axis, mode),
             lambda x, i, axis=axis, mode=mode: np.take(x, i, axis, mode=mode),
             lambda n, d: [d(n, 3), d.index(40, 5) - 20], gradient=False, **FEW)
    case(f"index/compress {axis}", lambda x, m, axis=axis: T.compress(m, x, axis),
         lambda x, m, axis=axis: np.compress(m, x, axis), lambda n, d: [d(n, 3), d.mask(min(n, 3))], **ONE)
for axis in (0, -1):
    case(f"index/take_along_axis {axis}", lambda x, i, axis=axis: T.take_along_axis(x, i, axis),
         lambda x, i, axis=axis: np.take_along_axis(x, i, axis),
         lambda n, d, axis=axis: [d(n, 3), d.index(min(n, 3), *((5, 3) if axis == 0 else (n, 5)))], **FEW)
    case(f"index/put_along_axis {axis}",
         lambda x, y, axis=axis: T.put_along_axis(x, T.argmax(x, axis, keepdims=True), y, axis),
         lambda x, y, axis=axis: np.where(x == x.max(axis, keepdims=True), y, x), lambda n, d: [d(n, 3), d()],
         **FEW)
for dtype in ("?", "B", "e", "f", "D"):
    case(f"index/nonzero {dtype}",
         lambda x: [*T.nonzero(x), T.flatnonzero(x), T.nonzero(x, return_matrix=True), T.nonzero_values(x)],
         lambda x: [*np.nonzero(x), np.flatnonzero(x), np.stack(np.nonzero(x)), x[np.nonzero(x)]],
         lambda n, d: [d(n, 3, 2) * d.mask(n, 3, 2)], dtypes=dtype, gradient=False)
