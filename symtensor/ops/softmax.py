"""Softmax over one axis, its logarithm, and log-sum-exp: stable for any finite input.

The losses made with them are in `symtensor.ops.crossentropy`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.crossentropy import log_total
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.elementwise import add, cast, isinf, mul, sub, switch
from symtensor.ops.elementwise_math import exp, log
from symtensor.ops.elemwise import upgrade_to_float
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reduce import sum
from symtensor.ops.reduction import Reduction, normalize_axis, put_back
from symtensor.ops.shape import shape_of

__all__ = ["LogSoftmax", "LogSumExp", "Softmax", "SoftmaxGrad", "logsoftmax", "logsumexp", "softmax"]


def _float_input(name: str, x: Any) -> Variable:
    """``x`` as a float tensor; integers become floats as in exp."""
    x = as_tensor_variable(x)
    if is_complex(x.type.dtype):
        raise TypeError(f"{name} is not defined for dtype {x.type.dtype}")
    if is_float(x.type.dtype):
        return x
    return cast(x, upgrade_to_float(x.type.dtype))


class _RowOp(Op):
    """What softmax and log-softmax share: one float input, an output of its type, rows along ``axis``."""

    __props__ = ("axis",)
    may_overwrite = {0: (0,)}

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = _float_input(str(self), x)
        self.at(x.type.ndim)
        return Apply(self, [x], [x.type.clone().make_variable()])

    def at(self, ndim: int) -> int:
        """The axis counted from the front; ValueError where there is none."""
        return normalize_axis(type(self).__name__.lower(), self.axis, ndim)[0]

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def __str__(self) -> str:
        return f"{type(self).__name__}{{axis={self.axis}}}"


def _row_kernel(node: Apply, axis: int, inputs: Sequence[str], loops: str) -> Kernel:
    """A kernel with one row along ``axis`` per iteration.

    ``loops`` is C over ``n`` elements: input ``x`` (named in ``inputs``) is read as ``x[k * step_x]``, the
    output written as ``out[k * step]``. It is emitted twice, with all steps 1 (so that the compiler
    vectorizes) and general.
    """
    ndim = node.outputs[0].type.ndim
    rest = [k for k in range(ndim) if k != axis]
    lines = [f"const int64_t n = IN0_DIM({axis});",
             unravel_c([f"j{k}" for k in rest], [f"IN0_DIM({k})" for k in rest])]
    for number, name in enumerate(inputs):
        offset = " + ".join([f"j{k} * IN{number}_STRIDE({k})" for k in rest]) or "0"
        lines.append(f"const IN{number}_T *{name} = IN{number}_PTR + {offset};")
        lines.append(f"const int64_t step_{name} = IN{number}_STRIDE({axis});")
    after = " * ".join([f"IN0_DIM({k})" for k in range(axis + 1, ndim)]) or "1"
    lines.append(f"const int64_t step = {after};")
    lines.append("OUT0_T *out = OUT0_PTR + (i / step) * step * n + i % step;")
    steps = ["step", *(f"step_{name}" for name in inputs)]
    unit = loops
    for name in steps:
        unit = unit.replace(f" * {name}]", "]")
    lines.append(f"if ({' && '.join(f'{name} == 1' for name in steps)}) {{\n{unit}\n}} else {{\n{loops}\n}}")
    dims = shape_of(node.inputs[0])
    return Kernel("\n".join(line for line in lines if line), d.product([dims[k] for k in rest]))


def _column_kernel(node: Apply, axis: int, inputs: Sequence[str], loops: str) -> Kernel:
    """A kernel for an axis that is not the last: one block of columns per iteration.

    ``loops`` is C with ``EACH`` for the loops over the block, row by row, and elements ``x(k, q)``, ``out(k, q)``.
    It is emitted twice, with the columns of the inputs next to each other and anywhere.
    """
    ndim = node.outputs[0].type.ndim
    before, after = range(axis), range(axis + 1, ndim)
    inner = " * ".join(f"IN0_DIM({k})" for k in after)
    lines = [f"const int64_t n = IN0_DIM({axis}), inner = {inner}, blocks = (inner + {_COLUMNS - 1}) / {_COLUMNS};",
             f"const int64_t first = i % blocks * {_COLUMNS};",
             f"const int64_t w = inner - first < {_COLUMNS} ? inner - first : {_COLUMNS};",
             unravel_c([f"j{k}" for k in before], [f"IN0_DIM({k})" for k in before], "i / blocks"),
             "OUT0_T *out = OUT0_PTR + i / blocks * n * inner + first;"]
    flat = []
    flat_text, general = loops, loops
    for number, name in enumerate(inputs):
        offset = " + ".join([f"j{k} * IN{number}_STRIDE({k})" for k in before]) or "0"
        lines.append(f"const IN{number}_T *{name} = IN{number}_PTR + {offset};")
        lines.append(f"int64_t at_{name}[{_COLUMNS}];")
        flat += [f"IN{number}_STRIDE({k}) == " + (f"IN{number}_DIM({k + 1}) * IN{number}_STRIDE({k + 1})"
                 if k < ndim - 1 else "1") for k in after]
        step = f"IN{number}_STRIDE({axis})"
        flat_text = re.sub(rf"\b{name}\(k, q\)", f"{name}[k * {step} + first + q]", flat_text)
        general = re.sub(rf"\b{name}\(k, q\)", f"{name}[k * {step} + at_{name}[q]]", general)
    ats = [f"at_{name}[q] = " + " + ".join(f"j{k} * IN{number}_STRIDE({k})" for k in after) + ";"
           for number, name in enumerate(inputs)]
    coordinates = unravel_c([f"j{k}" for k in after], [f"IN0_DIM({k})" for k in after], "first + q")
    each = "for (int64_t k = 0; k < n; k++)\n#pragma omp simd\nfor (int64_t q = 0; q < w; q++)"
    texts = [text.replace("out(k, q)", "out[k * inner + q]").replace("EACH", each) for text in (flat_text, general)]
    lines += [f"if ({' && '.join(flat)}) {{", texts[0], "} else {", "for (int64_t q = 0; q < w; q++) {", coordinates,
              *ats, "}", texts[1], "}"]
    dims = shape_of(node.inputs[0])
    blocks = d.int_div(d.add(d.product(dims[axis + 1:]), _COLUMNS - 1), _COLUMNS)
    return Kernel("\n".join(line for line in lines if line), d.mul(d.product(dims[:axis]), blocks))


_COLUMNS = 32

_COLUMN_TOP = """{C} top[32]; double total[32];
for (int64_t q = 0; q < w; q++) {{ top[q] = -INFINITY; total[q] = 0; }}
EACH {{ const {C} v = x(k, q); top[q] = v > top[q] ? v : top[q]; }}
"""

_COLUMN_TOTAL = _COLUMN_TOP + "EACH total[q] += st_exp{f}(({C})x(k, q) - top[q]);\n"

_COLUMN_SOFTMAX = _COLUMN_TOP + """
EACH {{ const {C} e = st_exp{f}(({C})x(k, q) - top[q]); out(k, q) = e; total[q] += e; }}
EACH out(k, q) = out(k, q) / ({C})total[q];"""

_COLUMN_SOFTMAX_HALF = _COLUMN_TOTAL + "EACH out(k, q) = (st_half)(st_expf((float)x(k, q) - top[q]) / (float)total[q]);"

_COLUMN_LOGSOFTMAX = _COLUMN_TOP + """double ties[32] = {{0}};
EACH {{ const {C} d = ({C})x(k, q) - top[q]; total[q] += d == 0 ? 0 : st_exp{f}(d); ties[q] += d == 0; }}
for (int64_t q = 0; q < w; q++) total[q] = st_log1p(total[q] + (ties[q] - 1));
EACH out(k, q) = (OUT0_T)((({C})x(k, q) - top[q]) - ({C})total[q]);"""

_COLUMN_GRAD = """double total[32];
for (int64_t q = 0; q < w; q++) total[q] = 0;
EACH total[q] += (double)dy(k, q) * (double)y(k, q);
EACH out(k, q) = (OUT0_T)((({C})dy(k, q) - ({C})total[q]) * ({C})y(k, q));"""

_TOP = """{C} top = -INFINITY;
#pragma omp simd reduction(max:top)
for (int64_t k = 0; k < n; k++) {{ const {C} v = x[k * step_x]; top = v > top ? v : top; }}
double total = 0;
"""  # a NaN may be passed over here: it makes the total NaN, and so the row

_SOFTMAX = """#pragma omp simd reduction(+:total)
for (int64_t k = 0; k < n; k++) {{
    const {C} e = st_exp{f}(({C})x[k * step_x] - top);
    out[k * step] = e;
    total += e;
}}
const {C} scale = ({C})total;
#pragma omp simd
for (int64_t k = 0; k < n; k++) out[k * step] = out[k * step] / scale;"""

# float16 rounds once: the exponential is computed again instead of being stored between the loops
_SOFTMAX_HALF = """for (int64_t k = 0; k < n; k++) total += st_expf((float)x[k * step_x] - top);
const float scale = (float)total;
for (int64_t k = 0; k < n; k++) out[k * step] = (st_half)(st_expf((float)x[k * step_x] - top) / scale);"""

# The largest elements count apart from the others: what these add may be far below one unit in the last place of 1
_LOGSOFTMAX = """double ties = 0;
#pragma omp simd reduction(+:total, ties)
for (int64_t k = 0; k < n; k++) {{
    const {C} d = ({C})x[k * step_x] - top;
    total += d == 0 ? 0 : st_exp{f}(d);
    ties += d == 0;
}}
const {C} shift = ({C})st_log1p(total + (ties - 1));
#pragma omp simd
for (int64_t k = 0; k < n; k++) out[k * step] = (OUT0_T)((({C})x[k * step_x] - top) - shift);"""

_GRAD = """double total = 0;
#pragma omp simd reduction(+:total)
for (int64_t k = 0; k < n; k++) total += (double)dy[k * step_dy] * (double)y[k * step_y];
const {C} shift = ({C})total;
#pragma omp simd
for (int64_t k = 0; k < n; k++)
    out[k * step] = (OUT0_T)((({C})dy[k * step_dy] - shift) * ({C})y[k * step_y]);"""


def _fill(text: str, dtype: str) -> str:
    double = dtype == "float64"
    return text.format(C="double" if double else "float", f="" if double else "f")


class Softmax(_RowOp):
    """``exp(x) / sum(exp(x))`` along one axis (Theano's Softmax, for any rank): rows that sum to 1."""

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        axis = self.at(x.ndim)
        work = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        with np.errstate(all="ignore"):
            e = np.exp(work - work.max(axis=axis, keepdims=True, initial=-np.inf))
            total = e.sum(axis=axis, keepdims=True, dtype=np.float64).astype(e.dtype)
            outputs[0][0] = (e / total).astype(x.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [SoftmaxGrad(self.axis)(output_grads[0], outputs[0])]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None if tangents[0] is None else SoftmaxGrad(self.axis)(tangents[0], self(inputs[0]))]

    def kernel(self, node: Apply) -> Kernel:
        dtype = node.inputs[0].type.dtype
        axis = self.at(node.inputs[0].type.ndim)
        if axis < node.inputs[0].type.ndim - 1:
            text = _COLUMN_SOFTMAX_HALF if dtype == "float16" else _COLUMN_SOFTMAX
            return _column_kernel(node, axis, ["x"], _fill(text, dtype))
        loops = _SOFTMAX_HALF if dtype == "float16" else _fill(_SOFTMAX, dtype)
        return _row_kernel(node, axis, ["x"], _fill(_TOP, dtype) + loops)


class LogSoftmax(_RowOp):
    """``log(softmax(x))`` along one axis, computed as ``x - max - log1p(sum of exp(x - max) of all but the largest)``:
    no digits are lost, also where one element dominates."""

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        axis = self.at(x.ndim)
        work = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        with np.errstate(all="ignore"):
            shifted = work - work.max(axis=axis, keepdims=True, initial=-np.inf)
            outputs[0][0] = (shifted - log_total(shifted, axis)).astype(x.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (y,), (g,) = outputs, output_grads
        return [sub(g, mul(sum(g, self.axis, keepdims=True), exp(y)))]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        t = tangents[0]
        if t is None:
            return [None]
        return [sub(t, sum(mul(t, Softmax(self.axis)(inputs[0])), self.axis, keepdims=True))]

    def kernel(self, node: Apply) -> Kernel:
        x = node.inputs[0].type
        axis = self.at(x.ndim)
        if axis < x.ndim - 1:
            return _column_kernel(node, axis, ["x"], _fill(_COLUMN_LOGSOFTMAX, x.dtype))
        return _row_kernel(node, axis, ["x"], _fill(_TOP + _LOGSOFTMAX, x.dtype))


class SoftmaxGrad(_RowOp):
    """``(dy - sum(dy * y)) * y`` along one axis: the gradient of the softmax ``y`` (Theano's name).

    Inputs ``(dy, y)`` of one shape; the output has the type of ``y``.
    """

    may_overwrite = {0: (0, 1)}

    def make_node(self, dy: Any, y: Any) -> Apply:  # type: ignore[override]
        y = _float_input("SoftmaxGrad", y)
        dy = as_tensor_variable(dy)
        if dy.type.ndim != y.type.ndim:
            raise TypeError(f"SoftmaxGrad: ranks differ: {dy} of type {dy.type}, {y} of type {y.type}")
        self.at(y.type.ndim)
        shape = [b if a is None else a for a, b in zip(dy.type.shape, y.type.shape)]
        if dy.type.dtype != y.type.dtype:
            dy = cast(dy, y.type.dtype)
        return Apply(self, [dy, y], [TensorType(y.type.dtype, shape, y.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        dy, y = inputs
        if dy.shape != y.shape:
            raise ValueError(f"SoftmaxGrad: shapes {dy.shape} and {y.shape} differ")
        with np.errstate(all="ignore"):
            product = np.multiply(dy, y, dtype=np.float64)
            total = product.sum(axis=self.at(y.ndim), keepdims=True)
            work = np.result_type(y.dtype, np.float32)
            result = (dy - total.astype(work)) * y.astype(work, copy=False)
            outputs[0][0] = np.asarray(result).astype(y.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (dy, y), (h,) = inputs, output_grads
        product = mul(h, y)
        of_y = sub(mul(h, sub(dy, sum(mul(dy, y), self.axis, keepdims=True))),
                   mul(dy, sum(product, self.axis, keepdims=True)))
        return [SoftmaxGrad(self.axis)(h, y), of_y]

    def kernel(self, node: Apply) -> Kernel:
        y = node.inputs[1].type
        axis = self.at(y.ndim)
        make, text = (_column_kernel, _COLUMN_GRAD) if axis < y.ndim - 1 else (_row_kernel, _GRAD)
        return make(node, axis, ["dy", "y"], _fill(text, y.dtype))

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        return [(d.equal(a, b), "ST_SHAPE", (int64_constant(axis), a, b))
                for axis, (a, b) in enumerate(zip(*shapes[:2]))]


class LogSumExp(Op):
    """``log(sum(exp(x)))`` over some axes, stable; it stays one node until lowering.

    ``axis`` holds the sorted axes that vanish, None all of them.
    """

    __props__ = ("axis",)

    def __init__(self, axis: Sequence[int] | None = None) -> None:
        self.axis = None if axis is None else tuple(sorted(axis))

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that vanish from an input of this rank."""
        return normalize_axis("logsumexp", self.axis, ndim)

    def make_node(self, x: Any) -> Apply:
        x = _float_input("logsumexp", x)
        axes = self.axes(x.type.ndim)
        shape = [dim for axis, dim in enumerate(x.type.shape) if axis not in axes]
        return Apply(self, [x], [TensorType(x.type.dtype, shape, x.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        with np.errstate(all="ignore"):
            result = np.logaddexp.reduce(x, axis=self.axes(x.ndim), dtype=np.float64, initial=-np.inf)
        outputs[0][0] = np.asarray(result).astype(x.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        axes = self.axes(len(shapes[0]))
        return [tuple(dim for axis, dim in enumerate(shapes[0]) if axis not in axes)]

    def expand(self, x: Variable) -> Variable:
        """The spelling: an infinite maximum is not subtracted, so that its rows stay inf or -inf."""
        axes = self.axes(x.type.ndim)
        top = put_back(Reduction("peak", axes)(x), x.type.ndim, axes)
        zero = as_tensor_variable(np.zeros((), x.type.dtype))
        shift = switch(isinf(top), zero, top)
        total = sum(exp(sub(x, shift)), axes)
        kept: list[int | str] = [axis for axis in range(x.type.ndim) if axis not in axes]
        return add(log(total), dimshuffle(shift, kept))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (x,), ndim = inputs, inputs[0].type.ndim
        axes = self.axes(ndim)
        return [mul(put_back(output_grads[0], ndim, axes), exp(sub(x, put_back(outputs[0], ndim, axes))))]


def softmax(c: Any, axis: int | None = None) -> Variable:
    """The softmax of ``c`` along ``axis``.

    Without ``axis`` it is Theano's ``T.nnet.softmax``: along the last axis, and a vector gives a row (a 1 x n
    matrix); with ``axis`` the shape is always that of ``c``. Integers become floats.

    >>> from symtensor import tensor as T
    >>> softmax(T.fmatrix()).type
    TensorType(float32, matrix)
    """
    c = as_tensor_variable(c)
    if axis is None and c.type.ndim == 1:
        c = pad_left(c, 2)
    result: Variable = Softmax(-1 if axis is None else axis)(c)
    return result


def logsoftmax(c: Any, axis: int | None = None) -> Variable:
    """The logarithm of `softmax`, without its rounding; shapes as there."""
    c = as_tensor_variable(c)
    if axis is None and c.type.ndim == 1:
        c = pad_left(c, 2)
    result: Variable = LogSoftmax(-1 if axis is None else axis)(c)
    return result


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """``log(sum(exp(x), axis))`` without overflow; -inf for no elements. Axes as in `sum`."""
    x = as_tensor_variable(x)
    axes = normalize_axis("logsumexp", axis, x.type.ndim)
    result: Variable = LogSumExp(None if len(axes) == x.type.ndim else axes)(x)
    return put_back(result, x.type.ndim, axes) if keepdims else result
