"""New tensors: filled (`Alloc`) and counted (`ARange`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, complete_dtype, is_integer, upcast
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, constant, int64_constant, static_value
from symtensor.ops.dimshuffle import pad_left
from symtensor.ops.kernel_text import loop_c, unravel_c
from symtensor.ops.shape import shape_dims, shape_i, shape_of

__all__ = ["ARange", "Alloc", "alloc", "arange", "empty", "empty_like", "fill", "full", "full_like", "ones",
           "ones_like", "zeros", "zeros_like"]


class Alloc(Op):
    """A tensor of the given dimensions filled with a value that is broadcast to them (Theano's op).

    Inputs: the value, a scalar or of the rank of the result, and the dimensions as int64 scalars.
    """

    __props__ = ()

    def make_node(self, value: Any, *shape: Any) -> Apply:
        value = as_tensor_variable(value)
        dims = [as_index(dim) for dim in shape]
        if value.type.ndim > len(dims):
            raise TypeError(f"alloc: a value with {value.type.ndim} dimension(s) does not fit in {len(dims)}")
        value = pad_left(value, len(dims)) if value.type.ndim else value
        static: list[int | None] = [static_value(dim) for dim in dims]
        for axis, (dim, own) in enumerate(zip(static, value.type.shape or (1,) * len(dims), strict=True)):
            if dim is not None and (dim < 0 or own not in (None, 1, dim)):
                raise self.failure(None, "ST_SHAPE", (axis, own if own is not None else 1, dim))
            if own not in (None, 1):
                static[axis] = own
        return Apply(self, [value, *dims], [TensorType(value.type.dtype, static).make_variable()])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a dimension that is negative or does not take the value's."""
        axis, own, dim = values[:3]
        if dim < 0:
            return ValueError(f"alloc: dimension {axis} is {dim}; a dimension cannot be negative")
        return ValueError(f"alloc: dimension {axis} of the value is {own}, which does not broadcast to {dim}")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        own_dims = shapes[0] or (int64_constant(1),) * (len(node.inputs) - 1)
        return [
            (d.all_of(d.any_of(d.equal(own, 1), d.equal(own, dim)), d.at_most(0, dim)), "ST_SHAPE",
             (int64_constant(axis), own, dim))
            for axis, (own, dim) in enumerate(zip(own_dims, node.inputs[1:], strict=True))
        ]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        value, *dims = inputs
        shape = tuple(int(dim) for dim in dims)
        for axis, (own, dim) in enumerate(zip(np.shape(value) or (1,) * len(shape), shape, strict=True)):
            if dim < 0 or own not in (1, dim):
                raise self.failure(node, "ST_SHAPE", (axis, own, dim))
        outputs[0][0] = np.full(shape, value, dtype=node.outputs[0].type.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [tuple(node.inputs[1:])]

    def kernel(self, node: Apply) -> Kernel:
        value, *dims = node.inputs
        if not value.type.ndim or all(dim == 1 for dim in value.type.shape):
            zeros = ", ".join("0" for _ in value.type.shape)
            return Kernel(f"((OUT0_T *)OUT0_PTR)[i] = IN0({zeros});", d.product(dims))
        names = [f"o{axis}" for axis in range(len(dims))]
        source = ", ".join(
            "0" if own == 1 else name if own is not None else f"(IN0_DIM({axis}) == 1 ? 0 : {name})"
            for axis, (own, name) in enumerate(zip(value.type.shape, names, strict=True))
        )
        rows = unravel_c(names[:-1], [f"OUT0_DIM({axis})" for axis in range(len(dims) - 1)])
        last = loop_c(names[-1:], [f"OUT0_DIM({len(dims) - 1})"])
        return Kernel(f"{rows}\n{last} OUT0({', '.join(names)}) = IN0({source});", d.product(dims[:-1]))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.reduce import sum as sum_
        from symtensor.ops.reduce import sum_to_shape

        value, *dims = inputs
        (g,) = output_grads
        return [sum_to_shape(g, value) if value.type.ndim else sum_(g), *(None for _ in dims)]


def alloc(value: Any, *shape: Any) -> Variable:
    """A tensor of the dimensions ``shape`` (each an int or integer scalar, or one sequence) filled with
    ``value``, which is broadcast (Theano's ``T.alloc``)."""
    dims = shape_dims(shape[0] if len(shape) == 1 else shape, "alloc")
    value = as_tensor_variable(value)
    if not dims:
        return value
    result: Variable = Alloc()(value, *dims)
    return result


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Variable:
    """A tensor of this shape filled with ``fill_value``, converted to ``dtype`` where given."""
    return alloc(_typed(fill_value, dtype), shape_dims(shape, "full"))


def zeros(shape: Any, dtype: Any = None) -> Variable:
    """Zeros of this shape: an int, a sequence of ints and integer scalars, or a vector of known length;
    floatX by default.

    >>> from symtensor import tensor as T
    >>> zeros((2, T.iscalar())).type.shape
    (2, None)
    """
    return full(shape, 0, dtype or config.floatX)


def ones(shape: Any, dtype: Any = None) -> Variable:
    """Ones of this shape; floatX by default."""
    return full(shape, 1, dtype or config.floatX)


def empty(shape: Any, dtype: Any = None) -> Variable:
    """A tensor of this shape whose elements do not matter (they are zeros: results are reproducible)."""
    return zeros(shape, dtype)


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Variable:
    """A tensor of the shape of ``a``, and its dtype unless another is given, filled with ``fill_value``."""
    a = as_tensor_variable(a)
    value = _typed(fill_value, dtype or a.type.dtype)
    if a.type.ndim == 0:  # stays an expression of `a`, as for any other rank
        from symtensor.ops.elementwise import second

        return second(a, value)
    return alloc(value, shape_of(a))


def zeros_like(model: Any, dtype: Any = None, opt: bool = False) -> Variable:
    """Zeros of the shape of ``model``, and its dtype unless another is given. Only the shape is computed."""
    return full_like(model, 0, dtype)


def ones_like(model: Any, dtype: Any = None, opt: bool = False) -> Variable:
    """Ones of the shape of ``model``, and its dtype unless another is given. Only the shape is computed."""
    return full_like(model, 1, dtype)


def empty_like(model: Any, dtype: Any = None) -> Variable:
    """A tensor of the shape of ``model`` whose elements do not matter."""
    return zeros_like(model, dtype)


def _typed(value: Any, dtype: Any) -> Variable:
    if dtype is None:
        return as_tensor_variable(value)
    if isinstance(value, Constant) or not isinstance(value, Variable):
        return constant(value.data if isinstance(value, Constant) else value, dtype=dtype)
    from symtensor.ops.elementwise import cast

    return cast(value, complete_dtype(dtype))


def fill(a: Any, b: Any) -> Variable:
    """``b`` broadcast to the shape of ``a`` (Theano's ``T.fill``)."""
    from symtensor.ops.elementwise import second

    result: Variable = second(a, b)
    return result


# -- counting ------------------------------------------------------------------------------------------------


class ARange(Op):
    """``start, start + step, ...`` up to, and without, ``stop`` (Theano's op). Inputs: three scalars."""

    __props__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def make_node(self, start: Any, stop: Any, step: Any) -> Apply:
        scalars = [as_tensor_variable(value) for value in (start, stop, step)]
        for scalar in scalars:
            if scalar.type.ndim or upcast(scalar.type.dtype, self.dtype) != self.dtype:
                raise TypeError(f"{self}: {scalar} of type {scalar.type} is no {self.dtype} scalar; "
                                f"convert with .astype({self.dtype!r})")
        length = None
        if all(isinstance(scalar, Constant) for scalar in scalars):
            length = len(self._values(*(scalar.data for scalar in scalars)))  # type: ignore[attr-defined]
        return Apply(self, scalars, [TensorType(self.dtype, (length,)).make_variable()])

    def _values(self, start: Any, stop: Any, step: Any) -> Any:
        kind = int if is_integer(self.dtype) else float
        start, stop, step = (kind(np.asarray(value)[()]) for value in (start, stop, step))
        if step == 0:
            raise self.failure(None, "ST_VALUE", ())
        try:
            return np.arange(start, stop, step, dtype=self.dtype)
        except (ValueError, OverflowError):
            raise self.failure(None, "ST_VALUE", ()) from None

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a range without length."""
        return ValueError("arange: the step must not be zero, and start, stop and step must be finite")

    def _length(self, node: Apply) -> tuple[Variable, Variable]:
        """The number of elements, and whether it is one."""
        if is_integer(self.dtype):
            start, stop, step = (as_index(scalar) for scalar in node.inputs)
            sign = d.where(d.below(step, 0), -1, 1)
            pace = d.maximum(d.mul(step, sign), 1)
            span = d.mul(d.sub(stop, start), sign)
            steps = d.int_div(d.add(d.maximum(span, 0), d.sub(pace, 1)), pace)
            return steps, d.any_of(d.below(step, 0), d.below(0, step))
        from symtensor.ops import elementwise as e

        start, stop, step = (e.cast(scalar, "float64") for scalar in node.inputs)
        steps = e.ceil(e.true_div(e.sub(stop, start), step))
        finite = e.and_(e.le(e.abs_(steps), 1e15), e.le(e.abs_(start), np.finfo("float64").max))
        good = e.and_(finite, e.neq(step, 0))
        return e.cast(e.switch(good, e.maximum(steps, 0.0), 0.0), "int64"), good

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        return [(self._length(node)[1], "ST_VALUE", ())]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = self._values(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        static = node.outputs[0].type.shape[0]
        return [(self._length(node)[0] if static is None else int64_constant(static),)]

    def kernel(self, node: Apply) -> Kernel:
        # NumPy's formula, so that the last bits agree: the step is the difference of the first two elements.
        compute = "float" if self.dtype == "float16" else "OUT0_T"
        body = (f"const {compute} first = ({compute})IN0();\n"
                f"const {compute} pace = ({compute})(OUT0_T)((double)IN0() + (double)IN2()) - first;\n"
                f"((OUT0_T *)OUT0_PTR)[i] = (OUT0_T)(first + ({compute})i * pace);")
        if is_integer(self.dtype):
            body = "((OUT0_T *)OUT0_PTR)[i] = (OUT0_T)IN0() + (OUT0_T)i * (OUT0_T)IN2();"
        return Kernel(body, shape_i(node.outputs[0], 0))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[not is_integer(self.dtype)], [False], [not is_integer(self.dtype)]]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        if is_integer(self.dtype):
            return [None, None, None]
        from symtensor.ops import elementwise as e
        from symtensor.ops.reduce import sum as sum_

        (g,) = output_grads
        places = arange(shape_i(g, 0))
        return [sum_(g), None, sum_(e.mul(g, e.cast(places, g.type.dtype)))]


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Variable:
    """``start, start + step, ...`` before ``stop``, or ``0, 1, ...`` before ``start`` when it is alone, as
    NumPy's.

    Arguments are ints, floats or scalars. The dtype is int64 for integers (uint64 for unsigned ones), else
    the promotion of the arguments' (Theano's rule).

    >>> from symtensor import tensor as T
    >>> arange(T.iscalar()).type
    TensorType(int64, vector)
    """
    first, last = (0, start) if stop is None else (start, stop)
    scalars = [as_tensor_variable(value) for value in (first, last, step)]
    for scalar in scalars:
        if scalar.type.ndim or scalar.type.dtype == "bool" or scalar.type.dtype.startswith("complex"):
            raise TypeError(f"arange: start, stop and step are real scalars, got {scalar} of type "
                            f"{scalar.type}")
    if dtype is None:
        dtype = upcast(*(scalar.type.dtype for scalar in scalars))
        if is_integer(dtype):
            dtype = "uint64" if dtype.startswith("uint") else "int64"
    dtype = complete_dtype(dtype)
    result: Variable = ARange(dtype)(*(_typed(scalar, dtype) for scalar in scalars))
    return result
