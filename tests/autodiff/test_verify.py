"""`verify_grad` accepts right gradients, and names where wrong ones are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.autodiff import verify
from symtensor.autodiff.numeric import numeric_grad
from symtensor.autodiff.verify import GradientError, evaluate, verify_grad
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply


class Cube(Op):
    """x ** 3 with a gradient that is off by a factor."""

    __props__ = ("factor",)

    def __init__(self, factor=1.0, power=2):
        self.factor, self.power = factor, power

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] ** 3

    def grad(self, inputs, output_grads):
        return [output_grads[0] * 3 * inputs[0] ** self.power * self.factor]


def test_right_gradient_passes():
    verify_grad(Cube(), [np.array([[1.0, -2.0], [0.0, 3.0]])])
    verify_grad(Cube(), [np.array(2.0)], n_tests=1, rng=np.random.RandomState(0))
    verify_grad(Cube(), [np.array([1.0, 2.0], "float32")])
    verify_grad(Cube(), [np.zeros((0, 3))])


@pytest.mark.parametrize("factor", [1.00001, -1.0, 0.0, np.nan])
def test_wrong_gradient_is_found(factor):
    with pytest.raises(GradientError) as caught:
        verify_grad(Cube(factor), [np.array([[1.0, 2.0, -3.0]])])
    error = caught.value
    assert error.arg == 0
    assert error.shape == (1, 3)
    assert f"({0}, {error.err_pos})" in str(error)
    assert "symbolic" in str(error)
    assert error.abs_err > error.abs_tol


def test_position_of_a_single_wrong_element():
    def fun(x):
        return T.set_subtensor(x[2], Cube(0.5)(x[2])) * 1.0

    with pytest.raises(GradientError, match=r"position \(2,\) of shape \(4,\)"):
        verify_grad(fun, [np.array([1.0, 2.0, 1.5, 1.0])])


def test_tolerances():
    verify_grad(Cube(1.001), [np.array([1.0])], rel_tol=1e-2)
    verify_grad(Cube(1.001), [np.array([1.0])], abs_tol=1e-1)
    with pytest.raises(GradientError):
        verify_grad(Cube(1.01), [np.array([1.0], "float32")])
    verify_grad(Cube(1.01), [np.array([1.0], "float64")], out_type="float16")


def test_several_outputs_and_eps():
    verify_grad(lambda x, y: [x * y, T.exp(x)], [np.array([1.0, 2.0]), np.array([0.5, 0.1])])
    verify_grad(lambda x: T.exp(x), [np.array([1.0])], eps=1e-5, cast_to_output_type=True)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="argument 0 has dtype int64"):
        verify_grad(Cube(), [np.array([1, 2])])
    with pytest.raises(TypeError, match="pt is a list"):
        verify_grad(Cube(), np.array([1.0]))
    with pytest.raises(TypeError, match="real tensor variables"):
        verify_grad(lambda x: T.cast(x, "complex128"), [np.array([1.0])])


@pytest.mark.parametrize("mode", ["INTERPRETER", "FAST_RUN"])
def test_compiled_gradients(mode):
    verify_grad(lambda x, y: T.tanh(x) * y + x, [np.array([0.5, 1.0]), np.array([2.0])], mode=mode)
    with pytest.raises(GradientError):
        verify_grad(Cube(0.5), [np.array([1.0])], mode=mode)


def test_mode_reaches_the_compiler(monkeypatch):
    seen = []

    def hook(inputs, outputs, mode):
        seen.append(mode)
        return lambda *arrays: evaluate(outputs, dict(zip(inputs, arrays, strict=True)))

    monkeypatch.setattr(verify, "compilers", [hook])
    verify_grad(Cube(), [np.array([1.0])], mode="FAST_RUN")
    assert seen == ["FAST_RUN", "FAST_RUN"]


@pytest.mark.parametrize(
    ("f", "slope", "at"),
    [
        (np.exp, np.exp, [0.0, 1.0, -5.0, 10.0]),
        (np.sin, np.cos, [0.0, 1.0, 100.0]),
        (np.log, lambda x: 1 / x, [1e-3, 0.02, 1.0, 50.0]),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-2, 1.0, 9.0]),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2, [0.0, 2.0, -4.0]),
        (lambda x: 0 * x, lambda x: 0 * x, [1.0]),
    ],
)
def test_extrapolated_differences_are_accurate(f, slope, at):
    point = np.array(at)
    got = [numeric_grad(f, x).gf for x in point]
    np.testing.assert_allclose(got, slope(point), rtol=1e-9, atol=1e-11)


def test_numeric_grad_leaves_the_point_alone_and_follows_its_form():
    point = [np.array([1.0, 2.0]), np.array(3.0, "float32")]
    result = numeric_grad(lambda a, b: (a * b).sum(), point)
    assert [g.shape for g in result.gf] == [(2,), ()]
    assert result.gf[1].dtype == "float32"
    assert point[0].tolist() == [1.0, 2.0]
    assert result.max_err([np.array([3.0, 3.0]), np.array(4.0)], 1e-3, 1e-3)[:2] == (1, 0)
    with pytest.raises(ValueError, match=r"argument 0 has shape \(3,\), the argument has shape \(2,\)"):
        result.abs_rel_errors([np.ones(3), np.ones(())])
    assert numeric_grad(lambda a: float(a**2), np.array(3.0), eps=1e-4).gf.shape == ()


def test_abs_rel_err():
    abs_err, rel_err = numeric_grad.abs_rel_err(
        np.array([1.0, np.nan, np.inf, np.nan]), np.array([3.0, 1.0, np.inf, np.nan])
    )
    assert abs_err.tolist() == [2.0, np.inf, 0.0, 0.0]
    assert rel_err.tolist()[:2] == [0.5, np.inf]


def test_evaluate_needs_values():
    x = T.dscalar("x")
    with pytest.raises(ValueError, match="no value for x"):
        evaluate([x * 2], {})
