"""Random shapes and keys against NumPy: reading, setting, increasing and their gradients; and broadcasting of pairs."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest
from graphs import evaluate, variable_like
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symtensor
from symtensor import tensor as T
from symtensor.graph.variable import Variable

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
slow = pytest.mark.skipif(not os.environ.get("SYMTENSOR_TEST_FULL"), reason="slow: for python3 dev.py test-full")
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


class Symbol:
    """An item of a key that the graph has as an input."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Symbol({self.value!r})"


def values_of(item):
    """The item as NumPy takes it."""
    if isinstance(item, slice):
        return slice(*(values_of(part) for part in (item.start, item.stop, item.step)))
    if isinstance(item, Symbol):
        return item.value if item.value.ndim or item.value.dtype == bool else int(item.value)
    return item


class Inputs(dict):
    """Variables of a graph with their values."""

    def add(self, array: np.ndarray, static: bool = False) -> Variable:
        variable = variable_like(array, f"v{len(self)}", static)
        self[variable] = array
        return variable

    def key(self, key):
        """The key with variables in it."""
        def made(item):
            if isinstance(item, slice):
                return slice(*(made(part) for part in (item.start, item.stop, item.step)))
            return self.add(item.value) if isinstance(item, Symbol) else item

        return tuple(made(item) for item in key)


@st.composite
def numbers(draw, low, high):
    """An integer: of Python, of NumPy, or symbolic."""
    number = draw(st.integers(low, high))
    kind = draw(st.sampled_from(("python", "python", "numpy", "symbol")))
    if kind == "python":
        return number
    dtype = draw(st.sampled_from(INTEGERS if number >= 0 else INTEGERS[:4]))
    return np.dtype(dtype).type(number) if kind == "numpy" else Symbol(np.array(number, dtype))


@st.composite
def slices(draw):
    part = st.none() | numbers(-6, 6)
    return slice(draw(part), draw(part), draw(st.none() | numbers(-3, 3).filter(lambda step: values_of(step) != 0)))


@st.composite
def keys(draw, shape, wrong=True):
    """A key of a tensor of this shape, and whether an index is out of range, as at times with ``wrong``."""
    common = draw(st.lists(st.integers(0, 3), max_size=2))  # the shape that the index arrays broadcast to
    items, axis, dots, bad = [], 0, False, False
    for _ in range(draw(st.integers(0, len(shape) + 3))):
        kind = draw(st.sampled_from(("slice", "slice", "number", "array", "array", "mask", "new", "dots", "bool")))
        left = len(shape) - axis
        if kind == "new":
            items.append(None)
        elif kind == "bool":
            value = draw(st.booleans())
            items.append(Symbol(np.array(value)) if draw(st.booleans()) else value)
        elif kind == "dots" and not dots:
            items.append(Ellipsis)
            skipped = draw(st.integers(0, left))
            axis, dots = axis + skipped, True
        elif kind == "slice" and left:
            items.append(draw(slices()))
            axis += 1
        elif kind in ("number", "array") and left and (shape[axis] or wrong):
            n = shape[axis]
            low, high = (-n - 1, n) if wrong and draw(st.integers(0, 9)) == 0 else (-n, n - 1)
            low, high = (low, high) if low <= high else (0, 0)
            if kind == "number":
                items.append(draw(numbers(low, high)))
                bad |= not -n <= values_of(items[-1]) < n
            else:
                own = [draw(st.sampled_from((dim, 1))) for dim in common[draw(st.integers(0, len(common))):]]
                count = int(np.prod(own, dtype=int))
                array = np.array(draw(st.lists(st.integers(low, high), min_size=count, max_size=count)), int)
                bad |= bool(((array < -n) | (array >= n)).any())
                array = array.reshape(own).astype(draw(st.sampled_from(INTEGERS if low >= 0 else INTEGERS[:4])))
                form = draw(st.sampled_from(("array", "list", "symbol")))
                items.append(Symbol(array) if form == "symbol" else array.tolist() if form == "list" else array)
            axis += 1
        elif kind == "mask" and left:
            rank = draw(st.integers(1, min(2, left)))
            own = list(shape[axis:axis + rank])
            if wrong and draw(st.integers(0, 19)) == 0:
                own[0] += 1
            count = int(np.prod(own, dtype=int))
            mask = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool).reshape(own)
            items.append(Symbol(mask) if draw(st.booleans()) else mask)
            axis += rank
    rest = [slice(None)] * (len(shape) - axis) if dots else []  # so that the ellipsis is what was skipped
    return (*items, *rest), bad


@st.composite
def uses(draw, wrong=True):
    """A tensor, a key, and a value that broadcasts to the part (None where NumPy refuses the key)."""
    shape = draw(shapes)
    key, bad = draw(keys(shape, wrong))
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    try:
        part = np.asarray(x[tuple(map(values_of, key))])
    except IndexError:
        return x, key, None
    if bad:  # of a part without elements NumPy does not look at the indices
        return x, key, None
    own = [draw(st.sampled_from((dim, dim, 1))) for dim in part.shape[draw(st.integers(0, part.ndim)):]]
    return x, key, np.arange(-7.0, 3 * np.prod(own) - 7, 3).reshape(own)


