"""Functions of neural networks, as in ``theano.tensor.nnet``."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import abs_, add, gt, minimum, mul, switch, true_div
from symtensor.ops.elementwise_math import (
    expm1,
    hard_sigmoid,
    number_like,
    relu,
    sigmoid,
    softplus,
    ultra_fast_sigmoid,
)
from symtensor.ops.softmax import (
    LogSoftmax,
    Softmax,
    binary_crossentropy,
    categorical_crossentropy,
    crossentropy_categorical_1hot,
    crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias,
    crossentropy_softmax_argmax_1hot_with_bias,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    logsoftmax,
    sigmoid_binary_crossentropy,
    softmax,
)

__all__ = [
    "LogSoftmax", "Softmax", "binary_crossentropy", "categorical_crossentropy",
    "crossentropy_categorical_1hot",
    "crossentropy_softmax_1hot", "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias", "elu", "hard_sigmoid", "logsoftmax", "relu", "selu",
    "sigmoid", "sigmoid_binary_crossentropy", "softmax", "softmax_with_bias", "softplus", "softsign",
    "ultra_fast_sigmoid",
]


def softsign(x: Any) -> Variable:
    """x / (1 + |x|).

    >>> softsign([-1.0, 3.0]).eval()
    array([-0.5 ,  0.75])
    """
    x = as_tensor_variable(x)
    result: Variable = true_div(x, add(abs_(x), 1))
    return result


def elu(x: Any, alpha: float = 1) -> Variable:
    """x where x > 0, else alpha * (exp(x) - 1): the exponential linear unit (Clevert et al., 2015)."""
    x = as_tensor_variable(x)
    # exp of large x, which the switch does not take, would overflow: its argument is limited first.
    result: Variable = switch(gt(x, 0), x, mul(number_like(alpha, x), expm1(minimum(x, 0))))
    return result


def selu(x: Any) -> Variable:
    """The scaled exponential linear unit of self-normalizing networks (Klambauer et al., 2017)."""
    x = as_tensor_variable(x)
    result: Variable = mul(number_like(1.0507009873554805, x), elu(x, 1.6732632423543772))
    return result


def softmax_with_bias(x: Any, b: Any) -> Variable:
    """``softmax(x + b)`` of the rows of a matrix, ``b`` a vector (Theano's name)."""
    return softmax(add(x, b))
