"""Shapes: asking for them (`Shape`, `Shape_i`), making them (`MakeVector`), and stating them
(`SpecifyShape`).

A dimension is an int64 scalar; a shape in a graph is a tuple of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op, View
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_integer, upcast
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, constant, int64_constant, static_value

__all__ = [
    "Discrete", "MakeVector", "Shape", "Shape_i", "SpecifyShape", "Unbroadcast", "addbroadcast", "broadcast_shape",
    "get_vector_length", "normalize_axis", "patternbroadcast", "shape", "shape_dims", "shape_i", "shape_of",
    "size", "specify_shape", "unbroadcast",
]


def normalize_axis(axis: Any, ndim: int, op: str) -> int:
    """``axis`` counted from the front; ValueError where there is no such axis, TypeError where it is no
    int."""
    if isinstance(axis, Constant) and axis.data.ndim == 0 and is_integer(axis.type.dtype):
        axis = int(axis.data)
    if isinstance(axis, (bool, np.bool_)) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{op}: an axis is an int known while the graph is built, got {axis!r}")
    if not -ndim <= axis < ndim:
        axes = f"is outside {-ndim}..{ndim - 1} of a tensor of rank {ndim}" if ndim else "of a scalar, which has none"
        raise ValueError(f"{op}: axis {axis} {axes}")
    return int(axis) % ndim


# -- asking --------------------------------------------------------------------------------------------------


class Discrete(Op):
    """An op whose outputs are integers or do not depend on values: no gradient flows through it."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs) for _ in node.inputs]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None] * len(inputs)


