"""`jacobian` and `hessian`, whose number of rows is known at run time only."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.jacobians import hessian, jacobian
from symtensor.autodiff.stop import undefined_grad
from symtensor.autodiff.verify import evaluate, verify_grad
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError
from symtensor.ops.loop import Loop


@pytest.mark.parametrize("n", [0, 1, 4])
def test_elementwise(n):
    x = T.dvector("x")
    point = np.arange(n) + 0.5
    (got,) = evaluate([jacobian(x**3, x)], {x: point})
    assert got.dtype == "float64"
    np.testing.assert_allclose(got, np.diag(3 * point**2))


def test_several_variables_of_any_rank():
    w, x, c = T.dmatrix("w"), T.dvector("x"), T.dscalar("c")
    y = T.tanh(T.dot(w, x)) * c
    jw, jx, jc = jacobian(y, (w, x, c))
    assert [j.type.ndim for j in (jw, jx, jc)] == [3, 2, 1]
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=3)
    gw, gx, gc = evaluate([jw, jx, jc], {w: a, x: b, c: np.asarray(1.5)})
    slope = 1.5 * (1 - np.tanh(a @ b) ** 2)
    np.testing.assert_allclose(gx, slope[:, None] * a, rtol=1e-12)
    np.testing.assert_allclose(gw, np.einsum("i,ij,k->ijk", slope, np.eye(2), b), rtol=1e-12)
    np.testing.assert_allclose(gc, np.tanh(a @ b), rtol=1e-12)


def test_what_does_not_depend_on_the_row_is_outside():
    x = T.dvector("x")
    node = jacobian(T.tanh(x) * x.sum(), x).owner
    assert isinstance(node.op, Loop)
    names = [str(inner.op) for inner in node.op.order]
    assert "Elemwise{tanh}" not in names


def test_static_length_and_infer_shape():
    x = T.tensor("float64", (3,), name="x")
    j = jacobian(T.exp(x), x)
    assert j.type.shape == (3, 3)
    y = T.dmatrix("y")
    j = jacobian(y.sum(axis=0), y)
    shape = j.owner.op.infer_shape(
        j.owner, [(), *[tuple(v.shape[i] for i in range(v.ndim)) for v in j.owner.inputs[1:]]]
    )
    assert [int(v) for v in evaluate(shape[0], {y: np.ones((2, 5))})] == [5, 2, 5]


def test_zero_rows_and_disconnected():
    x, y = T.dvector("x"), T.dvector("y")
    zero = jacobian(T.cast(T.cast(x, "int64"), "float64"), x)
    assert evaluate([zero], {x: np.ones(2)})[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(DisconnectedInputError, match="does not depend on y"):
        jacobian(x * 2, y)
    free = jacobian(x * 2, y, disconnected_inputs="ignore")
    assert evaluate([free], {x: np.ones(2), y: np.ones(3)})[0].shape == (2, 3)


def test_scalar_expression_is_a_gradient():
    x = T.dvector("x")
    assert evaluate([jacobian((x**2).sum(), x)], {x: np.array([1.0, 2.0])})[0].tolist() == [2.0, 4.0]
    assert isinstance(jacobian(x.sum(), [x]), list)


def test_consider_constant():
    x = T.dvector("x")
    y = x**2
    (got,) = evaluate([jacobian(x * y, x, consider_constant=[y])], {x: np.array([1.0, 3.0])})
    assert got.tolist() == [[1.0, 0.0], [0.0, 9.0]]


def test_derivatives_of_jacobians():
    rng = np.random.default_rng(1)
    verify_grad(lambda x: jacobian(T.sin(x) * x.sum(), x), [rng.normal(size=3)])
    verify_grad(
        lambda x, w: grad((jacobian(T.tanh(T.dot(w, x)), x) ** 2).sum(), w),
        [rng.normal(size=3), rng.normal(size=(2, 3))],
    )


def test_forward_mode_through_a_jacobian():
    x, v = T.dvectors("x", "v")
    givens = {x: np.array([0.5, 2.0]), v: np.array([1.0, -1.0])}
    (got,) = evaluate([Rop(jacobian(x**3, x), x, v)], givens)
    np.testing.assert_allclose(got, np.diag(6 * givens[x] * givens[v]), rtol=1e-12)


def test_hessian():
    x, y = T.dvectors("x", "y")
    cost = (x**2).sum() * y.sum() + (y**3).sum()
    hx, hy = hessian(cost, [x, y])
    givens = {x: np.array([1.0, 2.0]), y: np.array([3.0, 4.0, 5.0])}
    gx, gy = evaluate([hx, hy], givens)
    np.testing.assert_allclose(gx, 24 * np.eye(2))
    np.testing.assert_allclose(gy, np.diag(6 * givens[y]))
    (zero,) = evaluate([hessian(x.sum(), x)], givens)
    assert zero.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_rosenbrock_hessian():
    x = T.dvector("x")
    cost = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    a, b, c = point = np.array([1.2, 0.7, -0.4])
    want = np.array(
        [
            [1200 * a**2 - 400 * b + 2, -400 * a, 0],
            [-400 * a, 202 + 1200 * b**2 - 400 * c, -400 * b],
            [0, -400 * b, 200],
        ]
    )
    np.testing.assert_allclose(evaluate([hessian(cost, x)], {x: point})[0], want, rtol=1e-12)


@pytest.mark.parametrize("mode", ["INTERPRETER", "FAST_RUN"])
def test_compiled(mode):
    w, x = T.dmatrix("w"), T.dvector("x")
    y = T.tanh(T.dot(w, x))
    outputs = [jacobian(y, x), hessian(y.sum(), x), grad((jacobian(y, x) ** 2).sum(), w)]
    point = {w: np.arange(6.0).reshape(3, 2) / 7, x: np.array([0.3, -0.2])}
    got = symtensor.function([w, x], outputs, mode=mode)(*point.values())
    for a, b in zip(got, evaluate(outputs, point), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_pickle():
    x = T.dvector("x")
    j = pickle.loads(pickle.dumps(jacobian(x**2, x)))
    leaf = next(v for v in j.owner.inputs if v.name == "x")
    np.testing.assert_allclose(evaluate([j], {leaf: np.array([1.0, 2.0])})[0], np.diag([2.0, 4.0]))


def test_errors():
    x, m, z = T.dvector("x"), T.dmatrix("m"), T.zvector("z")
    with pytest.raises(ValueError, match=r"0 or 1 dimensions.*with 2.*flatten"):
        jacobian(m * 2, m)
    with pytest.raises(TypeError, match="must be real"):
        jacobian(z * 2, z)
    with pytest.raises(TypeError, match="must be a tensor variable"):
        jacobian(2.0, x)
    with pytest.raises(ValueError, match=r"holds vectors, got m .*2 dimension"):
        hessian(m.sum(), m)
    with pytest.raises(NullTypeGradError, match="UndefinedGrad"):
        jacobian(undefined_grad(x), x)
    with pytest.raises(TypeError, match="float or complex"):
        jacobian(x, T.ivector())
