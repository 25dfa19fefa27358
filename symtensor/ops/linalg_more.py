"""Linear algebra made of the ops of the other pages, pseudo-inverses, least squares, and the matrix exponential."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.blas import dot, matmul
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.create import zeros_like
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.dot import BLAS_TYPES
from symtensor.ops.elementwise import abs_, add, cast, eq, mul, neg, neq, pow, sqr, sub, switch
from symtensor.ops.elementwise_math import sqrt
from symtensor.ops.identity import CheckAndRaise
from symtensor.ops.index import getitem
from symtensor.ops.join import join
from symtensor.ops.linalg import NO_CONVERGENCE, MatrixOp, adjoint, as_matrix, inv, products
from symtensor.ops.linalg_factor import svd
from symtensor.ops.linalg_solve import solve
from symtensor.ops.reduce import max as max_
from symtensor.ops.reduce import min as min_
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reshape import moveaxis, reshape
from symtensor.ops.shape import normalize_axis, shape_i, shape_of
from symtensor.ops.triangle import eye

__all__ = ["Expm", "Lstsq", "MatrixPinv", "expm", "kron", "lstsq", "matrix_dot", "matrix_power", "norm", "pinv",
           "tensorinv", "tensorsolve"]


# -- pseudo-inverse and least squares --------------------------------------------------------------------------------


class MatrixPinv(MatrixOp):
    """The pseudo-inverses of matrices (Theano's op); see `pinv`."""

    without = {"native": "a host call: LAPACK through NumPy"}

    __props__ = ("rcond",)
    square = False
    trouble = NO_CONVERGENCE
    name = "pinv"

    def __init__(self, rcond: float | None = None) -> None:
        self.rcond = rcond if rcond is None else float(rcond)

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("", (n, m))]

    def value(self, x: Any) -> Any:
        limit = self.rcond if self.rcond is not None else max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)
        return np.linalg.pinv(x, limit)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (a,), (p,), g = inputs, outputs, adjoint(output_grads[0])
        turned = adjoint(p)
        left = products(g, p, turned)
        right = products(turned, p, g)
        direct = neg(adjoint(products(p, g, p)))
        return [add(direct, sub(left, products(a, p, left)), sub(right, products(right, p, a)))]


def pinv(a: Any, rcond: float | None = None) -> Variable:
    """The Moore-Penrose pseudo-inverses of the matrices of a stack, as ``numpy.linalg.pinv`` (Theano's
    ``nlinalg.pinv``).

    Singular values not above ``rcond`` times the largest are taken for 0; None: the larger dimension times the machine
    precision. The gradient (Golub and Pereyra, "The differentiation of pseudo-inverses", 1973) is that at constant
    rank.
    """
    result: Variable = MatrixPinv(rcond)(a)
    return result


class Lstsq(MatrixOp):
    """Least-squares solutions, residuals, rank and singular values; see `lstsq`."""

    without = {"native": "a host call: LAPACK through NumPy"}

    __props__ = ("rcond",)
    square = False
    trouble = NO_CONVERGENCE

    def __init__(self, rcond: float | None = None) -> None:
        self.rcond = rcond if rcond is None else float(rcond)

    def make_node(self, *inputs: Any) -> Apply:
        a, b = as_matrix("lstsq", inputs[0]), as_tensor_variable(inputs[1])
        dtype = upcast(a.type.dtype, b.type.dtype)
        if a.type.ndim != 2 or b.type.ndim not in (1, 2) or dtype not in BLAS_TYPES:
            raise TypeError(f"lstsq: a matrix, and a vector or matrix, are expected, got {a.type} and {b.type}")
        a, b = (x if x.type.dtype == dtype else cast(x, dtype) for x in (a, b))
        (m, n), kind = a.type.shape, np.empty(0, dtype).real.dtype.name
        k = None if None in (m, n) else min(m, n)
        outputs = [TensorType(dtype, (n, *b.type.shape[1:])), TensorType(kind, (None,)), TensorType("int32", ()),
                   TensorType(kind, (k,))]
        return Apply(self, [a, b], [output.make_variable() for output in outputs])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False, False, False]] * 2

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        rows = shapes[0][0], shapes[1][0]
        return [(d.equal(*rows), "ST_SHAPE", rows)]

    def _shapes(self, dims: Sequence[int]) -> Exception:
        return ValueError(f"lstsq: the matrix has {dims[0]} rows, the right-hand side {dims[1]}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        a, b = inputs
        if a.shape[0] != b.shape[0]:
            raise self._shapes((a.shape[0], b.shape[0]))
        super().perform(node, inputs, outputs)

    def value(self, a: Any, b: Any) -> Any:  # type: ignore[override]
        return tuple(np.linalg.lstsq(a, b, self.rcond))

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims | None]:  # type: ignore[override]
        (m, n), rest = shapes[0], shapes[1][1:]
        return [(n, *rest), None, (), (d.minimum(m, n),)]

    def do_constant_folding(self, node: Apply) -> bool:
        """Not: only its values tell how many residuals there are."""
        return False

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        vector = inputs[1].type.ndim == 1
        a = inputs[0]
        b, x, g = (dimshuffle(v, 0, "x") if vector else v for v in (inputs[1], outputs[0], output_grads[0]))
        p = pinv(a, self.rcond)
        turned, turned_x = adjoint(p), adjoint(x)
        g_b = products(turned, g)
        terms = [neg(products(g_b, turned_x)), products(sub(b, products(a, x)), adjoint(products(p, g_b))),
                 products(turned, x, adjoint(sub(g, products(p, a, g))))]
        return [add(*terms), dimshuffle(g_b, 0) if vector else g_b]