class Shape(Discrete):
    """The shape of a tensor as an int64 vector (Theano's op). Only the shape of the input is needed, not its
    value."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        return Apply(self, [x], [TensorType("int64", (x.type.ndim,)).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = np.asarray(np.shape(inputs[0]), dtype="int64")

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(int64_constant(len(shapes[0])),)]

    def expand(self, x: Variable) -> Variable:
        """The vector of the dimensions."""
        return MakeVector("int64")(*shape_of(x)) if x.type.ndim else constant(np.zeros(0, "int64"))


class Shape_i(Discrete):
    """Dimension ``i`` of a tensor as an int64 scalar (Theano's op)."""

    __props__ = ("i",)

    def __init__(self, i: int) -> None:
        self.i = int(i)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if not 0 <= self.i < x.type.ndim:
            raise TypeError(f"{self}: {x} of type {x.type} has no dimension {self.i}")
        return Apply(self, [x], [TensorType("int64", ()).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = np.asarray(np.shape(inputs[0])[self.i], dtype="int64")

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [()]

    def kernel(self, node: Apply) -> Kernel:
        return Kernel(f"OUT0() = IN0_DIM({self.i});")

    def __str__(self) -> str:
        return f"Shape_i{{{self.i}}}"


def shape_i(x: Any, i: int) -> Variable:
    """Dimension ``i`` of ``x`` as an int64 scalar: a constant where it is static."""
    x = as_tensor_variable(x)
    i = normalize_axis(i, x.type.ndim, "shape_i")
    static = x.type.shape[i]
    if static is not None:
        return int64_constant(static)
    result: Variable = Shape_i(i)(x)
    return result


def shape_of(x: Any) -> Dims:
    """All dimensions of ``x`` as int64 scalars, constants where static."""
    x = as_tensor_variable(x)
    return tuple(shape_i(x, i) for i in range(x.type.ndim))


def shape(x: Any) -> Variable:
    """The shape of ``x`` as an int64 vector (Theano's ``T.shape``); ``shape(x)[0]`` costs nothing more than
    its item.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> shape(x).eval({x: np.zeros((2, 3))})
    array([2, 3])
    """
    result: Variable = Shape()(x)
    return result


def size(x: Any) -> Variable:
    """The number of elements of ``x``, int64."""
    return d.product(shape_of(x))


def broadcast_shape(*shapes: Sequence[Any]) -> Dims:
    """The dimensions of tensors of these shapes broadcast together, as NumPy does; missing ones in front are
    1.

    Where two dimensions do not fit the result is that of a failing broadcast; whoever broadcasts reports it.
    """
    rank = max((len(dims) for dims in shapes), default=0)
    result: list[Variable] = []
    for axis in range(rank):
        meeting = [dims[axis - rank + len(dims)] for dims in shapes if axis - rank + len(dims) >= 0]
        result.append(_broadcast_dims([as_index(dim) for dim in meeting]))
    return tuple(result)


def _broadcast_dims(meeting: Sequence[Variable]) -> Variable:
    distinct: dict[Any, Variable] = {}
    for dim in meeting:
        value = static_value(dim)
        if value is not None and value != 1:
            return int64_constant(value)  # an unknown one beside it is 1 or equal
        if value is None:
            distinct.setdefault(dim, dim)
    if len(distinct) <= 1:
        return next(iter(distinct), int64_constant(1))
    from symtensor.ops.elementwise import broadcast_dim

    return broadcast_dim(*distinct)


# -- making --------------------------------------------------------------------------------------------------


class MakeVector(Op):
    """Scalars as the elements of a vector (Theano's op)."""

    __props__ = ("dtype",)

    def __init__(self, dtype: str = "int64") -> None:
        self.dtype = dtype

    def make_node(self, *inputs: Any) -> Apply:
        scalars = [as_tensor_variable(value) for value in inputs]
        for scalar in scalars:
            if scalar.type.ndim:
                raise TypeError(f"{self}: the elements are scalars, got {scalar} of type {scalar.type}")
            if upcast(scalar.type.dtype, self.dtype) != self.dtype:
                raise TypeError(f"{self}: {scalar} of dtype {scalar.type.dtype} does not fit in {self.dtype}")
        return Apply(self, scalars, [TensorType(self.dtype, (len(scalars),)).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = np.array([np.asarray(value)[()] for value in inputs], dtype=self.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(int64_constant(len(node.inputs)),)]

    def kernel(self, node: Apply) -> Kernel:
        return Kernel("\n".join(f"OUT0({k}) = (OUT0_T)IN{k}();" for k in range(len(node.inputs))))

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.index import getitem

        (g,) = output_grads
        return [None if is_integer(x.type.dtype) else getitem(g, k) for k, x in enumerate(inputs)]


def get_vector_length(v: Any) -> int:
    """How many elements a vector has; ValueError where that is not known while the graph is built (Theano's
    name)."""
    v = as_tensor_variable(v)
    if v.type.ndim != 1:
        raise TypeError(f"a vector is expected, got {v} of type {v.type}")
    length = v.type.shape[0]
    if length is None:
        raise ValueError(f"the length of the vector {v} must be known while the graph is built; give a "
                         f"list of scalars, or specify_shape({v}, (n,))")
    return int(length)


def shape_dims(shape: Any, op: str = "shape", ndim: int | None = None) -> Dims:
    """A shape given by a user as a tuple of int64 scalars: an int, a scalar, a sequence of these, or an
    integer vector whose length is known (or given as ``ndim``, and then checked at run time)."""
    if isinstance(shape, Constant) and shape.type.ndim == 1:
        shape = shape.data
    if isinstance(shape, np.ndarray):
        if shape.ndim > 1 or not (is_integer(shape.dtype.name) or shape.size == 0):
            raise TypeError(f"{op}: a shape is a vector of integers, got {shape!r}")
        shape = shape.astype("int64").tolist()
    if isinstance(shape, Variable) and shape.type.ndim == 1:
        return _vector_items(shape, op, ndim)
    items = shape if isinstance(shape, (list, tuple)) else (shape,)
    try:
        dims = tuple(as_index(dim) for dim in items)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from None
    if ndim is not None and len(dims) != ndim:
        raise ValueError(f"{op}: the shape has {len(dims)} entries, ndim={ndim} are expected")
    return dims


def _vector_items(vector: Variable, op: str, ndim: int | None) -> Dims:
    if not is_integer(vector.type.dtype) or vector.type.dtype == "bool":
        raise TypeError(f"{op}: a shape is a vector of integers, got {vector} of type {vector.type}")
    if ndim is not None and vector.type.shape[0] is None:
        vector = specify_shape(vector, (ndim,))
    length = get_vector_length(vector)
    if ndim is not None and length != ndim:
        raise ValueError(f"{op}: the shape has {length} entries, ndim={ndim} are expected")
    if vector.owner is not None and isinstance(vector.owner.op, MakeVector):
        return tuple(as_index(item) for item in vector.owner.inputs)
    if vector.owner is not None and isinstance(vector.owner.op, Shape):
        return shape_of(vector.owner.inputs[0])
    from symtensor.ops.index import getitem

    return tuple(as_index(getitem(vector, k)) for k in range(length))


# -- stating -------------------------------------------------------------------------------------------------


class SpecifyShape(Op):
    """The input itself, with the dimensions ``axes`` stated to be the further inputs: known to the type where
    constant, and checked at run time. ``what`` says in errors what asked for it."""

    __props__ = ("axes", "what")
    view_map = {0: [0]}

    def __init__(self, axes: Sequence[int] | None = None, what: str = "specify_shape") -> None:
        self.axes: Any = None if axes is None else tuple(axes)  # None: all, as in Theano's SpecifyShape()(x, shape)
        self.what = what

    def make_node(self, x: Any, *dims: Any) -> Apply:
        x = as_tensor_variable(x)
        if self.axes is None:
            stated = SpecifyShape(range(x.type.ndim), self.what)
            return stated.make_node(x, *shape_dims(dims[0], self.what, x.type.ndim))
        wanted = [as_index(dim) for dim in dims]
        static = list(x.type.shape)
        for axis, dim in zip(self.axes, wanted, strict=True):
            value = static_value(dim)
            if value is not None and static[axis] not in (None, value):
                raise self.failure(None, "ST_SHAPE", (axis, static[axis], value))
            static[axis] = static[axis] if value is None else value
        return Apply(self, [x, *wanted], [x.type.clone(shape=static).make_variable()])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a dimension that is not as stated."""
        axis, given, wanted = values[:3]
        kind = IndexError if self.what == "boolean index" else ValueError
        return kind(f"{self.what}: dimension {axis} is {given}, but {wanted} is expected")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        return [
            (d.equal(shapes[0][axis], dim), "ST_SHAPE", (int64_constant(axis), shapes[0][axis], dim))
            for axis, dim in zip(self.axes, node.inputs[1:], strict=True)
        ]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, *wanted = inputs
        for axis, dim in zip(self.axes, wanted, strict=True):
            if x.shape[axis] != int(dim):
                raise self.failure(node, "ST_SHAPE", (axis, x.shape[axis], int(dim)))
        outputs[0][0] = x

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        dims = list(shapes[0])
        for axis, dim in zip(self.axes, node.inputs[1:], strict=True):
            dims[axis] = dims[axis] if static_value(dims[axis]) is not None else dim
        return [tuple(dims)]

    def view(self, node: Apply, shapes: Sequence[Dims], strides: Dims) -> View:
        return View(int64_constant(0), strides)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in self.axes)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [output_grads[0], *(None for _ in self.axes)]


class Unbroadcast(Op):
    """The input itself, its dimensions ``axes`` no longer known to the type."""

    __props__ = ("axes",)
    view_map = {0: [0]}

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        static = [None if axis in self.axes else dim for axis, dim in enumerate(x.type.shape)]
        return Apply(self, [x], [x.type.clone(shape=static).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = inputs[0]

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def view(self, node: Apply, shapes: Sequence[Dims], strides: Dims) -> View:
        return View(int64_constant(0), strides)

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [output_grads[0]]


def specify_shape(x: Any, shape: Any) -> Variable:
    """``x``, stated to have this shape: a sequence with an int, an integer scalar, or None (not stated) for
    each dimension (Theano's name). Constants enter the type; a ValueError at run time where they are
    wrong."""
    x = as_tensor_variable(x)
    items = list(shape) if isinstance(shape, (list, tuple)) else list(shape_dims(shape, "specify_shape"))
    if len(items) != x.type.ndim:
        raise ValueError(f"specify_shape: {len(items)} dimension(s) given for {x} of type {x.type}")
    axes = [axis for axis, dim in enumerate(items) if dim is not None and not _states_nothing(x, axis, dim)]
    if not axes:
        return x
    result: Variable = SpecifyShape(axes)(x, *(items[axis] for axis in axes))
    return result


def _states_nothing(x: Variable, axis: int, dim: Any) -> bool:
    return static_value(dim) is not None and static_value(dim) == x.type.shape[axis]


def addbroadcast(x: Any, *axes: int) -> Variable:
    """``x`` with the dimensions ``axes`` stated to be 1 (Theano's name)."""
    x = as_tensor_variable(x)
    wanted = {normalize_axis(axis, x.type.ndim, "addbroadcast") for axis in axes}
    return specify_shape(x, [1 if axis in wanted else None for axis in range(x.type.ndim)])


def unbroadcast(x: Any, *axes: int) -> Variable:
    """``x`` with the dimensions ``axes`` no longer known to be 1 (Theano's name)."""
    x = as_tensor_variable(x)
    known = sorted({normalize_axis(axis, x.type.ndim, "unbroadcast") for axis in axes})
    known = [axis for axis in known if x.type.shape[axis] is not None]
    result: Variable = Unbroadcast(known)(x) if known else x
    return result


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> Variable:
    """``x`` with exactly the dimensions that are True in ``broadcastable`` known to be 1 (Theano's name)."""
    x = as_tensor_variable(x)
    if len(broadcastable) != x.type.ndim:
        raise ValueError(f"patternbroadcast: {len(broadcastable)} flag(s) for {x} of type {x.type}")
    x = unbroadcast(x, *(k for k, flag in enumerate(broadcastable) if not flag and x.type.shape[k] == 1))
    return addbroadcast(x, *(k for k, flag in enumerate(broadcastable) if flag))
