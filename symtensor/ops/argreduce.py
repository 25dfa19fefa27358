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
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import sub
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reduce import max, min
from symtensor.ops.reduction import normalize_axis, put_back
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import shape_of

__all__ = ["ArgReduction", "argmax", "argmin", "max_and_argmax", "ptp"]

_BETTER = {"argmax": ">", "argmin": "<"}
_LANES = 16


class ArgReduction(Op):
    """The int64 position of the first largest ("argmax") or smallest ("argmin") element along ``axis`` (Theano's
    Argmax). A NaN counts as the extremum, as in NumPy. ValueError at run time where there is no element.
    """

    __props__ = ("name", "axis")

    def __init__(self, name: str, axis: int) -> None:
        if name not in _BETTER:
            raise ValueError(f"ArgReduction: {name!r} is neither argmax nor argmin")
        self.name = name
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if is_complex(x.type.dtype):
            raise TypeError(f"{self.name} is not defined for dtype {x.type.dtype}: it has no order")
        shape = [*x.type.shape]
        if shape.pop(self.axis) == 0 and 0 not in shape and None not in shape:
            raise self.failure(None, None, ())
        return Apply(self, [x], [TensorType("int64", shape, x.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        (x,) = inputs
        rest = x.shape[:self.axis] + x.shape[self.axis + 1:]
        if x.shape[self.axis] == 0 and 0 not in rest:
            raise self.failure(node, None, ())
        found = getattr(np, self.name)(x, axis=self.axis) if x.size else np.zeros(rest)
        outputs[0][0] = np.asarray(found, dtype=np.int64)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [tuple(dim for axis, dim in enumerate(shapes[0]) if axis != self.axis)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [zeros_like(inputs[0], dtype=config.floatX)]

    def kernel(self, node: Apply) -> Kernel:
        """One iteration finds, side by side, those of a block of columns; a row of contiguous elements is looked
        through as a matrix of so many columns."""
        x = node.inputs[0]
        ndim, axis, dtype = x.type.ndim, self.axis, x.type.dtype
        dims, names = [f"IN0_DIM({k})" for k in range(ndim)], [f"j{k}" for k in range(ndim)]
        value = "float" if dtype == "float16" else C_TYPES[dtype]
        better = f"(a) {_BETTER[self.name]} (b)"
        if is_float(dtype):
            better = f"({better}) | ((a) != (a) & (b) == (b))"
        after = unravel_c(names[axis + 1:], dims[axis + 1:], "first + q")
        start = " + ".join(f"j{k} * IN0_STRIDE({k})" for k in range(ndim) if k != axis) or "0"
        body = f"""
#define BETTER(a, b) ({better})
int64_t n = {dims[axis]}, step = IN0_STRIDE({axis}), from[{_LANES}], at[{_LANES}], k = 1;
const int64_t inner = {" * ".join(dims[axis + 1:]) or "1"}, blocks = st_blocks(inner, {_LANES});
const int64_t first = i % blocks * {_LANES}, columns = st_least(inner - first, {_LANES});
if (n == 0) {{ FAIL(ST_EMPTY, {axis}, 0, 0); }}
{unravel_c(names[:axis], dims[:axis], "i / blocks")}
{value} best[{_LANES}];
for (int64_t q = 0; q < columns; q++) {{ {after} from[q] = {start}; }}
const int row = inner == 1 && step == 1 && n >= {_LANES};
const int64_t w = row ? {_LANES} : columns, end = row ? n / {_LANES} : n, pace = row ? {_LANES} : step;
int flat = w == {_LANES};
for (int64_t q = 0; q < w; q++) {{
    if (row) from[q] = from[0] + q;
    flat &= from[q] == from[0] + q;
    best[q] = ({value})IN0_PTR[from[q]]; at[q] = 0;
}}
if (flat) for (; k < end; k++) {{
    const IN0_T *const x = IN0_PTR + from[0] + k * pace;
    #pragma omp simd
    for (int q = 0; q < {_LANES}; q++) {{
        const {value} v = ({value})x[q];
        const int take = BETTER(v, best[q]);
        best[q] = take ? v : best[q]; at[q] = take ? k : at[q];
    }}
}}
else for (; k < end; k++) for (int64_t q = 0; q < w; q++) {{
    const {value} v = ({value})IN0_PTR[from[q] + k * pace];
    if (BETTER(v, best[q])) {{ best[q] = v; at[q] = k; }}
}}
if (row) {{
    at[0] *= {_LANES};
    for (int64_t q = 1; q < {_LANES}; q++) {{
        const int64_t place = at[q] * {_LANES} + q;
        if (BETTER(best[q], best[0]) || (place < at[0] && !BETTER(best[0], best[q])))
            {{ best[0] = best[q]; at[0] = place; }}
    }}
    for (k = end * {_LANES}; k < n; k++) {{
        const {value} v = ({value})IN0_PTR[from[0] + k];
        if (BETTER(v, best[0])) {{ best[0] = v; at[0] = k; }}
    }}
}}
for (int64_t q = 0; q < columns; q++) OUT0_PTR[i / blocks * inner + first + q] = at[q];
#undef BETTER"""
        shape = shape_of(x)
        width = d.int_div(d.add(d.product(shape[axis + 1:]), _LANES - 1), _LANES)
        return Kernel(body.strip(), d.product([*shape[:axis], width]))

    def failure(self, node: Apply | None, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: there is no element to find."""
        return ValueError(f"{self.name}: zero-size array has no element to find: axis {self.axis}")

    def __str__(self) -> str:
        return f"{self.name.capitalize()}{{axis={self.axis}}}"


def _arg(name: str, x: Any, axis: Any, keepdims: bool) -> Variable:
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    axes = normalize_axis(name, axis, ndim)
    if len(axes) == 1:
        result: Variable = ArgReduction(name, axes[0])(x)
    else:  # along the elements of these axes in row-major order
        kept = [k for k in range(ndim) if k not in axes]
        rows = flatten(dimshuffle(x, [*kept, *(axes or "x")]), len(kept) + 1)
        result = ArgReduction(name, len(kept))(rows)
    return put_back(result, ndim, axes) if keepdims else result


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


def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Peak to peak: the largest minus the smallest element over ``axis``."""
    a = as_tensor_variable(a)
    return sub(max(a, axis, keepdims), min(a, axis, keepdims))
