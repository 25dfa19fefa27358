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
from symtensor.ops import argreduce, blas, count, create, cumulative, index, index_advanced, reduce, triangle
from symtensor.ops import elementwise as ew
from symtensor.ops import elementwise_complex as cx
from symtensor.ops import repeat as repeating
from symtensor.ops import reshape as reshaping
from symtensor.ops import shape as shapes
from symtensor.ops import sort as sorting
from symtensor.ops.constant_value import get_scalar_constant_value
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.ops.numpy_protocol import array_function, array_ufunc

__all__ = ["TensorConstant", "TensorOperators", "TensorSharedVariable", "TensorVariable"]


def _binary(function: Callable[..., Any], reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method of an infix operator: NotImplemented where the other side is nothing to make a tensor of."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Variable):
            if hasattr(type(other), "apply_op"):  # a pattern of the rule engine: its own operators apply
                return NotImplemented
            try:
                other = as_tensor_variable(other)
            except TypeError:
                if hasattr(type(other), "__dlpack__"):  # an array that cannot be read: say why
                    raise
                return NotImplemented
        elif not isinstance(other.type, TensorType):  # sparse matrices and the like: their operators apply
            return NotImplemented
        return function(other, self) if reflected else function(self, other)

    method.__name__ = getattr(function, "__name__", "operator")
    method.__doc__ = getattr(function, "__doc__", None)
    return method


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
        return array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return array_function(function, types, args, kwargs)

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
        return shapes.shape(self)

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

    def reshape(self, shape: Any, ndim: int | None = None) -> Any:
        """The elements in C order in another shape; one dimension may be -1."""
        if isinstance(shape, int) and ndim not in (None, 1):
            raise TypeError(f"reshape takes the shape as one argument: x.reshape(({shape}, {ndim}))")
        return reshaping.reshape(self, shape, ndim)

    swapaxes, flatten, ravel, squeeze = reshaping.swapaxes, reshaping.flatten, reshaping.ravel, reshaping.squeeze
    diagonal, trace = triangle.diagonal, triangle.trace

    def transfer(self, target: str) -> Any:
        """The tensor on another device: ``"cpu"`` is where it is. ValueError for a device that is not there."""
        if target != "cpu":
            raise ValueError(f"transfer: target={target!r} is no device of this build; use 'cpu'")
        return self

    # -- elements --------------------------------------------------------------------------------------------

    astype = ew.cast
    zeros_like, ones_like = create.zeros_like, create.ones_like
    take, nonzero, nonzero_values = index_advanced.take, index_advanced.nonzero, index_advanced.nonzero_values
    repeat, round = repeating.repeat, ew.round
    sort, argsort, searchsorted = sorting.sort, sorting.argsort, sorting.searchsorted
    choose, cumsum, cumprod = count.choose, cumulative.cumsum, cumulative.cumprod
    get_scalar_constant_value = get_scalar_constant_value

    def fill(self, value: Any) -> Any:
        """A tensor of this shape full of ``value``."""
        return create.fill(self, value)

    def clip(self, a_min: Any, a_max: Any) -> Any:
        """The elements limited to [a_min, a_max]."""
        return ew.clip(self, a_min, a_max)

    def compress(self, a: Any, axis: int | None = None) -> Any:
        """The slices of ``a`` where this vector is true; see `symtensor.tensor.compress`."""
        return index_advanced.compress(self, a, axis)

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

    # -- reductions ------------------------------------------------------------------------------------------

    sum, prod, var, std = reduce.sum, reduce.prod, reduce.var, reduce.std
    max, min, all, any = reduce.max, reduce.min, reduce.all, reduce.any
    argmax, argmin, ptp = argreduce.argmax, argreduce.argmin, argreduce.ptp

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None) -> Any:
        """The mean over ``axis``."""
        return reduce.mean(self, axis, dtype=dtype, keepdims=keepdims, acc_dtype=acc_dtype)

    def norm(self, L: float, axis: Any = None, keepdims: bool = False) -> Any:
        """The L-norm over ``axis``: ``L`` > 0, or inf (Theano's definition)."""
        if isinstance(L, (str, Variable)):
            raise TypeError(f"x.norm takes a number L > 0, or inf, got {L!r}; symtensor.tensor.linalg.norm has others")
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

    dot = blas.dot

    # -- values ----------------------------------------------------------------------------------------------

    def eval(self, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
        """The value, given those of the inputs: ``z.eval({x: 1.0})``. The compiled function is kept on the
        variable."""
        if not evaluators:
            raise RuntimeError("eval needs the compiler: import symtensor")
        return evaluators[-1](self, inputs_to_values)  # type: ignore[arg-type]

    def item(self, *_: Any) -> NoReturn:
        """An error: there is no value yet."""
        raise SymbolicTruthError(f"the symbolic variable {self} has no value while the graph is built; .eval() "
                                 "computes it")

    tolist = item


class TensorVariable(TensorOperators, Variable):
    """A symbolic tensor: an input, or the result of an op. Programs may put attributes of their own on it."""


class TensorConstant(TensorOperators, Constant):
    """A tensor whose value is known."""


class TensorSharedVariable(TensorOperators, SharedVariable):
    """A tensor that keeps its value between calls.

    Libraries with DLPack (``torch.from_dlpack(w)``, ``np.from_dlpack(w)``) share its memory, as
    ``get_value(borrow=True)`` does: writing to theirs changes the variable; a later call that updates the variable
    changes theirs or leaves it as it was, so take it again after each. It stays valid as long as they hold it.
    """

    def __dlpack__(self, **options: Any) -> Any:
        return self.get_value(borrow=True).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self.get_value(borrow=True).__dlpack_device__()
        return device


TensorType.variable_class = TensorVariable
TensorType.constant_class = TensorConstant
