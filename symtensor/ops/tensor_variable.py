"""Tensor variables: the operators and methods that users write on symbolic arrays, as Theano's variables have
them.

``==`` stays Python's identity, so that variables are keys of dictionaries; elementwise equality is ``eq(x,
y)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from symtensor.graph.errors import SymbolicTruthError
from symtensor.graph.op import evaluators
from symtensor.graph.shared import SharedVariable
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.ops import argreduce, blas, create, index, index_advanced, reduce, repeat, reshape, shape
from symtensor.ops import elementwise as ew
from symtensor.ops import elementwise_complex as cx
from symtensor.ops.constant_value import get_scalar_constant_value
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.elemwise import ELEMENTWISE

__all__ = ["TensorConstant", "TensorOperators", "TensorSharedVariable", "TensorVariable", "shared_class"]


def _binary(function: Callable[..., Any], reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method of an infix operator: NotImplemented where the other side is nothing to make a tensor of."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Variable):
            if hasattr(type(other), "apply_op"):  # a pattern of the rule engine: its own operators apply
                return NotImplemented
            try:
                other = as_tensor_variable(other)
            except TypeError:
                return NotImplemented
        return function(other, self) if reflected else function(self, other)

    method.__name__ = getattr(function, "__name__", "operator")
    method.__doc__ = getattr(function, "__doc__", None)
    return method


def _ufunc_table() -> dict[Any, Callable[..., Any]]:
    """Our function for each of NumPy's: ``np.exp(x)`` and ``np.float32(2) * x`` make graphs."""
    table: dict[Any, Callable[..., Any]] = {np.add: ew.add, np.multiply: ew.mul, np.divide: ew.divide,
                                            np.power: ew.pow, np.clip: ew.clip, np.reciprocal: ew.inv,
                                            np.sign: ew.sgn, np.rint: ew.round_half_to_even}
    for op in ELEMENTWISE.values():
        if isinstance(op.numpy, np.ufunc):
            table.setdefault(op.numpy, op)
    for name in ("floor", "ceil", "trunc"):
        table[getattr(np, name)] = ELEMENTWISE[name]
    return table


_ufuncs: dict[Any, Callable[..., Any]] = {}


