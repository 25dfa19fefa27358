"""Cases of creation, joining, shapes and permuted dimensions, triangles and diagonals."""

from __future__ import annotations

from functools import partial

import numpy as np
from cases import case as full_case

from symtensor import tensor as T

case = partial(full_case, dtypes="d")


def one(n, d):
    return [d(n, 3, 2)]


# -- creation --------------------------------------------------------------------------------------------------

case("alloc/row", lambda x: T.alloc(x, 4, x.shape[0] + 1, 3), lambda x: np.broadcast_to(x, (4, len(x) + 1, 3)).copy(),
     lambda n, d: [d(1, 3)], sizes=(1,), dtypes="?bHefdD")
case("alloc/scalar", lambda x: T.alloc(x[0], 2, 3), lambda x: np.full((2, 3), x[0]), lambda n, d: [d(2)], sizes=(1,))
case("full", lambda x: [T.full_like(x, 3), T.zeros_like(x), T.ones_like(x, "int8"), T.full(x.shape, 2.5, "float32")],
     lambda x: [np.full_like(x, 3), np.zeros_like(x), np.ones_like(x, "int8"), np.full(x.shape, 2.5, "float32")], one,
     dtypes="?ifD", gradient=False)
case("empty", lambda x: [T.empty(x.shape, "int8").shape, T.empty_like(x).shape],
     lambda x: [np.array(x.shape), np.array(x.shape)], one, gradient=False)
case("fill", lambda x, y: T.fill(x, y), lambda x, y: np.broadcast_to(y, x.shape).copy(), lambda n, d: [d(n, 3), d(3)])
case("arange/symbolic", lambda a: T.arange(a[0], a[1], a[2]), lambda a: np.arange(a[0], a[1], a[2], dtype=a.dtype),
     lambda n, d: [np.array([0.5, n + 0.25, 0.5])], dtypes="d", gradient=1)
case("arange/back", lambda x: [T.arange(x.shape[0], -3, -2), T.arange(x.shape[0]), T.arange(0, 2, 0.5, "float32")],
     lambda x: [np.arange(len(x), -3, -2), np.arange(len(x)), np.arange(0, 2, 0.5, "float32")], lambda n, d: [d(n)],
     gradient=False)
case("eye", lambda x: [T.eye(x.shape[0], 3, 1), T.identity_like(x), T.tri(x.shape[0], 3, -1), T.identity(x.shape[0])],
     lambda x: [np.eye(len(x), 3, 1), np.eye(len(x), 3, dtype=x.dtype), np.tri(len(x), 3, -1), np.eye(len(x))],
     lambda n, d: [d(n, 3)], gradient=False)

# -- joining -----------------------------------------------------------------------------------------------------

for axis in (0, 1, -1):
    case(f"concatenate/{axis}", lambda x, y, axis=axis: T.concatenate([x, y, x], axis),
         lambda x, y, axis=axis: np.concatenate([x, y, x], axis), lambda n, d: [d(n, 3, 2), d(n, 3, 2)],
         dtypes="?bHefdD" if axis == 1 else "fd")
    case(f"stack/{axis}", lambda x, y, axis=axis: T.stack([x, y], axis=axis),
         lambda x, y, axis=axis: np.stack([x, y], axis), lambda n, d: [d(n, 3), d(n, 3)])
case("concatenate/upcast", lambda x, i: [T.join(0, x, i), T.stack(i, x)],
     lambda x, i: [np.concatenate([x, i]), np.stack([i, x])],
     lambda n, d: [d(n), d.index(3, n).astype("int32")], dtypes="?bfdF", gradient=1)
case("stacklists", lambda x: T.stacklists([[x[0], x[1]], [x[1], x[0]]]),
     lambda x: np.array([[x[0], x[1]], [x[1], x[0]]]), lambda n, d: [d(2, n)])
case("split", lambda x: T.split(x, [1, 0, x.shape[0] - 1], 3, axis=0), lambda x: np.split(x, [1, 1]), one, sizes=(1, 4))
case("split/vector", lambda x, s: T.split(x, s, 2, axis=1), lambda x, s: np.split(x, [2], 1),
     lambda n, d: [d(n, 3), np.array([2, 1])])
case("stacked matrices", lambda x: [T.horizontal_stack(x, x), T.vertical_stack(x, x)],
     lambda x: [np.hstack([x, x]), np.vstack([x, x])], lambda n, d: [d(n, 3)])

# -- shapes ------------------------------------------------------------------------------------------------------

case("shape", lambda x: [T.shape(x), x.shape[1], T.size(x), T.stack([x.shape[0], 7])],
     lambda x: [np.array(x.shape), np.array(x.shape[1]), np.array(x.size), np.array([len(x), 7])], one, gradient=False)
