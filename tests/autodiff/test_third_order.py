"""Derivatives of third order: against mpmath for functions of one number, against differences for whole graphs."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from derivative_graphs import GRAPHS, draw

from symtensor import tensor as T
from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.verify import evaluate
from symtensor.graph.types import TensorType


def _sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


SCALARS = {
    "exp": (T.exp, mpmath.exp), "expm1": (T.expm1, mpmath.expm1), "exp2": (T.exp2, lambda x: mpmath.power(2, x)),
    "log": (T.log, mpmath.log), "log2": (T.log2, lambda x: mpmath.log(x, 2)), "log10": (T.log10, mpmath.log10),
    "log1p": (T.log1p, mpmath.log1p), "sqrt": (T.sqrt, mpmath.sqrt), "sin": (T.sin, mpmath.sin),
    "cos": (T.cos, mpmath.cos), "tan": (T.tan, mpmath.tan), "arctanh": (lambda x: T.arctanh(x / 4),
                                                                        lambda x: mpmath.atanh(x / 4)),
    "arcsin": (lambda x: T.arcsin(x / 4), lambda x: mpmath.asin(x / 4)),
    "arctan": (T.arctan, mpmath.atan), "sinh": (T.sinh, mpmath.sinh), "cosh": (T.cosh, mpmath.cosh),
    "tanh": (T.tanh, mpmath.tanh), "arcsinh": (T.arcsinh, mpmath.asinh), "sigmoid": (T.nnet.sigmoid, _sigmoid),
    "softplus": (T.nnet.softplus, lambda x: mpmath.log1p(mpmath.exp(x))), "erf": (T.erf, mpmath.erf),
    "erfc": (T.erfc, mpmath.erfc), "inverse": (T.inv, lambda x: 1 / x), "power": (lambda x: x**3.5, lambda x: x**3.5),
    "self power": (lambda x: x**x, lambda x: x**x), "softsign": (T.nnet.softsign, lambda x: x / (1 + abs(x))),
    "elu": (lambda x: T.nnet.elu(-x, 2.0), lambda x: 2 * mpmath.expm1(-x)),
}


@pytest.mark.parametrize("name", SCALARS)
def test_functions_of_one_number(name: str) -> None:
    ours, theirs = SCALARS[name]
    x = T.dvector("x")
    y = ours(x)
    for _ in range(3):
        y = grad(y.sum(), x)
    points = np.array([0.3, 0.9, 1.7])
    wanted = [float(mpmath.diff(theirs, mpmath.mpf(point), 3)) for point in points]
    np.testing.assert_allclose(evaluate([y], {x: points})[0], wanted, rtol=2e-10, atol=1e-12)


MORE = {
    "logsumexp": (lambda x: T.logsumexp(x, axis=1), [(3, 4)]),
    "softmax": (lambda x: T.nnet.softmax(x), [(2, 3)]),
    "crossentropy": (lambda x: T.nnet.crossentropy_softmax_1hot(x, np.array([2, 0, 1]))[0], [(3, 4)]),
    "binary": (lambda x, t: T.nnet.sigmoid_binary_crossentropy(x, t), [(3,), (3,)]),
    "batch norm": (lambda x, g, b: T.nnet.batch_normalization_train(x, g, b)[0], [(4, 2), (2,), (2,)]),
    "neighbourhoods": (lambda x: T.nnet.images2neibs(x, (2, 2), (1, 1)) ** 3, [(1, 1, 3, 3)]),
    "blocks": (lambda w, h, b: T.nnet.sparse_block_dot(w, h, [[1, 0]], b, [[0, 1]]) ** 3,
               [(2, 2, 3, 2), (1, 2, 3), (2, 2)]),
    "scaled": (lambda x: T.exp(x) / T.sqrt((x**2).sum()), [(4,)]),
}
ALL = {**GRAPHS, **MORE}


@pytest.mark.parametrize("name", ALL)
def test_graphs(name: str) -> None:
    """<u, D3 f(v, w)> by three reverse sweeps, and with a forward sweep last, against differences of the second."""
    build, shapes = ALL[name]
    rng = np.random.default_rng(3)
    points = [draw(rng, shape) for shape in shapes]
    inputs = [TensorType("float64", (None,) * len(shape)).make_variable(f"x{k}") for k, shape in enumerate(shapes)]
    made = build(*inputs)
    output = made[0] if isinstance(made, (list, tuple)) else made
    weight = rng.uniform(0.5, 1.5, np.shape(evaluate([output], dict(zip(inputs, points)))[0]))
    along = [[rng.uniform(-1, 1, shape) for shape in shapes] for _ in range(3)]
    orders = [(output * weight).sum()]
    for directions in along:
        grads = grad(orders[-1], inputs, disconnected_inputs="ignore")
        orders.append(sum((g * v).sum() for g, v in zip(grads, directions)))
    forward = Rop(orders[2], inputs, [T.constant(v) for v in along[2]], disconnected_outputs="ignore")

    def second(step: float) -> float:
        moved = [p + step * v for p, v in zip(points, along[2])]
        return float(evaluate([orders[2]], dict(zip(inputs, moved)))[0])

    a, b, c = ((second(h) - second(-h)) / (2 * h) for h in (2e-3, 1e-3, 5e-4))
    numeric = (64 * c - 20 * b + a) / 45
    found = [float(v) for v in evaluate([orders[3], forward], dict(zip(inputs, points)))]
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-6 * max(1.0, abs(second(0.0))))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-9 * max(1.0, abs(numeric)))
