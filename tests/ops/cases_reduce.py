"""Cases of reductions."""

from __future__ import annotations

import numpy as np
from cases import case

from symtensor import tensor as T

INTEGERS, WIDE = "?biL", {"e": "d", "f": "d", "F": "D"}


def accumulated(name, x, axis, keepdims=False):
    """NumPy's, accumulated as here."""
    wide = WIDE.get(x.dtype.char)
    found = getattr(np, name)(x, axis=axis, dtype=wide, keepdims=keepdims)
    return np.asarray(found).astype(x.dtype if x.dtype.kind in "fc" else found.dtype)


for axis, keepdims in ((None, False), (0, False), (1, True), ((0, 2), False), ((), False)):
    for name in ("sum", "prod"):
        case(f"{name}/{axis}", lambda x, n=name, a=axis, k=keepdims: getattr(T, n)(x, a, keepdims=k),
             lambda x, n=name, a=axis, k=keepdims: accumulated(n, x, a, k), lambda n, d: [d(n, 3, 2)],
             dtypes=INTEGERS + "efdFD" if axis == 0 else "d", static=axis == 0)
    case(f"mean and var/{axis}", lambda x, a=axis, k=keepdims: [f(x, a, keepdims=k) for f in (T.mean, T.var, T.std)],
         lambda x, a=axis, k=keepdims: [f(x, axis=a, keepdims=k) for f in (np.mean, np.var, np.std)],
         lambda n, d: [d(n, 3, 2)], sizes=(1, 4), dtypes="ifd" if axis == 0 else "d",
         gradient=axis != (), static=False)
    case(f"extrema/{axis}", lambda x, a=axis, k=keepdims: [T.max(x, a, k), T.min(x, a, k)],
         lambda x, a=axis, k=keepdims: [np.max(x, axis=a, keepdims=k), np.min(x, axis=a, keepdims=k)],
         lambda n, d: [d(n, 3, 2)], sizes=(1, 4), dtypes=INTEGERS + "efd" if axis == 0 else "d")
    case(f"truth/{axis}", lambda x, a=axis, k=keepdims: [T.all(x, a, k), T.any(x, a, k)],
         lambda x, a=axis, k=keepdims: [np.all(x, axis=a, keepdims=k), np.any(x, axis=a, keepdims=k)],
         lambda n, d: [d(n, 3, 2).round()], dtypes="?ifD" if axis == 0 else "?", gradient=False)


def place(name, x, axis):
    """The position in the elements of several axes in row-major order."""
    kept = [k for k in range(x.ndim) if k not in axis]
    return getattr(np, name)(x.transpose(*kept, *axis).reshape(*(x.shape[k] for k in kept), -1), -1)


for axis in (0, 1, 2, None):
    case(f"argmax/{axis}", lambda x, a=axis: [T.argmax(x, a), T.argmin(x, a, keepdims=True)],
         lambda x, a=axis: [np.argmax(x, a), np.argmin(x, a, keepdims=True)], lambda n, d: [d(n, 3, 20)], sizes=(1, 4),
         dtypes=INTEGERS + "efd" if axis == 2 else "d", gradient=False)
case("argmax/axes", lambda x: T.argmax(x, (0, 2)), lambda x: place("argmax", x, (0, 2)), lambda n, d: [d(n, 3, 5)],
     sizes=(1, 4), gradient=False)
case("max_and_argmax", lambda x: [*T.max_and_argmax(x, (0, 1)), T.ptp(x, 0)],
     lambda x: [x.max((0, 1)), place("argmax", x, (0, 1)), np.ptp(x, 0)], lambda n, d: [d(n, 3, 2)], sizes=(1, 4))
case("var/ddof", lambda x: [T.var(x, 0, ddof=1), T.std(x, ddof=2, corrected=True)],
     lambda x: [np.var(x, 0, ddof=1), np.std(x, ddof=2)], lambda n, d: [d(n, 3)], sizes=(2, 4), dtypes="fd")
case("prod/no zeros", lambda x: T.prod(x, 1, no_zeros_in_input=True), lambda x: accumulated("prod", x, 1),
     lambda n, d: [d.positive(n, 3)], dtypes="fdD")
case("prod/zeros", lambda x: T.prod(x * [1, 0, 1, 0], 1), lambda x: np.prod(x * [1, 0, 1, 0], 1),
     lambda n, d: [d(n, 4)], dtypes="d")
case("sum/dtypes", lambda x: [T.sum(x, dtype="float32", acc_dtype="float64"), T.mean(x, 0, dtype="float64"),
                              T.prod(x, 0, dtype="int32")],
     lambda x: [np.sum(x, dtype="float64").astype("float32"), np.mean(x, 0), np.prod(x, 0, dtype="int32")],
     lambda n, d: [d(n, 3)], sizes=(1, 4), dtypes="i", gradient=False)
case("sum_to", lambda x, y: T.grad((x * y).sum(), y), lambda x, y: x.sum(0, keepdims=True),
     lambda n, d: [d(n, 3), d(1, 3)], dtypes="d")