def lstsq(a: Any = None, b: Any = None, rcond: Any = None) -> Any:
    """``[x, residuals, rank, s]``: the least-squares solution of ``dot(a, x) == b`` for a matrix ``a`` and a vector or
    matrix ``b``, as ``numpy.linalg.lstsq``. Called without arguments, it returns itself, as
    Theano wrote ``lstsq()(a, b, rcond)``. Takes no stacks; TypeError for them.

    Only ``x`` has a gradient: that of ``dot(pinv(a), b)``.
    """
    return lstsq if a is None else Lstsq(rcond)(a, b)


# -- the exponential -------------------------------------------------------------------------------------------------

_PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
         670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)


class Expm(MatrixOp):
    """Matrix exponentials (Theano's op); see `expm`."""

    without = {"native": "a host call: LAPACK through NumPy"}

    def value(self, a: Any) -> Any:
        """Scaling, the Pade approximant of degree 13, squaring: Higham, "The scaling and squaring method for the matrix
        exponential revisited" (2005)."""
        size = np.abs(a).sum(-2).max(-1, initial=0)[..., None, None]
        finite = np.isfinite(size)
        halvings = np.maximum(np.ceil(np.log2(np.where(finite, size, 0) / 5.371920351148152)), 0)
        a = np.where(finite, a, 0).astype("complex128" if np.iscomplexobj(a) else "float64") / 2.0**halvings
        a2 = a @ a
        powers = [np.broadcast_to(np.eye(a.shape[-1]), a.shape), a2, a2 @ a2]
        powers.append(powers[2] @ a2)
        odd, even = (sum(_PADE[2 * k + shift] * powers[k] for k in range(4)) + powers[3] @ sum(
            _PADE[2 * k + shift] * powers[k - 3] for k in range(4, 7)) for shift in (1, 0))
        odd = a @ odd
        result = np.linalg.solve(even - odd, even + odd)
        for turn in range(int(halvings.max(initial=0))):
            result = np.where(turn < halvings, result @ result, result)
        return np.where(finite, result, np.nan)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        turned, axis = adjoint(inputs[0]), inputs[0].type.ndim - 1
        n = shape_i(turned, axis)
        block = join(axis - 1, join(axis, turned, output_grads[0]), join(axis, zeros_like(turned), turned))
        return [getitem(self(block), (..., slice(n), slice(n, None)))]


def expm(a: Any) -> Variable:
    """The exponentials of the square matrices of a stack, as ``scipy.linalg.expm`` (Theano's ``slinalg.expm``).

    The gradient is the Frechet derivative at the adjoint, a block of the exponential of a matrix of twice the size
    (Al-Mohy and Higham, "Computing the Frechet derivative of the matrix exponential", 2009).

    >>> import numpy as np
    >>> expm(np.zeros((2, 2))).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    result: Variable = Expm()(a)
    return result


# -- compositions ----------------------------------------------------------------------------------------------------


def kron(a: Any, b: Any) -> Variable:
    """The Kronecker product, as ``numpy.kron``: every element of ``a`` times the whole of ``b`` (Theano's
    ``slinalg.kron``), for any ranks.

    >>> import numpy as np
    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0])).eval()
    array([ 1.,  2., 10., 20.])
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    rank = max(a.type.ndim, b.type.ndim)
    a, b = pad_left(a, rank), pad_left(b, rank)
    first = dimshuffle(a, [at for axis in range(rank) for at in (axis, "x")])
    second = dimshuffle(b, [at for axis in range(rank) for at in ("x", axis)])
    return reshape(mul(first, second), [d.mul(m, n) for m, n in zip(shape_of(a), shape_of(b), strict=True)])


def matrix_dot(*args: Any) -> Variable:
    """The product of all arguments by `dot`, from left to right (Theano's ``nlinalg.matrix_dot``)."""
    if not args:
        raise TypeError("matrix_dot takes at least 1 argument, got 0")
    result = as_tensor_variable(args[0])
    for factor in args[1:]:
        result = dot(result, factor)
    return result


