"""What the pages of Theano's tutorial compute, statement by statement as a program would: the figures they state."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import In, function, pp, shared
from symtensor import tensor as T
from symtensor.gradient import hessian, jacobian
from symtensor.tensor.shared_randomstreams import RandomStreams


def test_adding():
    x, y = T.dscalars("x", "y")
    f = function([x, y], x + y)
    assert (f(2, 3), f(16.3, 12.1), pp(x + y)) == (5.0, pytest.approx(28.4), "(x + y)")
    assert x.type is T.dscalar
    a = T.vector()
    assert function([a], a + a**10)([0, 1, 2]).tolist() == [0, 2, 1026]


def test_default_values():
    x, y, w = T.dscalars("x", "y", "w")
    f = function([x, In(y, value=1), In(w, value=2, name="w_by_name")], (x + y) * w)
    assert [f(33), f(33, 2), f(33, 0, 1), f(33, w_by_name=1), f(33, w_by_name=1, y=0)] == [68, 70, 33, 34, 33]


def test_accumulator():
    state, inc = shared(0), T.iscalar("inc")
    accumulate = function([inc], state, updates=[(state, state + inc)])
    assert (accumulate(1), accumulate(300), state.get_value()) == (0, 1, 301)
    state.set_value(-1)
    assert (accumulate(3), state.get_value()) == (-1, 2)
    decrease = function([inc], state, updates=[(state, state - inc)])
    assert (decrease(2), state.get_value()) == (2, 0)
    foo = T.scalar(dtype=state.dtype)
    assert function([inc, foo], state * 2 + inc, givens=[(state, foo)])(1, 3) == 7
    other = shared(0)
    copied = accumulate.copy(swap={state: other})
    copied(100)
    assert (other.get_value(), state.get_value()) == (100, 0)
    assert accumulate.copy(delete_updates=True)(9000) == 0
    assert state.get_value() == 0


def test_random_streams():
    streams = RandomStreams(seed=234)
    uniform, normal = streams.uniform((2, 2)), streams.normal((2, 2))
    f, g = function([], uniform), function([], normal, no_default_updates=True)
    assert (f() != f()).all()
    assert (g() == g()).all()
    assert abs(function([], uniform + uniform - 2 * uniform)()).max() == 0
    value = uniform.rng.get_value(borrow=True)
    value.seed(89234)
    uniform.rng.set_value(value, borrow=True)
    before = uniform.rng.get_value().get_state()
    first = f()
    value = uniform.rng.get_value(borrow=True)
    value.set_state(before)
    uniform.rng.set_value(value, borrow=True)
    assert (f() == first).all()


def test_derivatives():
    x = T.dmatrix("x")
    slope = function([x], symtensor.grad(T.sum(1 / (1 + T.exp(-x))), x))
    np.testing.assert_allclose(slope([[0, 1], [-1, -2]]), [[0.25, 0.19661193], [0.19661193, 0.10499359]], rtol=1e-7)
    v = T.dvector("v")
    assert function([v], jacobian(v**2, v))([4, 4]).tolist() == [[8, 0], [0, 8]]
    assert function([v], hessian(T.sum(v**2), v))([4, 4]).tolist() == [[2, 0], [0, 2]]


def test_products_with_jacobians():
    """The right one is of a function linear in W: W stays an input of it, without use and without a fault."""
    w, v_matrix, x, v = T.dmatrix("W"), T.dmatrix("V"), T.dvector("x"), T.dvector("v")
    y = T.dot(x, w)
    right = function([w, v_matrix, x], T.Rop(y, w, v_matrix))
    assert right([[1, 1], [1, 1]], [[2, 2], [2, 2]], [0, 1]).tolist() == [2, 2]
    assert function([v, x], T.Lop(y, w, v))([2, 2], [0, 1]).tolist() == [[0, 0], [2, 2]]
    slope = symtensor.grad(T.sum(x**2), x)
    for product in (symtensor.grad(T.sum(slope * v), x), T.Rop(slope, x, v)):
        assert function([x, v], product)([4, 4], [2, 2]).tolist() == [4, 4]


def test_logistic_regression():
    rng = np.random.RandomState(0)
    data, classes = rng.standard_normal((100, 80)), rng.randint(size=100, low=0, high=2)
    x, y = T.dmatrix("x"), T.dvector("y")
    w, b = shared(rng.standard_normal(80), name="w"), shared(0.0, name="b")
    likely = 1 / (1 + T.exp(-T.dot(x, w) - b))
    prediction = likely > 0.5
    entropy = -y * T.log(likely) - (1 - y) * T.log(1 - likely)
    cost = entropy.mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    train = function(inputs=[x, y], outputs=[prediction, entropy], updates=((w, w - 0.1 * gw), (b, b - 0.1 * gb)))
    for _ in range(1000):
        train(data, classes)
    assert (function(inputs=[x], outputs=prediction)(data) == classes).mean() > 0.95


def test_shapes_and_names():
    x, y, z = T.scalars("xyz")
    assert [v.name for v in (x, y, z)] == ["x", "y", "z"]
    m, n = T.matrices("mn")
    joined = T.join(0, m, n)
    shape = function([m, n], joined.shape)
    assert shape(np.ones((5, 4)), np.ones((3, 4))).tolist() == [8, 4]
    with pytest.raises(ValueError, match="4"):
        function([m, n], joined)(np.ones((5, 4)), np.ones((3, 3)))
    square = T.specify_shape(m, (2, 2))
    assert function([m], (square**2).shape)(np.ones((2, 2))).tolist() == [2, 2]


def test_memory_of_shared_variables():
    array = np.ones(2, dtype="float32")
    default, copied, kept = shared(array), shared(array, borrow=False), shared(array, borrow=True)
    array += 1
    assert [v.get_value().tolist() for v in (default, copied, kept)] == [[1, 1], [1, 1], [2, 2]]
