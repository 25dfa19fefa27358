"""Batch normalization, as in ``theano.tensor.nnet.bn`` (Ioffe and Szegedy, "Batch Normalization", 2015).

It is spelled with elementwise ops and means: they fuse, and derivatives of any order follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, cast, inv, mul, sqr, sub, true_div
from symtensor.ops.elementwise_math import number_like, sqrt
from symtensor.ops.reduce import mean
from symtensor.ops.shape import addbroadcast, shape_i

__all__ = ["batch_normalization", "batch_normalization_test", "batch_normalization_train"]


def batch_normalization(inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem") -> Variable:
    """``(inputs - mean) * gamma / std + beta``, broadcast (Theano's name).

    ``mode`` is 'low_mem' or 'high_mem', which here are the same.
    """
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(f"batch_normalization: mode is 'low_mem' or 'high_mem', got {mode!r}")
    result: Variable = add(mul(sub(inputs, mean), true_div(gamma, std)), beta)
    return result


class _Layout:
    """How parameters, which have the axes that are not normalized over, lie beside the inputs."""

    def __init__(self, who: str, inputs: Variable, gamma: Variable, axes: Any, epsilon: float) -> None:
        self.who, ndim = who, inputs.type.ndim
        if epsilon < 1e-5 * (1 - 1e-6):  # a float32 1e-5 is below 1e-5
            raise ValueError(f"{who}: epsilon must be at least 1e-5, got {epsilon}")
        if isinstance(axes, str):
            named = {"per-activation": (0,), "spatial": (0, *range(2, ndim))}
            if axes not in named:
                raise ValueError(f"{who}: axes is 'per-activation', 'spatial', or ints, got {axes!r}")
            axes = named[axes]
        self.axes = tuple(sorted({int(axis) for axis in np.atleast_1d(axes)}))
        if not self.axes or self.axes[0] < 0 or self.axes[-1] >= ndim:
            raise ValueError(f"{who}: axes {axes} for an input of {ndim} dimension(s)")
        self.kept = [axis for axis in range(ndim) if axis not in self.axes]
        self.full = gamma.type.ndim == ndim  # they have the axes of the inputs already
        self.ndim = ndim if self.full else len(self.kept)

    def wide(self, name: str, value: Any) -> Variable:
        """A parameter with all axes of the inputs."""
        x = as_tensor_variable(value)
        if x.type.ndim != self.ndim:
            raise ValueError(f"{self.who}: {name} has {x.type.ndim} dimension(s), {self.ndim} are expected: those of "
                             f"the inputs, or axes {self.kept} of them, as gamma has")
        if self.full:
            return addbroadcast(x, *self.axes)
        order: list[int | str] = ["x"] * (len(self.axes) + len(self.kept))
        for at, axis in enumerate(self.kept):
            order[axis] = at
        return dimshuffle(x, order)

    def narrow(self, x: Variable) -> Variable:
        """A result with the axes of the parameters."""
        return x if self.full else dimshuffle(x, self.kept)


def batch_normalization_train(
    inputs: Any, gamma: Any, beta: Any, axes: Any = "per-activation", epsilon: float = 1e-4,
    running_average_factor: float = 0.1, running_mean: Any = None, running_var: Any = None,
) -> tuple[Variable, ...]:
    """Batch normalization with the mean and variance of the batch (Theano's name).

    Parameters
    ----------
    inputs : floats of any rank, usually (batch, channels, ...).
    gamma, beta : scale and shift: tensors with the axes that are not normalized over, or of the rank of ``inputs`` with
        1 at the others.
    axes : what to normalize over: 'per-activation' (axis 0), 'spatial' (all but axis 1), or ints.
    epsilon : added to the variance, at least 1e-5.
    running_average_factor : how much of the running averages each batch replaces.
    running_mean, running_var : running averages, shaped as ``gamma``; both or none.

    Returns
    -------
    out : ``(inputs - mean) * gamma * invstd + beta``.
    mean, invstd : of the batch, shaped as ``gamma``; ``invstd = 1 / sqrt(var + epsilon)``.
    new_running_mean, new_running_var : only where running averages are given; the variance counts as
        ``m / (m - 1)`` times that of the batch, m the number of values.

    ValueError for axes, ranks or an epsilon that do not fit.

    >>> import numpy as np
    >>> out, _, _ = batch_normalization_train(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), epsilon=1e-5)
    >>> out.eval().round(4).tolist()
    [[-1.0], [1.0]]
    """
    x, scale = as_tensor_variable(inputs), as_tensor_variable(gamma)
    layout = _Layout("batch_normalization_train", x, scale, axes, epsilon)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_normalization_train: give both running_mean and running_var, or neither")
    center = mean(x, layout.axes, keepdims=True)
    apart = sub(x, center)
    spread = mean(sqr(apart), layout.axes, keepdims=True)
    invstd = inv(sqrt(add(spread, number_like(epsilon, spread))))
    out = add(mul(apart, mul(layout.wide("gamma", scale), invstd)), layout.wide("beta", beta))
    results = [out, layout.narrow(center), layout.narrow(invstd)]
    if running_mean is None:
        return tuple(results)
    count = cast(d.product(shape_i(x, axis) for axis in layout.axes), x.type.dtype)
    unbiased = mul(spread, true_div(count, sub(count, 1)))
    for name, old, new in (("running_mean", running_mean, center), ("running_var", running_var, unbiased)):
        factor = number_like(running_average_factor, new)
        kept = mul(layout.wide(name, old), number_like(1 - running_average_factor, new))
        results.append(layout.narrow(add(kept, mul(new, factor))))
    return tuple(results)


def batch_normalization_test(inputs: Any, gamma: Any, beta: Any, mean: Any, var: Any, axes: Any = "per-activation",
                             epsilon: float = 1e-4) -> Variable:
    """Batch normalization with a given mean and variance: ``(inputs - mean) * gamma / sqrt(var + epsilon) + beta``
    (Theano's name). Arguments and errors as those of `batch_normalization_train`."""
    x, scale = as_tensor_variable(inputs), as_tensor_variable(gamma)
    layout = _Layout("batch_normalization_test", x, scale, axes, epsilon)
    spread = layout.wide("var", var)
    factor = true_div(layout.wide("gamma", scale), sqrt(add(spread, number_like(epsilon, spread))))
    result: Variable = add(mul(sub(x, layout.wide("mean", mean)), factor), layout.wide("beta", beta))
    return result