def matrix_power(M: Any, n: int) -> Variable:
    """The square matrices of a stack to the int power ``n``, by repeated squaring, as ``numpy.linalg.matrix_power``;
    a negative power is that of the inverse."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: the exponent is an int, got {n!r}")
    x = as_tensor_variable(M)
    if x.type.ndim < 2 or (None not in x.type.shape[-2:] and x.type.shape[-2] != x.type.shape[-1]):
        raise np.linalg.LinAlgError(f"matrix_power: square matrices are expected, got {x} of type {x.type}")
    square = d.equal(*shape_of(x)[-2:])
    check = CheckAndRaise(np.linalg.LinAlgError, "matrix_power: square matrices are expected")
    x = check(x, square)
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        whole: Variable = check(add(zeros_like(x), eye(shape_i(x, x.type.ndim - 1), dtype=x.type.dtype)), square)
        return whole
    result: Variable | None = None
    while n:
        if n % 2:
            result = x if result is None else matmul(result, x)
        n //= 2
        x = matmul(x, x) if n else x
    return x if result is None else result


def tensorinv(a: Any, ind: int = 2) -> Variable:
    """The inverse with respect to ``tensordot(a, b, ind)``, as ``numpy.linalg.tensorinv``: the product of the first
    ``ind`` dimensions of ``a`` is that of the others. LinAlgError where the matrix so made is singular."""
    a = as_tensor_variable(a)
    if not 0 < ind < max(a.type.ndim, 2):
        raise ValueError(f"tensorinv: ind is at least 1 and less than the {a.type.ndim} dimensions, got {ind}")
    dims = shape_of(a)
    flat = reshape(a, (d.product(dims[:ind]), d.product(dims[ind:])))
    return reshape(inv(flat), (*dims[ind:], *dims[:ind]))


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Variable:
    """The tensor ``x`` with ``tensordot(a, x, x.ndim) == b``, as ``numpy.linalg.tensorsolve``; ``axes`` of ``a`` are
    moved to its end first."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if axes is not None:
        last = [normalize_axis(axis, a.type.ndim, "tensorsolve") for axis in axes]
        a = dimshuffle(a, [*(k for k in range(a.type.ndim) if k not in last), *last])
    dims = shape_of(a)[b.type.ndim:]
    flat = reshape(a, (d.product(shape_of(a)[:b.type.ndim]), d.product(dims)))
    return reshape(solve(flat, reshape(b, (d.product(shape_of(b)),))), dims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Variable:
    """Norms of vectors or matrices, as ``numpy.linalg.norm`` (Theano's ``nlinalg.norm``).

    ``axis`` an int: vectors, with ``ord`` None or 2 (the length), a number p, 0 (elements that are not 0), inf, -inf.
    Two axes: matrices, with ``ord`` None or "fro", 1, -1, inf, -inf (sums of columns or rows), 2, -2, "nuc" (singular
    values). ``axis`` None: of all of ``x``, a vector or matrix; of any rank with ``ord`` None. The gradient of a length
    is 0 at 0. ValueError for other orders.

    >>> import numpy as np
    >>> norm(np.array([[3.0, 4.0], [6.0, 8.0]]), axis=1).eval()
    array([ 5., 10.])
    """
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    if axis is None and ord is not None and ndim not in (1, 2):
        raise ValueError(f"norm: with ord={ord!r} and no axis, a vector or matrix is expected, got {x.type}")
    given = range(ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
    axes = [normalize_axis(one, ndim, "norm") for one in given]
    if len(set(axes)) != len(axes) or (axis is not None and len(axes) not in (1, 2)):
        raise ValueError(f"norm: axis is one axis or two different ones, got {axis!r}")
    if ord is None or (len(axes) == 2 and ord == "fro") or (len(axes) == 1 and ord == 2):
        return _root(sum_(sqr(abs_(x)), axis=axes, keepdims=keepdims))
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is no order of a norm of vectors")
    if math.isinf(ord):
        return (max_ if ord > 0 else min_)(abs_(x), axis=axes, keepdims=keepdims)
    if ord == 0:
        return sum_(cast(neq(x, 0), abs_(x).type.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return sum_(abs_(x), axis=axes, keepdims=keepdims)
    return pow(sum_(pow(abs_(x), ord), axis=axes, keepdims=keepdims), 1.0 / ord)


def _root(total: Variable) -> Variable:
    zero = eq(total, 0)
    result: Variable = switch(zero, 0, sqrt(switch(zero, 1, total)))
    return result


def _matrix_norm(x: Variable, ord: Any, axes: Sequence[int], keepdims: bool) -> Variable:
    rows = moveaxis(x, axes, (-2, -1))
    if ord in (2, -2, "nuc"):
        values = svd(rows, compute_uv=False)
        result = (sum_ if ord == "nuc" else max_ if ord > 0 else min_)(values, axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = sum_(abs_(rows), axis=-2 if abs(ord) == 1 else -1)
        result = (max_ if ord > 0 else min_)(sums, axis=-1)
    else:
        raise ValueError(f"norm: {ord!r} is no order of a norm of matrices; they are None, 'fro', 'nuc', 1, -1, 2, -2, "
                         "inf, -inf")
    if not keepdims:
        return result
    rest = iter(range(x.type.ndim - 2))
    return dimshuffle(result, ["x" if k in axes else next(rest) for k in range(x.type.ndim)])
