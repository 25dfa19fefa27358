"""Elements repeated along an axis, and whole tensors (`tile`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant, static_value
from symtensor.ops.create import alloc, arange, zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import cast, mul
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.kernel_text import loop_c, unravel_c
from symtensor.ops.reshape import flatten, moveaxis, reshape, shape_padleft
from symtensor.ops.shape import normalize_axis, shape_dims, shape_i, shape_of

__all__ = ["Repeat", "repeat", "tile"]


class Repeat(Op):
    """Element k along ``axis`` as often as entry k of an integer vector says (Theano's RepeatOp)."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def make_node(self, x: Any, repeats: Any) -> Apply:
        x, repeats = as_tensor_variable(x), cast(repeats, "int64")
        shape = [*x.type.shape]
        shape[self.axis] = None
        if isinstance(repeats, Constant):
            self._check(repeats.data)
        if None not in (x.type.shape[self.axis], repeats.type.shape[0]) and repeats.type.shape[0] != 1:
            if x.type.shape[self.axis] != repeats.type.shape[0]:
                raise self.failure(None, "ST_SHAPE", (repeats.type.shape[0], x.type.shape[self.axis]))
            if isinstance(repeats, Constant):
                shape[self.axis] = int(repeats.data.sum())
        return Apply(self, [x, repeats], [TensorType(x.type.dtype, shape).make_variable()])

    def _check(self, repeats: Any) -> None:
        if (repeats < 0).any():
            raise self.failure(None, "ST_VALUE", (int(np.argmax(repeats < 0)), int(repeats[repeats < 0][0])))

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for repeats that do not fit."""
        if code == "ST_SHAPE":
            return ValueError(f"repeat: {values[0]} number(s) of repeats for axis {self.axis} of size {values[1]}; "
                              "give one number, or one for each element")
        return ValueError(f"repeat: entry {values[0]} of repeats is {values[1]}; give numbers >= 0")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        given, wanted = shapes[1][0], shapes[0][self.axis]
        return [(d.any_of(d.equal(given, 1), d.equal(given, wanted)), "ST_SHAPE", (given, wanted))]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, repeats = inputs
        if repeats.shape[0] not in (1, x.shape[self.axis]):
            raise self.failure(node, "ST_SHAPE", (repeats.shape[0], x.shape[self.axis]))
        self._check(repeats)
        outputs[0][0] = np.repeat(x, repeats, self.axis)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        from symtensor.ops.reduce import sum as sum_

        repeats = node.inputs[1]
        dims, size = list(shapes[0]), shapes[0][self.axis]
        # negative numbers are left out: they are reported by the kernel
        total = sum_(mul(cast(repeats > 0, "int64"), repeats))  # type: ignore[operator]
        dims[self.axis] = d.mul(total, d.where(d.equal(shapes[1][0], size), 1, size))
        return [tuple(dims)]

    def kernel(self, node: Apply) -> Kernel:
        ndim, axis = node.inputs[0].type.ndim, self.axis
        names = [f"j{k}" for k in range(ndim)]
        here, there = (", ".join([*names[:axis], at, *names[axis + 1:]]) for at in ("k", "at"))
        body = f"""
{unravel_c(names[:axis], [f"IN0_DIM({k})" for k in range(axis)])}
int64_t at = 0;
for (int64_t k = 0; k < IN0_DIM({axis}); k++) {{
    const int64_t which = IN1_DIM(0) == 1 ? 0 : k;
    if (IN1(which) < 0) {{ FAIL(ST_VALUE, which, IN1(which), 0); }}
    for (const int64_t end = at + IN1(which); at < end; at++)
    {loop_c(names[axis + 1:], [f"IN0_DIM({k})" for k in range(axis + 1, ndim)])}
        OUT0({there}) = IN0({here});
}}"""
        return Kernel(body.strip(), d.product(shape_i(node.inputs[0], k) for k in range(axis)))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        x, repeats = inputs
        origin = Repeat(0)(arange(shape_of(x)[self.axis]), repeats)
        zeros = moveaxis(zeros_like(x, dtype=output_grads[0].type.dtype), self.axis, 0)
        return [moveaxis(inc_subtensor(getitem(zeros, origin), moveaxis(output_grads[0], self.axis, 0)), 0,
                         self.axis), None]


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Every element of ``x`` along ``axis`` repeated (Theano's and NumPy's ``repeat``).

    Parameters
    ----------
    repeats : an integer, or an integer vector with a number for each element; may be symbolic.
    axis : the axis; None: of the flattened tensor.

    >>> repeat([1, 2], 2).eval()
    array([1, 1, 2, 2])
    """
    x, repeats = as_tensor_variable(x), as_tensor_variable(repeats)
    if not is_integer(repeats.type.dtype) or repeats.type.dtype in ("bool",
                                                                    "uint64") or repeats.type.ndim > 1:
        raise TypeError(f"repeat: repeats is an integer or a vector of integers, got {repeats} of type {repeats.type}")
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.type.ndim, "repeat")
    if repeats.type.ndim == 1 and repeats.type.shape != (1,):
        result: Variable = Repeat(axis)(x, repeats)
        return result
    count = as_index(repeats if repeats.type.ndim == 0 else getitem(repeats, 0))
    if (static_value(count) or 0) < 0:
        raise ValueError(f"repeat: repeats is {static_value(count)}; give a number >= 0")
    dims, order = shape_of(x), list(range(x.type.ndim))
    spread = alloc(dimshuffle(x, [*order[:axis + 1], "x", *order[axis + 1:]]),
                   *dims[:axis + 1], count, *dims[axis + 1:])
    return reshape(spread, (*dims[:axis], d.mul(dims[axis], count), *dims[axis + 1:]), ndim=x.type.ndim)


def tile(x: Any, reps: Any, ndim: int | None = None) -> Variable:
    """``x`` repeated as a whole ``reps`` times along each dimension (Theano's and NumPy's ``tile``).

    Parameters
    ----------
    reps : an int or integer scalar (for the last dimension), a sequence of these, or an integer vector of known length.
    ndim : the rank of the result: at least those of ``x`` and ``reps``, which get dimensions in front; needed where the
        length of a vector ``reps`` is not known.

    >>> tile([[1, 2]], (2, 2)).eval()
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    x = as_tensor_variable(x)
    vector = isinstance(reps, Variable) and reps.type.ndim == 1 and reps.type.shape[0] is None
    counts = shape_dims(reps, "tile", ndim if vector else None)
    if any((static_value(count) or 0) < 0 for count in counts):
        raise ValueError(f"tile: reps {reps!r} has a negative number; give numbers >= 0")
    rank = max(len(counts), x.type.ndim)
    if ndim is not None and ndim < rank:
        raise ValueError(f"tile: ndim={ndim} is less than {rank}, the larger of the rank of x and the length of reps")
    rank = ndim or rank
    counts = (int64_constant(1),) * (rank - len(counts)) + tuple(counts)
    x = shape_padleft(x, rank - x.type.ndim)
    if not rank:
        return x
    dims = shape_of(x)
    spread = alloc(dimshuffle(x, [p for k in range(rank) for p in ("x", k)]),
                   *(p for count, dim in zip(counts, dims, strict=True) for p in (count, dim)))
    return reshape(spread, [d.mul(count, dim) for count, dim in zip(counts, dims, strict=True)])
