"""First and second derivatives of many graphs against finite differences, in several dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from derivative_graphs import GRAPHS, draw

from symtensor import tensor as T
from symtensor.autodiff.gradient import Lop, grad
from symtensor.autodiff.verify import evaluate, verify_grad


@pytest.mark.parametrize("name", GRAPHS)
def test_gradient(name):
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(1)
    verify_grad(
        function, [draw(rng, shape) for shape in shapes], n_tests=1, rng=rng, abs_tol=1e-8, rel_tol=1e-7
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_second_derivative(name):
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(2)
    points = [draw(rng, shape) for shape in shapes]

    def gradients(*xs):
        y = function(*xs)
        return Lop(y, list(xs), T.sin(y), disconnected_inputs="ignore")

    verify_grad(gradients, points, n_tests=1, rng=rng, abs_tol=1e-7, rel_tol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "name", ["arithmetic", "broadcast row", "functions", "sum axis", "mlp", "logistic regression"]
)
def test_gradient_in_low_precision(name, dtype):
    """The gradient has the dtype of the input, and is that of float64 within the precision."""
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(4)
    points = [draw(rng, shape) for shape in shapes]
    results = []
    for kind in (dtype, "float64"):
        xs = [T.tensor(kind, (None,) * p.ndim) for p in points]
        y = function(*xs)
        gs = grad((y * T.cast(y + 1.0, y.dtype)).sum(), xs)
        assert [g.type.dtype for g in gs] == [kind] * len(xs)
        results.append(
            evaluate(gs, dict(zip(xs, [p.astype(dtype).astype(kind) for p in points], strict=True)))
        )
    eps = float(np.finfo(dtype).eps)
    for low, high in zip(*results, strict=True):
        np.testing.assert_allclose(low.astype("float64"), high, rtol=60 * eps, atol=30 * eps)


@pytest.mark.parametrize("name", ["functions", "mlp", "broadcast both", "softmax", "take rows"])
def test_third_derivative_along_a_line(name):
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(5)
    points = [draw(rng, shape) for shape in shapes]
    directions = [rng.normal(size=shape) for shape in shapes]
    t = T.dscalar("t")
    y = T.sin(function(*[p + t * d for p, d in zip(points, directions, strict=True)])).sum()
    second = grad(grad(y, t), t)
    third = grad(second, t)
    step = 1e-3
    above, below, exact = (
        evaluate([out], {t: np.asarray(at)})[0] for out, at in ((second, step), (second, -step), (third, 0.0))
    )
    np.testing.assert_allclose((above - below) / (2 * step), exact, rtol=1e-3, atol=1e-4)