class TensorOperators:
    """What every tensor variable can do. Methods are the functions of `symtensor.tensor` with ``self`` first.

    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> (2 * x.T + 1).type
    TensorType(float64, matrix)
    """

    __slots__ = ()

    type: Any
    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if not _ufuncs:
            _ufuncs.update(_ufunc_table())
        function = _ufuncs.get(ufunc)
        if method != "__call__" or kwargs or function is None:
            raise TypeError(f"numpy.{ufunc.__name__} takes no symbolic variable{' this way' if function else ''}; "
                            "use the functions of symtensor.tensor, or .eval() for the value")
        return function(*inputs)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise SymbolicTruthError(f"the symbolic variable {self} has no value to make a NumPy array of; .eval() "
                                 "computes it, and lists with variables become tensors through symtensor.tensor.stack")

    # -- operators -------------------------------------------------------------------------------------------

    __add__, __radd__ = _binary(ew.add), _binary(ew.add, True)
    __sub__, __rsub__ = _binary(ew.sub), _binary(ew.sub, True)
    __mul__, __rmul__ = _binary(ew.mul), _binary(ew.mul, True)
    __truediv__, __rtruediv__ = _binary(ew.divide), _binary(ew.divide, True)
    __div__, __rdiv__ = __truediv__, __rtruediv__
    __floordiv__, __rfloordiv__ = _binary(ew.int_div), _binary(ew.int_div, True)
    __mod__, __rmod__ = _binary(ew.mod), _binary(ew.mod, True)
    __divmod__ = _binary(lambda a, b: (ew.int_div(a, b), ew.mod(a, b)))
    __rdivmod__ = _binary(lambda a, b: (ew.int_div(a, b), ew.mod(a, b)), True)
    __pow__, __rpow__ = _binary(ew.pow), _binary(ew.pow, True)
    __and__, __rand__ = _binary(ew.and_), _binary(ew.and_, True)
    __or__, __ror__ = _binary(ew.or_), _binary(ew.or_, True)
    __xor__, __rxor__ = _binary(ew.xor), _binary(ew.xor, True)
    __lshift__, __rlshift__ = _binary(ew.left_shift), _binary(ew.left_shift, True)
    __rshift__, __rrshift__ = _binary(ew.right_shift), _binary(ew.right_shift, True)
    __matmul__, __rmatmul__ = _binary(blas.matmul), _binary(blas.matmul, True)
    __lt__, __le__, __gt__, __ge__ = _binary(ew.lt), _binary(ew.le), _binary(ew.gt), _binary(ew.ge)

    def __neg__(self) -> Any:
        return ew.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ew.abs_(self)

    def __invert__(self) -> Any:
        return ew.invert(self)

    def __trunc__(self) -> Any:
        return ew.trunc(self)

    def __floor__(self) -> Any:
        return ew.floor(self)

    def __ceil__(self) -> Any:
        return ew.ceil(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        if ndigits is not None:
            raise TypeError("round(x, ndigits) is not defined for symbolic variables; write round(x * 10**n) / 10**n")
        return ew.round(self)

    def __getitem__(self, key: Any) -> Any:
        return index.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError("symbolic variables do not change; write x = set_subtensor(x[key], value), or "
                        "inc_subtensor for +=")

    def __iter__(self) -> Iterator[Any]:
        if not self.type.shape:
            raise TypeError(f"{self} is a scalar: it cannot be iterated over")
        length = self.type.shape[0]
        if length is None:
            raise TypeError(f"{self} of type {self.type} cannot be iterated over: its length is not known while "
                            "the graph is built. Loop with scan; Python's sum(x) is symtensor.tensor.sum(x)")
        return (self[i] for i in range(length))

    def __len__(self) -> int:
        raise SymbolicTruthError(f"the length of the symbolic variable {self} is not known while the graph is built; "
                                 "use x.shape[0] for the symbolic one, x.ndim for the number of dimensions")

    def __contains__(self, item: Any) -> NoReturn:
        raise SymbolicTruthError("whether a symbolic variable contains a value is not known while the graph is built; "
                                 "use any(eq(x, value))")

    # -- type and shape --------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The name of the dtype."""
        return str(self.type.dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return int(self.type.ndim)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each dimension whether it is known to be 1."""
        return tuple(self.type.broadcastable)

    @property
    def shape(self) -> Any:
        """The dimensions as an int64 vector."""
        return shape.shape(self)

    @property
    def size(self) -> Any:
        """The number of elements as an int64 scalar."""
        return self.shape[0] if self.ndim == 1 else reduce.prod(self.shape)

    @property
    def T(self) -> Any:
        """The tensor with its axes reversed."""
        return transpose(self)

    def dimshuffle(self, *pattern: Any) -> Any:
        """The dimensions in the order ``pattern``; 'x' adds one of size 1, one left out must be 1."""
        return dimshuffle(self, *pattern)

    def transpose(self, *axes: Any) -> Any:
        """The axes reversed, or in the given order."""
        given = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0],
                                                                             (list, tuple))) else axes or None
        return transpose(self, given)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """The tensor with two axes exchanged."""
        return reshape.swapaxes(self, axis1, axis2)

    def reshape(self, newshape: Any, ndim: int | None = None) -> Any:
        """The elements in C order in another shape; one dimension may be -1."""
        return reshape.reshape(self, newshape, ndim)

    def flatten(self, ndim: int = 1) -> Any:
        """The tensor with its last dimensions merged so that ``ndim`` are left."""
        return reshape.flatten(self, ndim)

    def ravel(self) -> Any:
        """All elements in C order as a vector."""
        return reshape.flatten(self, 1)

    def squeeze(self, axis: Any = None) -> Any:
        """The tensor without its dimensions known to be 1, or without those named."""
        return reshape.squeeze(self) if axis is None else reshape.squeeze(self, axis)

    # -- elements --------------------------------------------------------------------------------------------

    def astype(self, dtype: Any) -> Any:
        """The elements converted; see `symtensor.tensor.cast`."""
        return ew.cast(self, dtype)

    def clip(self, a_min: Any, a_max: Any) -> Any:
        """The elements limited to [a_min, a_max]."""
        return ew.clip(self, a_min, a_max)

    def round(self, mode: str | None = None) -> Any:
        """The nearest whole numbers: ``mode`` "half_to_even" or "half_away_from_zero"."""
        return ew.round(self, mode)

    def trunc(self) -> Any:
        """The elements cut towards zero."""
        return ew.trunc(self)

    def copy(self, name: str | None = None) -> Any:
        """A new variable of equal value."""
        return ew.tensor_copy(self, name=name)

    @property
    def real(self) -> Any:
        """The real part."""
        return cx.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return cx.imag(self)

    def conj(self) -> Any:
        """The complex conjugate."""
        return cx.conj(self)

    conjugate = conj

    def fill(self, value: Any) -> Any:
        """A tensor of this shape full of ``value``."""
        return create.fill(self, value)

    def zeros_like(self, dtype: Any = None) -> Any:
        """Zeros in this shape."""
        return create.zeros_like(self, dtype)

    def ones_like(self, dtype: Any = None) -> Any:
        """Ones in this shape."""
        return create.ones_like(self, dtype)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
        """The elements, or slices along ``axis``, at integer positions."""
        return index_advanced.take(self, indices, axis, mode)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Every element, along ``axis``, ``repeats`` times."""
        return repeat.repeat(self, repeats, axis)

    def nonzero(self, return_matrix: bool = False) -> Any:
        """The indices of the elements that are not 0: one vector for each axis, or one matrix."""
        return index_advanced.nonzero(self, return_matrix)

    def nonzero_values(self) -> Any:
        """The elements that are not 0, as a vector."""
        return index_advanced.nonzero_values(self)

    # -- reductions ------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Any:
        """The sum over ``axis``: an int, a tuple, or None for all."""
        return reduce.sum(self, axis, dtype, keepdims, acc_dtype)

    def prod(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Any:
        """The product over ``axis``."""
        return reduce.prod(self, axis, dtype, keepdims, acc_dtype)

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Any:
        """The mean over ``axis``."""
        return reduce.mean(self, axis, dtype=dtype, keepdims=keepdims, acc_dtype=acc_dtype)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False) -> Any:
        """The variance over ``axis``."""
        return reduce.var(self, axis, ddof, keepdims, corrected)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False) -> Any:
        """The standard deviation over ``axis``."""
        return reduce.std(self, axis, ddof, keepdims, corrected)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The largest element over ``axis``."""
        return reduce.max(self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The smallest element over ``axis``."""
        return reduce.min(self, axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The position of the largest element along ``axis``, or in the flattened tensor."""
        return argreduce.argmax(self, axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The position of the smallest element along ``axis``, or in the flattened tensor."""
        return argreduce.argmin(self, axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether all elements are true."""
        return reduce.all(self, axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether any element is true."""
        return reduce.any(self, axis, keepdims=keepdims)

    def ptp(self, axis: int | None = None) -> Any:
        """The range, largest minus smallest."""
        return argreduce.ptp(self, axis)

    def norm(self, L: float, axis: Any = None, keepdims: bool = False) -> Any:
        """The L-norm over ``axis``: ``L`` > 0, or inf (Theano's definition)."""
        if L == 0:
            raise NotImplementedError("norm: L == 0 is no norm; count with neq(x, 0).sum()")
        size = abs(self)
        if np.isinf(L):
            return reduce.max(size, axis, keepdims=keepdims)
        if L == 1:
            return reduce.sum(size, axis, keepdims=keepdims)
        if L == 2:
            return ELEMENTWISE["sqrt"](reduce.sum(ew.sqr(size), axis, keepdims=keepdims))
        return ew.pow(reduce.sum(ew.pow(size, L), axis, keepdims=keepdims), 1.0 / L)

    def dot(self, other: Any) -> Any:
        """The dot product; see `symtensor.tensor.dot`."""
        return blas.dot(self, other)

    # -- values ----------------------------------------------------------------------------------------------

    def eval(self, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
        """The value, given those of the inputs: ``z.eval({x: 1.0})``. The compiled function is kept on the
        variable."""
        if not evaluators:
            raise RuntimeError("eval needs the compiler: import symtensor")
        return evaluators[-1](self, inputs_to_values)  # type: ignore[arg-type]

    def get_scalar_constant_value(self) -> Any:
        """The value as a 0-d array where it is known while the graph is built; NotScalarConstantError
        otherwise."""
        return get_scalar_constant_value(self)


class TensorVariable(TensorOperators, Variable):
    """A symbolic tensor: an input, or the result of an op. Programs may put attributes of their own on it."""


class TensorConstant(TensorOperators, Constant):
    """A tensor whose value is known."""


class TensorSharedVariable(TensorOperators, SharedVariable):
    """A tensor that keeps its value between calls."""


TensorType.variable_class = TensorVariable
TensorType.constant_class = TensorConstant
shared_class = TensorSharedVariable
