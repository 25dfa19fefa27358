"""Joining and splitting against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check, check_grad, evaluate, failing_checks

from symtensor import tensor as T
from symtensor.ops import join as J

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenate(axis):
    parts = [X, X * 2, X - 1]
    parts[1] = np.take(parts[1], [0], axis=axis)
    check(lambda *xs: J.concatenate(xs, axis), lambda *xs: np.concatenate(xs, axis), *parts)
    check(lambda *xs: J.join(axis, *xs), lambda *xs: np.concatenate(xs, axis), parts[0], np.float32(parts[1]))
    check(lambda *xs: J.concatenate(list(xs), axis), lambda *xs: np.concatenate(xs, axis), X, np.take(X, [], axis=axis))
    check_grad(lambda *xs: J.concatenate(xs, axis), *[p[:, :2, :2] / 10 for p in parts])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack(axis):
    check(lambda *xs: J.stack(xs, axis=axis), lambda *xs: np.stack(xs, axis), X[0], X[1], X[0] * 2)
    check(lambda *xs: J.stack(list(xs), axis), lambda *xs: np.stack(xs, axis), X[0], X[1])


def test_stack_of_scalars_and_lists():
    check(lambda a, b: J.stack(a, b), lambda a, b: np.array([1.0, 2.0]), np.array(1.0), np.array(2, "int8"))
    check(lambda a, b: J.stack([a, b], axis=-1), lambda a, b: np.array([1, 2]), np.array(1), np.array(2))
    check(lambda a, b: J.stacklists([[a, b], [b, 1.0]]), lambda a, b: np.array([[1.0, 2.0], [2.0, 1.0]]),
          np.array(1.0), np.array(2.0))
    check(
        lambda a, b: T.as_tensor_variable([[a, b], [b, a]]), lambda a, b: np.stack([[a, b], [b, a]]), X[0, 0], X[0, 1]
    )
    check(J.horizontal_stack, lambda *xs: np.hstack(xs), X[0], X[1])
    check(J.vertical_stack, lambda *xs: np.vstack(xs), X[0], X[1])
    assert J.concatenate([T.matrix()]).type.ndim == 2
    assert J.concatenate([T.TensorType("int8", (2, None))(), T.TensorType("int32", (3, 4))()]).type.shape == (5, 4)


def test_join_errors():
    x, y, z = T.dmatrix("x"), T.dmatrix("y"), T.dmatrix("z")
    output = J.concatenate([x, y, z])
    values = {x: np.zeros((2, 3)), y: np.zeros((2, 3)), z: np.zeros((1, 4))}
    match = "dimension 1 of input 2 is 4, but 3 in input 0"
    with pytest.raises(ValueError, match=match):
        evaluate([output], values)
    (found,) = failing_checks(output, values)
    assert match in str(found)
    with pytest.raises(ValueError, match="dimension 1 must be equal"):
        J.concatenate([T.TensorType("int8", (2, 3))(), T.TensorType("int8", (2, 4))()])
    with pytest.raises(TypeError, match="one rank"):
        J.concatenate([x, T.vector()])
    with pytest.raises(TypeError, match="list or tuple"):
        J.concatenate(x)
    with pytest.raises(ValueError, match="axis 2 is outside"):
        J.concatenate([x, y], 2)
    with pytest.raises(ValueError, match="at least one"):
        J.concatenate([])
    with pytest.raises(ValueError, match="at least one"):
        J.stack([])
    with pytest.raises(TypeError, match="one rank"):
        J.stack([x, T.vector()])
    with pytest.raises(TypeError, match="unknown argument"):
        J.stack([x, y], dim=1)
    with pytest.raises(TypeError, match="matrices"):
        J.vertical_stack(x, T.vector())


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split(axis):
    sizes = {0: [1, 0, 1], 1: [2, 0, 1], -1: [1, 2, 1]}[axis]

    def wanted(x, *_):
        return np.split(x, np.cumsum(sizes)[:-1], axis)

    check(lambda x: J.split(x, sizes, 3, axis), wanted, X)
    check(lambda x, s: J.split(x, s, n_splits=3, axis=axis), wanted, X, np.array(sizes))
    check(lambda x, *s: J.split(x, list(s), axis=axis), wanted, X, *map(np.array, sizes))
    check_grad(lambda x: T.concatenate([2 * p for p in J.split(x, sizes, 3, axis)], axis), X / 10)


def test_split_errors():
    x, s = T.dvector("x"), T.lvector("s")
    for sizes in ([2, 2], [-1, 6], [5, -5], [6, -1]):
        with pytest.raises(ValueError, match="split: the sizes must be natural numbers that add up"):
            evaluate(J.split(x, s, 2), {x: np.zeros(5), s: np.array(sizes)})
    with pytest.raises(ValueError, match="add up"):
        J.split(T.TensorType("int8", (5,))(), [2, 2])
    with pytest.raises(ValueError, match="known while the graph"):
        J.split(x, s)


def test_stack_by_name():
    x = T.dvector("x")
    assert T.stack(tensors=[x, x], axis=1).eval({x: np.ones(3)}).shape == (3, 2)