def references(x, key, y):
    """What NumPy says: the part, set, increased, and the gradients by x and y of sums weighted by ``weights``."""
    key = tuple(map(values_of, key))
    part = np.asarray(x[key])
    put, added, gx, gx_set = x.copy(), x.copy(), np.zeros_like(x), weights(x)
    put[key] = y
    np.add.at(added, key, y)
    np.add.at(gx, key, weights(part))
    gx_set[key] = 0
    gy = np.asarray(weights(x)[key])
    gy = gy.sum(axis=tuple(range(gy.ndim - y.ndim)))
    gy = gy.sum(axis=tuple(k for k in range(y.ndim) if y.shape[k] == 1), keepdims=True).reshape(y.shape)
    return [part, put, added, gx, gx_set, gy]


def weights(x):
    return (np.arange(np.size(x)) % 7 - 3.0).reshape(np.shape(x))


def built(x, array, key, y, part):
    """Graphs of what `references` gives."""
    read = x[key]
    put, added = T.set_subtensor(read, y), T.inc_subtensor(read, y)
    over = T.constant(weights(np.zeros(part.shape)))
    whole = T.constant(weights(array))
    grads = [symtensor.grad((read * over).sum(), x), *symtensor.grad((put * whole).sum(), [x, y])]
    return [read, put, added, grads[0], grads[1], symtensor.grad((added * whole).sum(), y)]


@settings(max_examples=300, deadline=None, suppress_health_check=UNHURRIED)
@given(uses(), st.booleans())
def test_keys_against_numpy(use, static):
    check_use(use, static)


@slow
@settings(max_examples=3000, deadline=None, suppress_health_check=UNHURRIED)
@given(uses(), st.booleans())
def test_many_keys_against_numpy(use, static):
    check_use(use, static)


def check_use(use, static):
    array, key, value = use
    inputs = Inputs()
    x = inputs.add(array, static)
    if value is None:
        with pytest.raises(IndexError):
            evaluate([x[inputs.key(key)]], inputs)
        return
    wanted = references(array, key, value)
    outputs = built(x, array, inputs.key(key), inputs.add(value, static), wanted[0])
    for found, want in zip(evaluate(outputs, inputs), wanted, strict=True):
        np.testing.assert_array_equal(found, want)


@pytest.mark.compiler
@settings(max_examples=2, deadline=None, suppress_health_check=UNHURRIED)
@given(st.lists(uses(wrong=False).filter(lambda use: use[2] is not None), min_size=8, max_size=8))
def test_keys_in_native_code(uses):
    check_native_uses(uses)


@slow
@pytest.mark.compiler
@settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
@given(st.lists(uses(wrong=False).filter(lambda use: use[2] is not None), min_size=16, max_size=16))
def test_many_keys_in_native_code(uses):
    check_native_uses(uses)


def check_native_uses(uses):
    inputs, outputs, wanted = Inputs(), [], []
    for array, key, value in uses:
        x = inputs.add(array)
        want = references(array, key, value)
        outputs += built(x, array, inputs.key(key), inputs.add(value), want[0])
        wanted += want
    with symtensor.config.change_flags(linker="c"):
        function = symtensor.function(list(inputs), outputs, on_unused_input="ignore")
    assert function.backend == "c"
    for k, (found, want) in enumerate(zip(function(*inputs.values()), wanted, strict=True)):
        np.testing.assert_array_equal(found, want, err_msg=f"{uses[k // 6]}, {k % 6}")


# -- broadcasting ----------------------------------------------------------------------------------------------------


@cache
def pair_function(first: int, second: int):
    """x - y * 2 of two ranks, compiled, for all shapes."""
    x, y = T.TensorType("float64", (None,) * first)(), T.TensorType("float64", (None,) * second)()
    with symtensor.config.change_flags(linker="c"):
        return symtensor.function([x, y], [x - y * 2, T.lt(x, y).sum()])


@st.composite
def pairs(draw, rank):
    """Two shapes that mostly broadcast."""
    full = draw(st.lists(st.integers(0, 4), max_size=rank))
    made = []
    for _ in range(2):
        shape = [draw(st.sampled_from((dim, dim, dim, 1))) for dim in full[draw(st.integers(0, len(full))):]]
        if shape and draw(st.integers(0, 9)) == 0:
            shape[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(0, 4))
        made.append(tuple(shape))
    return made


def check_pair(first, second):
    a, b = weights(np.zeros(first)), weights(np.zeros(second)) + 0.5
    inputs = Inputs()
    static = T.sub(inputs.add(a, True), inputs.add(b, True) * 2) if fits(first, second) else None
    function = pair_function(a.ndim, b.ndim)
    if static is None:
        for attempt in (lambda: function(a, b), lambda: inputs.add(a, True) + inputs.add(b, True)):
            with pytest.raises(ValueError, match="broadcast|shape|dimension"):
                attempt()
        return
    wanted = a - b * 2
    found, count = function(a, b)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(evaluate([static], inputs)[0], wanted)
    assert static.type.shape == wanted.shape
    assert count == (a < b).sum()


def fits(*both):
    try:
        np.broadcast_shapes(*both)
    except ValueError:
        return False
    return True


@pytest.mark.compiler
@settings(max_examples=250, deadline=None)
@given(pairs(2))
def test_pairs_broadcast(pair):
    check_pair(*pair)


@slow
@pytest.mark.compiler
@settings(max_examples=10_000, deadline=None)
@given(pairs(5))
def test_many_pairs_broadcast(pair):
    check_pair(*pair)