case("make_vector", lambda x: T.stack([x[0], x[1] * 2]), lambda x: np.array([x[0], x[1] * 2]), lambda n, d: [d(2)],
     sizes=(1,), dtypes="ifdD")
case("specify_shape", lambda x: T.specify_shape(x, (None, 3, 2)) * 2, lambda x: x * 2, one)
case("patternbroadcast", lambda x: T.patternbroadcast(x, (False, True)) + T.unbroadcast(T.addbroadcast(x, 1), 1),
     lambda x: x + x, lambda n, d: [d(n, 1)])
case("reshape", lambda x: [T.reshape(x, (x.shape[0], 6)), T.reshape(x, (3, -1)), T.reshape(x, x.shape[::-1], ndim=3)],
     lambda x: [x.reshape(len(x), 6), x.reshape(3, -1), x.reshape(x.shape[::-1])], one, dtypes="?ifdD")
case("flatten", lambda x: [T.flatten(x), T.flatten(x, 2), T.flatten(x, outdim=3), T.ravel(x)],
     lambda x: [x.ravel(), x.reshape(len(x), 6), x, x.ravel()], one)
case("dimshuffle", lambda x: [x.dimshuffle(2, "x", 0, 1), T.transpose(x), T.swapaxes(x, 0, -1), T.moveaxis(x, 0, 2)],
     lambda x: [x.transpose(2, 0, 1)[:, None], x.T, np.swapaxes(x, 0, -1), np.moveaxis(x, 0, 2)], one, dtypes="?ifdD")
case("padded", lambda x: [T.shape_padleft(x, 2), T.shape_padright(x), T.shape_padaxis(x, 1), T.expand_dims(x, (0, 2))],
     lambda x: [x[None, None], x[..., None], x[:, None], np.expand_dims(x, (0, 2))], lambda n, d: [d(n, 3)])
case("squeeze", lambda x: [T.squeeze(x, 1), T.squeeze(x, (1, -1))], lambda x: [x[:, 0], x[:, 0, :, 0]],
     lambda n, d: [d(n, 1, 3, 1)])
case("atleast", lambda x: [T.atleast_1d(x), T.atleast_2d(x), T.atleast_3d(x), T.atleast_Nd(x, 3, left=False)],
     lambda x: [x, x[None], x[None, None], x[:, None, None]], lambda n, d: [d(n)])

# -- triangles and diagonals ---------------------------------------------------------------------------------------

for k in (-1, 0, 2):
    case(f"triangles/{k}", lambda x, k=k: [T.tril(x, k), T.triu(x, k)], lambda x, k=k: [np.tril(x, k), np.triu(x, k)],
         lambda n, d: [d(2, n, 3)], dtypes="?ifdD" if k == 0 else "d")
    case(f"diagonal/{k}", lambda x, k=k: [T.diagonal(x, k), T.diag(x[0], k), T.trace(x, k), T.diag(x[0, 0], k)],
         lambda x, k=k: [np.diagonal(x, k), np.diag(x[0], k), np.trace(x, k), np.diag(x[0, 0], k)],
         lambda n, d: [d(n, 4, 3)], sizes=(1, 4))
    case(f"indices/{k}", lambda x, k=k: [*T.tril_indices(x.shape[0], k, 3), *T.triu_indices(x.shape[0], k)],
         lambda x, k=k: [*np.tril_indices(len(x), k, 3), *np.triu_indices(len(x), k)], lambda n, d: [d(n)],
         gradient=False)


def filled(x, value, offset=0):
    x = x.copy()
    rows = np.arange(len(x))
    inside = (rows + offset >= 0) & (rows + offset < x.shape[1])
    x[rows[inside], rows[inside] + offset] = value
    return x


for offset in (0, 1, -2):
    case(f"fill_diagonal_offset/{offset}", lambda x, v, k=offset: T.fill_diagonal_offset(x, v[0], k),
         lambda x, v, k=offset: filled(x, v[0], k), lambda n, d: [d(n, 3), d(1)])
case("fill_diagonal", lambda x: [T.fill_diagonal(x, 2), T.fill_diagonal(T.stack([x, x], 0)[:, :2, :2], 1)],
     lambda x: [filled(x, 2), np.where(np.indices((2, 2, 2)).ptp(0) if hasattr(x, "ptp") else
                                       np.ptp(np.indices((2, 2, 2)), 0), np.stack([x, x])[:, :2, :2], 1)],
     lambda n, d: [d(n + 1, 3)], sizes=(1, 4), dtypes="ifdD")
