"""Cases of sorting, the k best, and places in sorted vectors."""

from __future__ import annotations

import numpy as np
from cases import case

from symtensor import tensor as T

ALL = "?bhLefd"


def best(x, k, axis):
    """The k largest, or -k smallest, best first; of equal ones the first."""
    order = np.argsort(-x if k > 0 else x, axis=axis, kind="stable")
    places = np.take(order, range(abs(k)), axis)
    return [np.take_along_axis(x, places, axis), places]


for axis in (0, 1, -1, None):
    case(f"sort/{axis}", lambda x, axis=axis: T.sort(x, axis), lambda x, axis=axis: np.sort(x, axis, "stable"),
         lambda n, d: [d(n, 3, 2)], dtypes=ALL + "FD" if axis == 1 else "d")
    case(f"argsort/{axis}", lambda x, axis=axis: T.argsort(x, axis), lambda x, axis=axis: np.argsort(x, axis, "stable"),
         lambda n, d: [d(n, 3)], dtypes=ALL + "FD" if axis == 1 else "d", gradient=False, static=False)
case("sort/long rows", T.sort, np.sort, lambda n, d: [d(3, 20 * n)], dtypes="bifd")
case("argsort/long rows", T.argsort, lambda x: np.argsort(x, kind="stable"), lambda n, d: [d(3, 20 * n)],
     dtypes="bifd", gradient=False)
for k, axis in ((2, -1), (-2, 0), (2, 1), (-3, -1)):
    case(f"topk/{k} {axis}", lambda x, k=k, axis=axis: T.topk_and_argtopk(x, k, axis),
         lambda x, k=k, axis=axis: best(x, k, axis), lambda n, d: [d(3, n + 2, 3)], dtypes="ilfd")
case("topk/symbolic k", lambda x, k: T.topk(x, k[0], axis=None), lambda x, k: best(x.ravel(), int(k[0]), 0)[0],
     lambda n, d: [d(n, 5), np.array([n])], sizes=(1, 4), dtypes="bilfd")
case("argtopk/idx dtype", lambda x: T.argtopk(x, 1, idx_dtype="int32"),
     lambda x: best(x, 1, -1)[1].astype("int32"), lambda n, d: [d(n, 4)], gradient=False)
for side in ("left", "right"):
    case(f"searchsorted/{side}", lambda x, v, side=side: T.searchsorted(x, v, side),
         lambda x, v, side=side: np.searchsorted(x, v, side), lambda n, d: [np.sort(d(2 * n)), d(n, 3)],
         dtypes="bilBLefd" + "D" * (side == "left"), gradient=False)
case("searchsorted/sorter", lambda x, v, s: T.searchsorted(x, v, sorter=s),
     lambda x, v, s: np.searchsorted(x, v, sorter=s), lambda n, d: [np.arange(3.0), d(n), np.array([0, 1, 2])],
     gradient=False)
