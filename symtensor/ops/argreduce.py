"""Where the largest and smallest elements are: `argmax`, `argmin`, `max_and_argmax`; and their distance,
`ptp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.create import zeros_like
from symtensor.ops.elementwise import sub
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.kernel_text import loop_c, unravel_c
from symtensor.ops.reduce import max, min
from symtensor.ops.reduction import normalize_axis, put_back
from symtensor.ops.shape import shape_of

__all__ = ["ArgReduction", "argmax", "argmin", "max_and_argmax", "ptp"]

_BETTER = {"argmax": ">", "argmin": "<"}


class ArgReduction(Op):
    """The int64 position of the first largest or smallest element over some axes (Theano's Argmax).

    Parameters
    ----------
    name : "argmax" or "argmin".
    axis : the sorted axes searched; None: all. With several, the position is that in their elements in
        row-major order.

    A NaN counts as the extremum, as in NumPy. ValueError at run time where there is no element.
    """

    __props__ = ("name", "axis")

    def __init__(self, name: str, axis: Sequence[int] | None = None) -> None:
        if name not in _BETTER:
            raise ValueError(f"ArgReduction: {name!r} is neither argmax nor argmin")
        self.name = name
        self.axis = None if axis is None else tuple(sorted(axis))

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if is_complex(x.type.dtype):
            raise TypeError(f"{self.name} is not defined for dtype {x.type.dtype}: it has no order")
        axes = self.axes(x.type.ndim)
        shape = [dim for axis, dim in enumerate(x.type.shape) if axis not in axes]
        return Apply(self, [x], [TensorType("int64", shape, x.type.device).make_variable()])

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that vanish from an input of this rank."""
        return normalize_axis(self.name, self.axis, ndim)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        axes = self.axes(x.ndim)
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        rest = tuple(x.shape[axis] for axis in kept)
        count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
        if count == 0:
            if 0 not in rest:
                raise self.failure(node, None, ())
            outputs[0][0] = np.empty(rest, dtype=np.int64)
            return
        rows = x.transpose(*kept, *axes).reshape(*rest, count)
        outputs[0][0] = np.asarray(getattr(np, self.name)(rows, axis=-1), dtype=np.int64)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        axes = self.axes(len(shapes[0]))
        return [tuple(dim for axis, dim in enumerate(shapes[0]) if axis not in axes)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [zeros_like(inputs[0], dtype=config.floatX)]

    def kernel(self, node: Apply) -> Kernel:
        x = node.inputs[0]
        ndim, dtype = x.type.ndim, x.type.dtype
        axes = self.axes(ndim)
        kept = [axis for axis in range(ndim) if axis not in axes]
        at = ", ".join(f"j{axis}" for axis in range(ndim))
        compute = "float" if dtype == "float16" else C_TYPES[dtype]
        # best != best: a NaN was found, nothing later is better
        better = f"value {_BETTER[self.name]} best"
        if is_float(dtype):
            better = f"best == best && ({better} || value != value)"
        count = " * ".join(f"IN0_DIM({axis})" for axis in axes) or "1"
        body = f"""
if ({count} == 0) {{ FAIL(ST_EMPTY, {axes[0] if axes else 0}, 0, 0); }}
{unravel_c([f"j{axis}" for axis in kept], [f"IN0_DIM({axis})" for axis in kept])}
int64_t at = 0, found = 0;
{compute} best = ({compute})IN0({", ".join(f"j{axis}" if axis in kept else "0" for axis in range(ndim))});
{loop_c([f"j{axis}" for axis in axes], [f"IN0_DIM({axis})" for axis in axes])} {{
    {compute} value = ({compute})IN0({at});
    if ({better}) {{ best = value; found = at; }}
    at++;
}}
OUT0_PTR[i] = found;"""
        return Kernel(body.strip(), d.product([shape_of(x)[axis] for axis in kept]))

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: there is no element to find."""
        return ValueError(f"{self.name}: zero-size array has no element to find: axis {self.axis}")

    def __str__(self) -> str:
        name = self.name.capitalize()
        return name if self.axis is None else f"{name}{{axis={list(self.axis)}}}"


def _arg(name: str, x: Any, axis: Any, keepdims: bool) -> Variable:
    x = as_tensor_variable(x)
    axes = normalize_axis(name, axis, x.type.ndim)
    result: Variable = ArgReduction(name, None if len(axes) == x.type.ndim else axes)(x)
    return put_back(result, x.type.ndim, axes) if keepdims else result


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The position of the first largest element over ``axis`` (None: in all elements, row-major), as int64.

    A NaN counts as largest, as in NumPy. ValueError at run time where there is no element.

    >>> from symtensor import tensor as T
    >>> argmax(T.matrix(), axis=1).type
    TensorType(int64, vector)
    """
    return _arg("argmax", x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The position of the first smallest element over ``axis`` (None: in all elements, row-major), as
    int64."""
    return _arg("argmin", x, axis, keepdims)


def max_and_argmax(a: Any, axis: Any = None, keepdims: bool = False) -> list[Variable]:
    """The largest element and its position over ``axis`` (Theano's name): ``[max(a, axis), argmax(a,
    axis)]``."""
    return [max(a, axis, keepdims), argmax(a, axis, keepdims)]


def ptp(a: Any, axis: Any = None) -> Variable:
    """Peak to peak: the largest minus the smallest element over ``axis``."""
    a = as_tensor_variable(a)
    return sub(max(a, axis), min(a, axis))
