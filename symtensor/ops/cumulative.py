"""Running sums and products (`CumOp`), and differences of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import complete_dtype, is_complex, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.arrange import flip
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import cast, mul, neq, sub
from symtensor.ops.elementwise_complex import conj
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.index import getitem
from symtensor.ops.join import join
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reduction import wide
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import normalize_axis, shape_of

__all__ = ["CumOp", "cumprod", "cumsum", "diff"]

_COLUMNS = 16


class CumOp(Op):
    """Running results along ``axis`` (Theano's op, whose modes are add and mul).

    ``mode`` "add": sums, and "mul": products, of the one input. "linear": with a second input ``a``, which is one
    shorter along the axis, ``y[k] = a[k - 1] * y[k - 1] + x[k]``; gradients of products are such recurrences, and
    right where elements are 0. float16 and float32 are accumulated in float64.
    """

    __props__ = ("axis", "mode")

    def __init__(self, axis: int = 0, mode: str = "add") -> None:
        if mode not in ("add", "mul", "linear"):
            raise ValueError(f"CumOp: mode is add, mul or linear, got {mode!r}")
        self.axis = int(axis)
        self.mode = mode

    def make_node(self, *inputs: Any) -> Apply:
        variables = [as_tensor_variable(value) for value in inputs]
        x = variables[0]
        if len(variables) != 1 + (self.mode == "linear") or len({v.type.ndim for v in variables}) > 1:
            raise TypeError(f"{self}: wrong inputs {', '.join(str(v.type) for v in variables)}")
        if not 0 <= self.axis < x.type.ndim:
            raise ValueError(f"{self}: {x} of type {x.type} has no axis {self.axis}")
        dtype = wide(x.type.dtype) if is_integer(x.type.dtype) else x.type.dtype
        return Apply(self, variables, [x.type.clone(dtype=dtype).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, dtype = inputs[0], node.outputs[0].type.dtype
        with np.errstate(all="ignore"):
            if self.mode == "linear":
                rows = np.moveaxis(x.astype(wide(dtype)), self.axis, 0)
                factors = np.moveaxis(inputs[1], self.axis, 0)
                for k in range(1, len(rows)):
                    rows[k] += factors[k - 1] * rows[k - 1]
                result = np.moveaxis(rows, 0, self.axis)
            else:
                compute = np.cumsum if self.mode == "add" else np.cumprod
                result = compute(x, axis=self.axis, dtype=wide(dtype))
            outputs[0][0] = np.ascontiguousarray(result.astype(dtype, copy=False))

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def kernel(self, node: Apply) -> Kernel:
        """One iteration runs down a block of neighbouring columns; of the last axis, one row."""
        ndim, axis = node.inputs[0].type.ndim, self.axis
        dims = [f"OUT0_DIM({k})" for k in range(ndim)]
        names = [f"j{k}" for k in range(ndim)]
        total = C_TYPES[wide(node.outputs[0].type.dtype)]
        places = range(len(node.inputs))
        starts = [f"from{m}[q] = {' + '.join(f'j{k} * IN{m}_STRIDE({k})' for k in range(ndim) if k != axis) or '0'};"
                  for m in places]
        value, step = (f"IN{m}_PTR[from{m}[q] + {at} * IN{m}_STRIDE({axis})]" for m, at in ((0, "k"), (1, "(k - 1)")))
        joined = {"add": f"total[q] + ({total}){value}", "mul": f"total[q] * ({total}){value}",
                  "linear": f"(k ? total[q] * ({total}){step} : 0) + ({total}){value}"}[self.mode]
        each = "for (int64_t k = 0; k < n; k++)"
        store = f"{{ total[q] = {joined}; out[k * inner + q] = (OUT0_T)total[q]; }}"
        after = dims[axis + 1:]
        lines = [f"const int64_t n = {dims[axis]}, inner = {' * '.join(after) or '1'};",
                 f"const int64_t blocks = st_blocks(inner, {_COLUMNS}), first = i % blocks * {_COLUMNS};",
                 f"const int64_t w = st_least(inner - first, {_COLUMNS});",
                 unravel_c(names[:axis], dims[:axis], "i / blocks"),
                 "OUT0_T *out = OUT0_PTR + i / blocks * n * inner + first;",
                 f"{total} total[{_COLUMNS}]; int64_t {', '.join(f'from{m}[{_COLUMNS}]' for m in places)};",
                 "for (int64_t q = 0; q < w; q++) {",
                 unravel_c(names[axis + 1:], after, "first + q"), *starts,
                 f"total[q] = {int(self.mode == 'mul')};", "}",
                 f"if (inner == 1) {{ enum {{ q = 0 }}; {each} {store} }}",
                 f"else {each} for (int64_t q = 0; q < w; q++) {store}"]
        shape = shape_of(node.outputs[0])
        width = d.int_div(d.add(d.product(shape[axis + 1:]), _COLUMNS - 1), _COLUMNS)
        return Kernel("\n".join(line for line in lines if line), d.product([*shape[:axis], width]))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (y,), (g,) = outputs, output_grads
        if self.mode == "add":
            return [flip(CumOp(self.axis)(flip(g, self.axis)), self.axis)]
        linear, axis = CumOp(self.axis, "linear"), self.axis
        factors = self._part(inputs[0], 1, None) if self.mode == "mul" else inputs[1]
        back = flip(linear(flip(g, axis), flip(_conj(factors), axis)), axis)
        before, later = _conj(self._part(y, None, -1)), self._part(back, 1, None)
        if self.mode == "linear":
            return [back, mul(later, before)]
        return [join(axis, self._part(back, None, 1), mul(later, before))]

    def _part(self, x: Variable, start: int | None, stop: int | None) -> Variable:
        return getitem(x, (*(slice(None),) * self.axis, slice(start, stop)))


def _conj(x: Variable) -> Variable:
    result: Variable = conj(x) if is_complex(x.type.dtype) else x
    return result


def _cumulative(name: str, mode: str, x: Any, axis: Any, dtype: Any) -> Variable:
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    if dtype is not None:
        x = cast(x, complete_dtype(dtype))
    result: Variable = CumOp(normalize_axis(axis, x.type.ndim, name), mode)(x)
    return result if dtype is None else cast(result, complete_dtype(dtype))


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Variable:
    """The running sums along ``axis``, in the shape of ``x``; None: a vector, of the flattened ``x`` (Theano's name).

    Integers and bool give int64 or uint64, as in NumPy, unless ``dtype`` says otherwise; float32 is accumulated in
    float64. ValueError for an axis out of range.

    >>> cumsum([1, 2, 3]).eval()
    array([1, 3, 6])
    """
    return _cumulative("cumsum", "add", x, axis, dtype)


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Variable:
    """The running products of ``x`` along ``axis``; shape, dtypes and errors as for `cumsum` (Theano's name).

    All its derivatives are right where elements are 0.
    """
    return _cumulative("cumprod", "mul", x, axis, dtype)


def diff(x: Any, n: int = 1, axis: int = -1) -> Variable:
    """The differences of neighbours along ``axis``, taken ``n`` times (Theano's name); of bools whether they differ.

    >>> diff([1, 4, 9]).eval()
    array([3, 5])
    """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim, "diff")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"diff: n says how often, 0 or more, got {n!r}")
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = getitem(x, (*before, slice(1, None))), getitem(x, (*before, slice(None, -1)))
        x = neq(later, earlier) if x.type.dtype == "bool" else sub(later, earlier)
    return x
