"""Counting and choosing by integers: `bincount`, one-hot rows, `choose`, flat positions; and sets (`unique`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, complete_dtype, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, constant
from symtensor.ops.create import alloc, arange, zeros, zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, and_, cast, clip, eq, int_div, mod, mul, neq, switch
from symtensor.ops.elementwise import invert as _not
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import take_along_axis
from symtensor.ops.index_set import inc_subtensor, set_subtensor
from symtensor.ops.join import concatenate, join
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reduce import max as max_
from symtensor.ops.reshape import flatten, reshape, shape_padright
from symtensor.ops.shape import Discrete, SpecifyShape, broadcast_shape, normalize_axis, shape_dims, shape_i, shape_of
from symtensor.ops.sort import searchsorted, sort

__all__ = ["InRange", "Unique", "bincount", "choose", "intersect1d", "isin", "ravel_multi_index",
           "setdiff1d", "to_one_hot", "union1d", "unique", "unravel_index"]


class InRange(Discrete):
    """Integers as int64, checked to be at least 0 and below the second input, an int64 scalar; ``what`` says in errors
    what they are for."""

    __props__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def make_node(self, x: Any, bound: Any) -> Apply:
        x, bound = as_tensor_variable(x), as_index(bound)
        if not is_integer(x.type.dtype):
            raise TypeError(f"{self.what}: integers are expected, got {x} of type {x.type}")
        if isinstance(x, Constant) and isinstance(bound, Constant):
            self._check(x.data, int(bound.data))
        return Apply(self, [x, bound], [x.type.clone(dtype="int64").make_variable()])

    def _check(self, x: Any, bound: int) -> None:
        bad = (x < 0) | (x >= bound)
        if bad.any():
            raise self.failure(None, "ST_INDEX", (int(np.asarray(x)[bad].flat[0]), bound))

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for an integer out of range."""
        if values[0] < 0:
            return ValueError(f"{self.what}: {values[0]} is negative; give numbers >= 0")
        return ValueError(f"{self.what}: {values[0]} is out of range; give numbers from 0 to {values[1] - 1}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        self._check(inputs[0], int(inputs[1]))
        outputs[0][0] = np.array(inputs[0], "int64")

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def kernel(self, node: Apply) -> Kernel:
        x = node.inputs[0]
        names = [f"j{k}" for k in range(x.type.ndim)]
        return Kernel(f"""
{unravel_c(names, [f"IN0_DIM({k})" for k in range(len(names))])}
const int64_t value = (int64_t)IN0({", ".join(names)});
if (value < 0 || value >= IN1()) {{ FAIL(ST_INDEX, value, IN1(), 0); }}
OUT0_PTR[i] = value;""".strip(), d.product(shape_of(x)))


def _in_range(what: str, x: Any, bound: Any, mode: str = "raise") -> Variable:
    """Integers in [0, bound), by raising an error, wrapping round or clipping."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"{what}: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode == "raise":
        checked: Variable = InRange(what)(x, bound)
        return checked
    x = cast(as_tensor_variable(x), "int64")
    return mod(x, bound) if mode == "wrap" else clip(x, 0, d.sub(as_index(bound), 1))


# -- counting and choosing -----------------------------------------------------------------------------------------


def bincount(x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False) -> Variable:
    """How often each number from 0 to the largest occurs in the integer vector ``x``, int64 (Theano's name).

    With ``weights``, a vector as long, their sums instead, in their dtype. The result has ``minlength`` elements at
    least. ValueError at run time for a negative number (``assert_nonneg`` is always on).

    >>> bincount([1, 1, 3]).eval()
    array([0, 2, 0, 1])
    """
    x = as_tensor_variable(x)
    if x.type.ndim != 1 or not is_integer(x.type.dtype):
        raise TypeError(f"bincount: a vector of integers is expected, got {x} of type {x.type}")
    places = _in_range("bincount", x, np.iinfo("int64").max)
    low = -1 if minlength is None else d.sub(as_index(minlength), 1)
    largest = max_(join(0, places, shape_padright(d.maximum(low, -1))))
    one = constant(1, dtype="int64") if weights is None else as_tensor_variable(weights)
    if one.type.ndim != (weights is not None):
        raise TypeError(f"bincount: the weights are a vector as long as x, got {one} of type {one.type}")
    if weights is not None:  # one weight alone would be broadcast
        one = SpecifyShape([0], "bincount: the weights, as many as there are numbers")(one, shape_i(x, 0))
    return inc_subtensor(getitem(zeros(d.add(largest, 1), one.type.dtype), places), one)


def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> Variable:
    """A matrix whose row k has a one at column ``y[k]``, zeros elsewhere; floatX by default (Theano's name).

    ``y`` is an integer vector. ValueError at run time for entries outside [0, nb_class).

    >>> to_one_hot([1, 0], 3).eval().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    y = as_tensor_variable(y)
    if y.type.ndim != 1:
        raise TypeError(f"to_one_hot: a vector of integers is expected, got {y} of type {y.type}")
    columns = as_index(nb_class)
    return cast(eq(shape_padright(_in_range("to_one_hot", y, columns)), arange(columns)),
                complete_dtype(dtype or config.floatX))


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Variable:
    """At each position the element of ``choices[a]`` there: all are broadcast together (Theano's name).

    Parameters
    ----------
    a : integers.
    choices : a list of tensors, or a tensor whose first dimension counts them.
    out : None; there is no place to write to.
    mode : what a number out of range does: "raise" a ValueError, "wrap" round, or "clip" to the nearest.

    >>> choose([0, 1], [[10, 20], [30, 40]]).eval()
    array([10, 40])
    """
    if out is not None:
        raise TypeError("choose: out must be None; results are new tensors")
    if not isinstance(choices, (list, tuple)):
        choices = as_tensor_variable(choices)
        if choices.type.shape[0] is None:
            return _choose_rows(as_tensor_variable(a), choices, mode)
        choices = [getitem(choices, k) for k in range(choices.type.shape[0])]
    if not choices:
        raise ValueError("choose: there is nothing to choose from")
    place = _in_range("choose", a, len(choices), mode)
    result = as_tensor_variable(choices[0])
    for k, choice in enumerate(choices[1:], 1):
        result = switch(eq(place, k), choice, result)
    return switch(eq(place, 0), result, result) if len(choices) == 1 else result


def _choose_rows(a: Variable, choices: Variable, mode: str) -> Variable:
    count = shape_i(choices, 0)
    shape = broadcast_shape(shape_of(a), shape_of(choices)[1:])
    missing = len(shape) - (choices.type.ndim - 1)
    rows = alloc(dimshuffle(choices, 0, *["x"] * missing, *range(1, choices.type.ndim)), count, *shape)
    places = alloc(_in_range("choose", a, count, mode), 1, *shape)
    return getitem(take_along_axis(rows, places, 0), 0)


def _dims(name: str, dims: Any, order: str, ndim: int | None = None) -> tuple[Dims, list[Variable]]:
    """Dimensions, and how far apart neighbours along each are."""
    if order not in ("C", "F"):
        raise ValueError(f"{name}: order is 'C' or 'F', got {order!r}")
    sizes = shape_dims(dims, name, ndim)
    steps = [d.product(sizes[k + 1:] if order == "C" else sizes[:k]) for k in range(len(sizes))]
    return sizes, steps


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Variable:
    """The positions in a flattened tensor of shape ``dims`` of elements given by an index for each dimension (Theano's
    and NumPy's name). int64.

    ``multi_index`` is a tuple of integer tensors or a tensor of them; ``mode`` ("raise", "wrap", "clip") may be one for
    each. ``order`` is "C" (rows) or "F" (columns). ValueError for an index out of range.
    """
    sizes, steps = _dims("ravel_multi_index", dims, order)
    if not isinstance(multi_index, (tuple, list)):
        multi_index = [getitem(as_tensor_variable(multi_index), k) for k in range(len(sizes))]
    modes = mode if isinstance(mode, (tuple, list)) else [mode] * len(sizes)
    if len(multi_index) != len(sizes) or len(modes) != len(sizes):
        raise ValueError(f"ravel_multi_index: {len(multi_index)} indices and {len(modes)} modes for {len(sizes)} "
                         "dimension(s); give one for each")
    terms = [mul(_in_range("ravel_multi_index", index, size, how), step)
             for index, size, how, step in zip(multi_index, sizes, modes, steps, strict=True)]
    return add(*terms) if len(terms) > 1 else terms[0]


def unravel_index(indices: Any, dims: Any, order: str = "C", ndim: int | None = None) -> tuple[Variable, ...]:
    """For positions in a flattened tensor of shape ``dims`` the int64 index for each dimension, as a tuple (Theano's
    and NumPy's name). ``ndim`` is the length of a vector ``dims`` of unknown length.

    ValueError for positions out of range, when known or at run time.

    >>> [int(v.eval()) for v in unravel_index(5, (2, 3))]
    [1, 2]
    """
    sizes, steps = _dims("unravel_index", dims, order, ndim)
    places = _in_range("unravel_index", indices, d.product(sizes))
    return tuple(mod(int_div(places, step), size) for size, step in zip(sizes, steps, strict=True))


# -- sets ------------------------------------------------------------------------------------------------------------


class Unique(Op):
    """The sorted different elements, or slices along ``axis`` (Theano's op). Further outputs, where asked for: where
    each occurs first, which of them each element is (a vector), and how often each occurs; int64."""

    __props__ = ("return_index", "return_inverse", "return_counts", "axis")
    without = {"infer_shape": "the number of different elements depends on their values", "native": "a host call"}

    def __init__(self, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
                 axis: int | None = None) -> None:
        self.return_index = bool(return_index)
        self.return_inverse = bool(return_inverse)
        self.return_counts = bool(return_counts)
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        shape: list[int | None] = [None]
        if self.axis is not None:
            shape = [*x.type.shape]
            shape[normalize_axis(self.axis, x.type.ndim, "unique")] = None
        outputs = [TensorType(x.type.dtype, shape)]
        outputs += [TensorType("int64", (None,))] * (self.return_index + self.return_inverse + self.return_counts)
        return Apply(self, [x], [kind.make_variable() for kind in outputs])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        numpy: Any = np  # its stubs know literal flags alone
        found = numpy.unique(inputs[0], self.return_index, self.return_inverse, self.return_counts, self.axis)
        values, *counts = found if isinstance(found, tuple) else (found,)
        for storage, value in zip(outputs, [values, *(np.asarray(n, "int64").ravel() for n in counts)], strict=True):
            storage[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True] + [False] * (len(node.outputs) - 1)]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (x,), g = inputs, output_grads[0]
        first = Unique(True, axis=self.axis)(x)[1]
        if self.axis is None:  # the gradient goes to where an element occurs first
            blank = zeros_like(flatten(x), g.type.dtype)
            return [reshape(set_subtensor(getitem(blank, first), g), shape_of(x))]
        before = (slice(None),) * normalize_axis(self.axis, x.type.ndim, "unique")
        return [set_subtensor(getitem(zeros_like(x, g.type.dtype), (*before, first)), g)]


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: int | None = None) -> Any:
    """The different elements of ``ar``, sorted, as NumPy's ``unique``; slices along ``axis`` where one is given.

    With flags a list: the elements; the int64 positions (in the flattened ``ar``) where each occurs first; for each
    element of ``ar``, in its shape, which of them it is; how often each occurs. The length depends on the data.

    >>> unique([3, 1, 3]).eval()
    array([1, 3])
    """
    x = as_tensor_variable(ar)
    found: Any = Unique(return_index, return_inverse, return_counts, axis)(x)
    if return_inverse and axis is None:
        at = 1 + return_index
        found[at] = reshape(found[at], shape_of(x)) if x.type.ndim != 1 else found[at]
    return found


def isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Variable:
    """Whether each element of ``element`` occurs in ``test_elements``, as bool; not, where ``invert``. NaN is in
    none."""
    element, known = as_tensor_variable(element), sort(test_elements, axis=None)
    found = neq(searchsorted(known, element, "right"), searchsorted(known, element, "left"))
    if not is_integer(element.type.dtype):
        found = and_(found, eq(element, element))
    return _not(found) if invert else found


def union1d(ar1: Any, ar2: Any) -> Variable:
    """The sorted different elements of both tensors."""
    both: Variable = unique(concatenate([flatten(ar1), flatten(ar2)]))
    return both


def intersect1d(ar1: Any, ar2: Any) -> Variable:
    """The sorted different elements that occur in both tensors."""
    first = unique(ar1)
    return getitem(first, isin(first, ar2))


def setdiff1d(ar1: Any, ar2: Any) -> Variable:
    """The sorted different elements of the first tensor that do not occur in the second."""
    first = unique(ar1)
    return getitem(first, isin(first, ar2, invert=True))
