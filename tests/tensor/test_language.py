"""The namespace: what the book's tables name is there and means what NumPy means; neural network
functions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import symtensor
from symtensor import tensor as T

BOOK = """add sub mul truediv pow sqrt exp log cos sin tan cosh sinh tanh intdiv mod floor ceil round sgn and_ xor or_
invert gt lt ge le eq neq isclose isnan abs_ minimum maximum clip switch cast max argmax max_and_argmax min argmin sum
prod mean var std all any ptp dot tensordot outer batched_dot scalar vector row col matrix tensor3 tensor4 tensor5
zeros ones zeros_like ones_like eye identity_like arange alloc stack concatenate reshape flatten dimshuffle
set_subtensor inc_subtensor constant as_tensor_variable grad Lop Rop jacobian hessian where sqr inv erf erfc gammaln
iround allclose true_div int_div floor_div square sign reciprocal arctan2 addbroadcast patternbroadcast unbroadcast
tensor TensorType get_scalar_constant_value specify_shape shape nonzero take transpose swapaxes logaddexp""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", BOOK)
def test_names(name):
    assert callable(getattr(T, name))
    assert name in T.__all__


def test_everything_public_is_documented():
    for name in T.__all__:
        found = getattr(T, name)
        assert found.__doc__, name


def test_star_import_gives_the_language():
    names: dict = {}
    exec("from symtensor.tensor import *", names)
    assert names["dmatrix"] is T.dmatrix
    assert names["switch"] is T.switch


def test_the_books_switch():
    condition = T.vector("cond")
    x, y = T.vectors("x", "y")
    z = T.switch(condition, x, y)
    assert z.eval({condition: [1, 0], x: [10, 10], y: [3, 2]}).tolist() == [10.0, 2.0]


def test_the_books_products():
    a, b = T.matrices("a", "b")
    data = {a: np.ones((2, 2)), b: np.diag((3.0, 3.0))}
    for z in (a * b, T.mul(a, b)):
        assert z.eval(data).tolist() == [[3, 0], [0, 3]]
    assert T.mul(a, b, a, b).eval(data).tolist() == [[9, 0], [0, 9]]


def test_broadcasting_at_run_time():
    x, y = T.dmatrices("x", "y")
    f = symtensor.function([x, y], x + y)
    for left, right in [((3, 1), (1, 4)), ((3, 4), (1, 1)), ((3, 4), (3, 4)), ((0, 4), (1, 4)),
                        ((1, 1), (0, 1))]:
        a, b = np.random.rand(*left), np.random.rand(*right)
        np.testing.assert_array_equal(f(a, b), a + b)
    with pytest.raises(ValueError, match="3"):
        f(np.zeros((3, 2)), np.zeros((2, 2)))


X = np.linspace(-4, 4, 12).reshape(3, 4)

NNET = {
    "sigmoid": scipy.special.expit, "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "relu": lambda x: np.maximum(x, 0), "softmax": lambda x: scipy.special.softmax(x, 1),
    "logsoftmax": lambda x: scipy.special.log_softmax(x, 1), "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
}


@pytest.mark.parametrize("name", NNET)
def test_nnet(name):
    x = T.dmatrix("x")
    y = getattr(T.nnet, name)(x)
    assert y.type == x.type
    np.testing.assert_allclose(y.eval({x: X}), NNET[name](X), rtol=1e-12)
    T.verify_grad(getattr(T.nnet, name), [X + 0.01], rng=np.random.RandomState(0))
    assert getattr(T.nnet, name)(T.fmatrix()).dtype == "float32"


def test_ultra_fast_sigmoid_is_near_sigmoid():
    x = T.dvector("x")
    points = np.linspace(-9, 9, 400)
    assert np.abs(T.nnet.ultra_fast_sigmoid(x).eval({x: points}) - scipy.special.expit(points)).max() < 0.03


def test_leaky_relu():
    x, slope = T.dvectors("x", "slope")
    points = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(T.nnet.relu(x, 0.1).eval({x: points}), [-0.2, 0, 3])
    np.testing.assert_allclose(T.nnet.relu(x, slope).eval({x: points, slope: np.full(3, 0.5)}), [-1, 0, 3])
    assert T.nnet.relu(T.fvector(), 0.1).dtype == "float32"
    assert T.nnet.relu(T.ivector()).dtype == "int32"


def test_softmax_with_bias_and_crossentropy():
    x, b, y = T.dmatrix("x"), T.dvector("b"), T.lvector("y")
    p = T.nnet.softmax_with_bias(x, b)
    data = {x: X, b: np.arange(4.0), y: np.array([0, 3, 1])}
    expected = scipy.special.softmax(X + np.arange(4.0), 1)
    np.testing.assert_allclose(p.eval({x: data[x], b: data[b]}), expected)
    loss = T.nnet.categorical_crossentropy(p, y)
    np.testing.assert_allclose(loss.eval(data), -np.log(expected[np.arange(3), data[y]]))


def test_isclose_and_allclose():
    x = T.dvector("x")
    points = np.array([1.0, 1.0 + 1e-9, np.inf])
    assert T.isclose(x, np.array([1.0, 1.0, np.inf])).eval({x: points}).all()
    assert not T.allclose(x, 1.0).eval({x: points})
