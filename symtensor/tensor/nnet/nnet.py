"""Functions of neural networks, as in ``theano.tensor.nnet.nnet``."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops.blas import dot, tensordot
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.count import unique
from symtensor.ops.create import arange, zeros
from symtensor.ops.crossentropy import (
    CrossentropyCategorical1Hot,
    CrossentropyCategorical1HotGrad,
    binary_crossentropy,
    categorical_crossentropy,
    crossentropy_categorical_1hot,
    crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias,
    crossentropy_softmax_argmax_1hot_with_bias,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    sigmoid_binary_crossentropy,
)
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import abs_, add, cast, eq, gt, int_div, minimum, mod, mul, switch, true_div
from symtensor.ops.elementwise_math import expm1, number_like, relu, sigmoid, softplus
from symtensor.ops.index import getitem
from symtensor.ops.join import concatenate, join
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import shape_of
from symtensor.ops.softmax import LogSoftmax, Softmax, SoftmaxGrad, logsoftmax, softmax
from symtensor.tensor.nnet.blocksparse import sparse_block_dot

__all__ = [
    "CrossentropyCategorical1Hot", "CrossentropyCategorical1HotGrad", "LogSoftmax", "Softmax", "SoftmaxGrad",
    "binary_crossentropy", "categorical_crossentropy", "confusion_matrix", "crossentropy_categorical_1hot",
    "crossentropy_softmax_1hot", "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias", "crossentropy_softmax_max_and_argmax_1hot_with_bias", "elu",
    "h_softmax", "logsoftmax", "prepend_0_to_each_row", "prepend_1_to_each_row", "prepend_scalar_to_each_row",
    "relu", "selu", "sigmoid", "sigmoid_binary_crossentropy", "softmax", "softmax_graph", "softmax_with_bias",
    "softplus", "softsign",
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


softmax_graph = softmax


def confusion_matrix(actual: Any, pred: Any) -> list[Variable]:
    """``[matrix, order]``: how often each class of ``actual`` was predicted as each class (Theano's name).

    ``actual`` and ``pred`` are vectors of classes of one length. ``order`` holds the classes that occur, sorted;
    ``matrix[i, j]``, int64, counts ``order[i]`` predicted as ``order[j]``.

    >>> [value.eval().tolist() for value in confusion_matrix([2, 0, 2, 2], [2, 0, 0, 2])]
    [[[1, 0], [1, 2]], [0, 2]]
    """
    actual, pred = as_tensor_variable(actual), as_tensor_variable(pred)
    for x in (actual, pred):
        if x.type.ndim != 1:
            raise ValueError(f"confusion_matrix: the classes are vectors, got {x} of type {x.type}")
    order: Variable = unique(concatenate([actual, pred]))
    hot = [cast(eq(dimshuffle(x, 0, "x"), order), "int64") for x in (actual, pred)]
    return [dot(hot[0].T, hot[1]), order]  # type: ignore[attr-defined]


def prepend_scalar_to_each_row(val: Any, mat: Any) -> Variable:
    """The matrix with a first column that is ``val`` everywhere (Theano's name)."""
    val, mat = as_tensor_variable(val), as_tensor_variable(mat)
    if val.type.ndim or mat.type.ndim != 2:
        raise TypeError(f"prepend_scalar_to_each_row: takes a scalar and a matrix, got {val.type} and {mat.type}")
    return join(1, cast(add(zeros((shape_of(mat)[0], 1), mat.type.dtype), val), mat.type.dtype), mat)


def prepend_0_to_each_row(mat: Any) -> Variable:
    """The matrix with a first column of zeros (Theano's name)."""
    return prepend_scalar_to_each_row(0, mat)


def prepend_1_to_each_row(mat: Any) -> Variable:
    """The matrix with a first column of ones, for biases (Theano's name)."""
    return prepend_scalar_to_each_row(1, mat)


def h_softmax(x: Any, batch_size: Any, n_outputs: Any, n_classes: Any, n_outputs_per_class: Any, W1: Any, b1: Any,
              W2: Any, b2: Any, target: Any = None) -> Variable:
    """The two-level softmax over many outputs: of classes, then of the outputs of a class (Theano's name; Goodman,
    "Classes for fast maximum entropy training", 2001). With ``target`` it costs the square root of a softmax.

    Parameters
    ----------
    x : floats (batch_size, features).
    n_outputs : how many outputs there are; ``n_classes * n_outputs_per_class`` are at least as many.
    W1, b1 : (features, n_classes) and (n_classes): the layer of the classes.
    W2, b2 : (n_classes, features, n_outputs_per_class) and (n_classes, n_outputs_per_class): those of the outputs.
    target : an output for each row, integers (batch_size) or a column; None: all outputs.

    Returns
    -------
    The probabilities (batch_size, n_outputs), or with ``target`` those of the targets alone, (batch_size).
    """
    x, W1, b1, W2, b2 = (as_tensor_variable(value) for value in (x, W1, b1, W2, b2))
    classes = softmax(add(dot(x, W1), b1))
    if target is None:
        each = softmax(add(tensordot(x, W2, (1, 1)), b2), axis=-1)
        total = flatten(mul(dimshuffle(classes, 0, 1, "x"), each), 2)
        return getitem(total, (slice(None), slice(None, n_outputs)))
    target = flatten(as_tensor_variable(target))
    rows, block = arange(batch_size), int_div(target, n_outputs_per_class)
    inside = sparse_block_dot(dimshuffle(W2, "x", 0, 1, 2), dimshuffle(x, 0, "x", 1), zeros((batch_size, 1), "int32"),
                              b2, dimshuffle(block, 0, "x"))
    outputs = softmax(getitem(inside, (slice(None), 0)))
    return mul(getitem(classes, (rows, block)), getitem(outputs, (rows, mod(target, n_outputs_per_class))))
