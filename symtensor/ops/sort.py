"""Order: `sort`, `argsort`, the k largest or smallest (`topk`), and places in sorted vectors (`searchsorted`).

Everything is stable (of equal elements the first comes first), and a NaN sorts last, as in NumPy. Native code is
a radix sort, and a heap of the k best; rows run in parallel. Complex numbers go through NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, complete_dtype, is_complex, is_integer, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, static_value
from symtensor.ops.create import zeros_like
from symtensor.ops.elementwise import cast
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import put_along_axis, take_along_axis
from symtensor.ops.kernel_text import rows_c, unravel_c
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import Discrete, normalize_axis, shape_of

__all__ = ["ArgSortOp", "SearchsortedOp", "SortOp", "TopKOp", "argsort", "argtopk", "searchsorted", "sort", "topk",
           "topk_and_argtopk"]

_ITEMS = """
#ifndef st_before_{T}
#define st_before_{T} st_before_{T}
typedef struct {{ {T} key; int64_t at; }} st_item_{T};
static inline int st_before_{T}({T} a, {T} b) {{ return {before}; }}
static inline {U} st_key_{T}({T} x) {{ {U} u; memcpy(&u, &x, sizeof u); return {key}; }}
#endif
"""  # guarded, as several supports begin with it

_RADIX = """
/* stable sort of a with room for as many in b; returns the one that holds the result */
static {I} *st_sort_{I}({I} *a, {I} *b, int64_t n) {{
    int64_t count[sizeof({T})][256] = {{0}};
    if (n <= 32) {{
        for (int64_t j = 1; j < n; j++) {{
            const {I} item = a[j];
            int64_t k = j;
            for (; k > 0 && st_before_{T}(item{key}, a[k - 1]{key}); k--) a[k] = a[k - 1];
            a[k] = item;
        }}
        return a;
    }}
    for (int64_t j = 0; j < n; j++) {{
        const uint64_t u = st_key_{T}(a[j]{key});
        for (int p = 0; p < (int)sizeof({T}); p++) count[p][u >> 8 * p & 255]++;
    }}
    for (int p = 0; p < (int)sizeof({T}); p++) {{
        int64_t *const places = count[p], at = 0;
        if (places[st_key_{T}(a[0]{key}) >> 8 * p & 255] == n) continue;
        for (int k = 0; k < 256; k++) {{ const int64_t here = places[k]; places[k] = at; at += here; }}
        for (int64_t j = 0; j < n; j++) b[places[st_key_{T}(a[j]{key}) >> 8 * p & 255]++] = a[j];
        {I} *const other = a; a = b; b = other;
    }}
    return a;
}}
"""

_HEAP = """
static inline int st_better_{T}(st_item_{T} a, st_item_{T} b, int largest) {{
    if (largest ? st_before_{T}(b.key, a.key) : st_before_{T}(a.key, b.key)) return 1;
    return !(largest ? st_before_{T}(a.key, b.key) : st_before_{T}(b.key, a.key)) && a.at < b.at;
}}
/* puts an item at place `at`, or below it, of a heap of k whose root is the worst */
static void st_sift_{T}(st_item_{T} *heap, int64_t at, int64_t k, st_item_{T} item, int largest) {{
    for (int64_t child = 2 * at + 1; child < k; child = 2 * at + 1) {{
        child += child + 1 < k && st_better_{T}(heap[child], heap[child + 1], largest);
        if (!st_better_{T}(item, heap[child], largest)) break;
        heap[at] = heap[child];
        at = child;
    }}
    heap[at] = item;
}}
"""


def _order(dtype: str) -> str:
    """The C functions that tell whether one element comes before another, and which unsigned number orders it."""
    kind, bits = np.dtype(dtype).kind, 8 * np.dtype(dtype).itemsize
    unsigned, sign = f"uint{bits}_t", f"((uint{bits}_t)1 << {bits - 1})"
    key = {"f": f"x != x ? ({unsigned})-1 : x == 0 ? {sign} : u & {sign} ? ({unsigned})~u : u | {sign}",
           "i": f"u ^ {sign}"}.get(kind, "u")
    before = "a < b || (b != b && a == a)" if kind == "f" else "a < b"
    return _ITEMS.format(T=C_TYPES[dtype], U=unsigned, before=before, key=key)


class _Rows(Op):
    """What the ops of this page share: they go along one axis of their first input."""

    __props__: ClassVar[tuple[str, ...] | None] = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def _rows(self, node: Apply, lines: Sequence[str], support: str, places: int = 0) -> Kernel | None:
        """The kernel of ``lines``, for one row each; none for complex numbers. ``places``: it takes room for as many
        elements for each of the output's, with their positions where the output has these."""
        x = node.inputs[0]
        if is_complex(x.type.dtype):
            return None
        head = [f"const int64_t n = IN0_DIM({self.axis});", rows_c(self.axis, x.type.ndim, ("IN0", "OUT0"))]
        count = d.product(dim for k, dim in enumerate(shape_of(x)) if k != self.axis)
        item = np.dtype(x.type.dtype).itemsize + (8 if node.outputs[0].type.dtype != x.type.dtype else 0)

        def room(shapes: Sequence[Sequence[int]], strides: Sequence[Sequence[int]]) -> list[int]:
            return [places * shapes[-1][self.axis] * item + 1]

        return Kernel("\n".join([*head, *lines]), count, _order(x.type.dtype) + support, room=room if places else None)

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: there is no memory to work in."""
        return MemoryError(f"{self}: no memory for a row of {values[0]} elements")


class SortOp(_Rows):
    """The elements along ``axis`` in ascending order (Theano's op, the axis a property)."""

    positions = False

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        return Apply(self, [x], [x.type.clone(dtype="int64" if self.positions else x.type.dtype).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        compute: Any = np.argsort if self.positions else np.sort
        outputs[0][0] = compute(inputs[0], axis=self.axis, kind="stable").astype(node.outputs[0].type.dtype, copy=False)

    def kernel(self, node: Apply) -> Kernel | None:
        ctype = C_TYPES[node.inputs[0].type.dtype]
        item, read, key, part = (f"st_item_{ctype}", f"(st_item_{ctype}){{in0[k * in0_step], k}}", ".key", ".at") \
            if self.positions else (ctype, "in0[k * in0_step]", "", "")
        return self._rows(node, [
            f"{item} *const room = RT->alloc((size_t)(2 * n) * sizeof({item}) + 1);",
            "if (!room) { FAIL(ST_VALUE, n, 0, 0); }",
            f"for (int64_t k = 0; k < n; k++) room[k] = {read};",
            f"const {item} *const sorted = st_sort_{item}(room, room + n, n);",
            f"for (int64_t k = 0; k < n; k++) out0[k * out0_step] = sorted[k]{part};",
            "RT->release(room);",
        ], _RADIX.format(I=item, T=ctype, key=key), places=2)

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        (x,), (g,) = inputs, output_grads
        return [put_along_axis(zeros_like(x, g.type.dtype), ArgSortOp(self.axis)(x), g, self.axis)]


class ArgSortOp(Discrete, SortOp):
    """The int64 positions, along ``axis``, of the elements in ascending order (Theano's op)."""

    positions = True


class TopKOp(Discrete, _Rows):
    """The positions, along ``axis``, of the k largest elements, or of the -k smallest (k < 0), best first.

    Inputs: the tensor, and k as an int64 scalar. ValueError where k is 0 or there are fewer elements.
    """

    __props__ = ("axis", "idx_dtype")

    def __init__(self, axis: int, idx_dtype: str = "int64") -> None:
        super().__init__(axis)
        self.idx_dtype = idx_dtype

    def make_node(self, x: Any, k: Any) -> Apply:
        x, k = as_tensor_variable(x), as_index(k)
        shape, count = [*x.type.shape], static_value(k)
        size = shape[self.axis]
        if count is not None:
            if count == 0 or (size is not None and abs(count) > size):
                raise self.failure(None, "ST_SHAPE", (count, -1 if size is None else size))
            count = abs(count)
        shape[self.axis] = count
        return Apply(self, [x, k], [TensorType(self.idx_dtype, shape).make_variable()])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        if code != "ST_SHAPE":
            return super().failure(node, code, values)
        size = "" if values[1] < 0 else f" has {values[1]} element(s) and"
        return ValueError(f"topk: k = {values[0]} is not possible: axis {self.axis}{size} gives 1 or more, up to all "
                          "its elements; a negative k asks for the smallest")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        size, k = shapes[0][self.axis], node.inputs[1]
        count = d.maximum(k, d.neg(k))
        return [(d.all_of(d.below(0, count), d.at_most(count, size)), "ST_SHAPE", (k, size))]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, k = np.moveaxis(inputs[0], self.axis, -1), int(inputs[1])
        n = x.shape[-1]
        if not 0 < abs(k) <= n:
            raise self.failure(node, "ST_SHAPE", (k, n))
        if k < 0:
            places = np.argsort(x, axis=-1, kind="stable")[..., :-k]
        else:  # the order of the reversed row, reversed: of equal ones the first stays first
            places = n - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1][..., :k]
        outputs[0][0] = np.ascontiguousarray(np.moveaxis(places, -1, self.axis)).astype(self.idx_dtype, copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        k, dims = node.inputs[1], list(shapes[0])
        dims[self.axis] = d.maximum(k, d.neg(k))
        return [tuple(dims)]

    def kernel(self, node: Apply) -> Kernel | None:
        ctype = C_TYPES[node.inputs[0].type.dtype]
        item = f"st_item_{ctype}"
        return self._rows(node, [
            f"const int64_t k = OUT0_DIM({self.axis});",
            "const int largest = IN1() > 0;",
            f"{item} *const heap = RT->alloc((size_t)k * sizeof({item}));",
            "if (!heap) { FAIL(ST_VALUE, k, 0, 0); }",
            f"for (int64_t j = 0; j < k; j++) heap[j] = ({item}){{in0[j * in0_step], j}};",
            f"for (int64_t j = k / 2; j-- > 0;) st_sift_{ctype}(heap, j, k, heap[j], largest);",
            f"for (int64_t j = k; j < n; j++) {{ const {item} item = {{in0[j * in0_step], j}};",
            f"    if (st_better_{ctype}(item, heap[0], largest)) st_sift_{ctype}(heap, 0, k, item, largest); }}",
            "for (int64_t last = k - 1; last >= 0; last--) {",
            f"    const {item} worst = heap[0];",
            f"    st_sift_{ctype}(heap, 0, last, heap[last], largest);",
            "    out0[last * out0_step] = (OUT0_T)worst.at; }",
            "RT->release(heap);",
        ], _HEAP.format(T=ctype), places=1)


def _row_axis(name: str, x: Any, axis: Any) -> tuple[Variable, int]:
    """The tensor and its axis; flattened for None."""
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    return x, normalize_axis(axis, x.type.ndim, name)


def _check_order(name: str, kind: Any, order: Any) -> None:
    if order is not None:
        raise ValueError(f"{name}: order names fields of records, which tensors do not have; leave it None")
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise ValueError(f"{name}: kind is quicksort, mergesort, heapsort or stable, got {kind!r}")


def sort(a: Any, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Variable:
    """The elements in ascending order along ``axis`` (None: of all), in the shape and dtype of ``a`` (Theano's name).

    The order is always stable, whatever ``kind`` says; complex numbers go by real, then imaginary part; NaN comes last.
    ValueError for an axis out of range, or an ``order``, which names fields of records.

    >>> sort([3, 1, 2]).eval()
    array([1, 2, 3])
    """
    _check_order("sort", kind, order)
    x, axis = _row_axis("sort", a, axis)
    result: Variable = SortOp(axis)(x)
    return result


def argsort(a: Any, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Variable:
    """The int64 positions, along ``axis`` (None: in the flattened ``a``), of the elements in ascending order (Theano's
    name). Of equal elements the first comes first; NaN last. ``kind`` and ``order`` as in `sort`.

    >>> argsort([3.0, 1.0, 2.0]).eval()
    array([1, 2, 0])
    """
    _check_order("argsort", kind, order)
    x, axis = _row_axis("argsort", a, axis)
    result: Variable = ArgSortOp(axis)(x)
    return result


def topk_and_argtopk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True,
                     idx_dtype: str = "int64") -> list[Variable]:
    """The ``kth`` largest elements along ``axis`` (None: of all), largest first, and their positions (Theano's name).

    Parameters
    ----------
    kth : an int or integer scalar, not 0. If negative, the smallest elements are given, smallest first.
    sorted : accepted; the result is always sorted. Of equal elements the first comes first; NaN counts as largest.
    idx_dtype : an integer dtype for the positions.

    ValueError, at once where the sizes are known and else at run time, where there are not so many elements.

    >>> [v.eval().tolist() for v in topk_and_argtopk([1, 7, 4, 9], 2)]
    [[9, 7], [3, 1]]
    """
    x, axis = _row_axis("topk", x, axis)
    idx_dtype = complete_dtype(idx_dtype)
    if not is_integer(idx_dtype) or idx_dtype == "bool":
        raise TypeError(f"topk: idx_dtype is an integer dtype, got {idx_dtype}")
    places: Variable = TopKOp(axis, idx_dtype)(x, kth)
    return [take_along_axis(x, places, axis), places]


def topk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: str = "int64") -> Variable:
    """The ``kth`` largest elements along ``axis``; see `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[0]


def argtopk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: str = "int64") -> Variable:
    """The positions of the ``kth`` largest elements along ``axis``; see `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[1]


# -- places in sorted vectors ----------------------------------------------------------------------------------


class SearchsortedOp(Discrete):
    """Where elements would be put into a sorted vector (Theano's op). Inputs of one dtype: the vector, the values."""

    __props__ = ("side",)

    def __init__(self, side: str = "left") -> None:
        if side not in ("left", "right"):
            raise ValueError(f"searchsorted: side is 'left' or 'right', got {side!r}")
        self.side = side

    def make_node(self, x: Any, v: Any) -> Apply:
        x, v = as_tensor_variable(x), as_tensor_variable(v)
        if x.type.ndim != 1:
            raise TypeError(f"searchsorted: the sorted values are a vector, got {x} of type {x.type}")
        dtype = upcast(x.type.dtype, v.type.dtype)
        return Apply(self, [cast(x, dtype), cast(v, dtype)], [v.type.clone(dtype="int64").make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = np.asarray(np.searchsorted(inputs[0], inputs[1], self.side), "int64")  # type: ignore[call-overload]

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1]]

    def kernel(self, node: Apply) -> Kernel | None:
        x, v = node.inputs
        if is_complex(x.type.dtype):
            return None
        names = [f"j{k}" for k in range(v.type.ndim)]
        before = f"st_before_{C_TYPES[x.type.dtype]}"
        after = f"{before}(IN0(middle), value)" if self.side == "left" else f"!{before}(value, IN0(middle))"
        return Kernel(f"""
{unravel_c(names, [f"IN1_DIM({k})" for k in range(len(names))])}
const IN1_T value = IN1({", ".join(names)});
int64_t low = 0, high = IN0_DIM(0);
while (low < high) {{
    const int64_t middle = low + (high - low) / 2;
    if ({after}) low = middle + 1; else high = middle;
}}
OUT0_PTR[i] = low;""".strip(), d.product(shape_of(v)), _order(x.type.dtype))


def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Variable:
    """The int64 positions at which ``v``, of any shape, would be put into the sorted vector ``x`` (Theano's name).

    ``side``: "left" of equal elements, or "right". ``sorter``: positions that sort ``x``, such as its `argsort`.
    NaN belongs at the end. TypeError where ``x`` is no vector.

    >>> searchsorted([1, 2, 2, 3], [2, 9]).eval()
    array([1, 4])
    """
    x = as_tensor_variable(x)
    if sorter is not None:
        sorter = as_tensor_variable(sorter)
        if not is_integer(sorter.type.dtype) or sorter.type.ndim != 1:
            raise TypeError(f"searchsorted: sorter is a vector of positions, got {sorter} of type {sorter.type}")
        x = getitem(x, sorter)
    result: Variable = SearchsortedOp(side)(x, v)
    return result
