"""Cross-entropies: of distributions, of one-hot targets given as integers, of logits, and of binary
outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_float, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.argreduce import argmax
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.create import arange
from symtensor.ops.dim_math import equal
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import abs_, add, cast, eq, gt, mul, neg, sqr, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log, sigmoid, softplus
from symtensor.ops.elemwise import composite, upgrade_to_float
from symtensor.ops.reduce import max, sum
from symtensor.ops.rows import CHECK, exponentials, hot_targets, log_of_total, row_sum, shifted
from symtensor.ops.shape import shape_of

__all__ = [
    "CrossentropyCategorical1Hot", "CrossentropyCategorical1HotGrad", "CrossentropySoftmax1Hot",
    "CrossentropySoftmax1HotDx", "binary_crossentropy", "categorical_crossentropy",
    "crossentropy_categorical_1hot", "crossentropy_softmax_1hot", "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias", "crossentropy_softmax_max_and_argmax_1hot_with_bias",
    "sigmoid_binary_crossentropy",
]

class _OneHotOp(Op):
    """What the ops with one integer target per row share."""

    __props__ = ()

    def _checked(self, rows: Any, target: Any) -> tuple[Variable, Variable]:
        """A float matrix with one row per example, and an integer vector; TypeError otherwise."""
        rows, target = as_tensor_variable(rows), as_tensor_variable(target)
        if rows.type.ndim != 2 or not is_float(rows.type.dtype):
            raise TypeError(f"{self}: expected a float matrix with one row per example, got {rows} of type "
                            f"{rows.type}")
        if target.type.ndim != 1 or not is_integer(target.type.dtype) or target.type.dtype == "bool":
            raise TypeError(f"{self}: expected an integer vector with one target per row, got {target} of "
                            f"type {target.type}; one-hot rows go to categorical_crossentropy")
        have, want = rows.type.shape[0], target.type.shape[0]
        if None not in (have, want) and have != want:
            raise self.wrong_rows(have, want)
        return rows, target

    def _check_values(self, rows: Any, target: Any) -> np.ndarray[Any, Any]:
        """The numbers of the rows, after the checks that native code makes too."""
        if rows.shape[0] != target.shape[0]:
            raise self.wrong_rows(rows.shape[0], target.shape[0])
        wrong = np.flatnonzero((target < 0) | (target >= rows.shape[1]))
        if wrong.size:
            raise self.wrong_target(target[wrong[0]], rows.shape[1])
        return np.arange(rows.shape[0])

    def wrong_target(self, target: int, classes: int) -> Exception:
        return IndexError(f"{self}: target {target} is not one of the {classes} classes (0 to {classes - 1})")

    def wrong_rows(self, rows: int, targets: int) -> Exception:
        return ValueError(f"{self}: {rows} row(s) but {targets} target(s)")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time: every input has one entry per target."""
        rows = [shape[0] for shape in shapes[:len(node.inputs)]]
        last, zero = rows[-1], int64_constant(0)
        return [(equal(have, last), "ST_SHAPE", (zero, have, last)) for have in rows[:-1]]

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: values are (target, 1, classes) or (0, rows, targets)."""
        if code == "ST_INDEX":
            return self.wrong_target(values[0], values[2])
        return self.wrong_rows(values[1], values[2])


def _one_hot(rows: Variable, target: Variable) -> Variable:
    """The bool matrix, of the shape of ``rows``, that is true at each row's target."""
    return eq(dimshuffle(arange(shape_of(rows)[1], dtype="int64"), "x", 0), dimshuffle(target, 0, "x"))


def _zero(like: Variable) -> Variable:
    return as_tensor_variable(np.zeros((), like.type.dtype))


class CrossentropyCategorical1Hot(_OneHotOp):
    """``-log(coding[i, target[i]])`` for each row (Theano's name). Inputs: a float matrix, an integer vector.

    IndexError at run time where a target is no column.
    """

    def make_node(self, coding: Any, target: Any) -> Apply:
        coding, target = self._checked(coding, target)
        loss = coding.type.clone(shape=coding.type.shape[:1]).make_variable()
        return Apply(self, [coding, target], [loss])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        coding, target = inputs
        rows = self._check_values(coding, target)
        with np.errstate(all="ignore"):
            outputs[0][0] = (-np.log(coding[rows, target])).astype(coding.dtype, copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0][:1]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        coding, target = inputs
        return [CrossentropyCategorical1HotGrad()(output_grads[0], coding, target), None]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def kernel(self, node: Apply) -> Kernel:
        f = "" if node.inputs[0].type.dtype == "float64" else "f"
        body = CHECK.format(target="IN1", n="IN0_DIM(1)")
        return Kernel(f"{body}OUT0_PTR[i] = (OUT0_T)-st_log{f}(IN0(i, target));", shape_of(node.inputs[0])[0])


class CrossentropyCategorical1HotGrad(_OneHotOp):
    """The gradient of `CrossentropyCategorical1Hot`: ``-g[i] / coding[i, target[i]]`` at the targets, 0
    elsewhere.

    Inputs: the cotangent (a vector), the coding matrix, the integer targets.
    """

    def make_node(self, g: Any, coding: Any, target: Any) -> Apply:
        coding, target = self._checked(coding, target)
        g = as_tensor_variable(g)
        if g.type.ndim != 1:
            raise TypeError(f"{self}: the cotangent is a vector, got {g} of type {g.type}")
        g = g if g.type.dtype == coding.type.dtype else cast(g, coding.type.dtype)
        return Apply(self, [g, coding, target], [coding.type.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        g, coding, target = inputs
        rows = self._check_values(coding, target)
        if g.shape != target.shape:
            raise self.wrong_rows(g.shape[0], target.shape[0])
        result = np.zeros_like(coding, order="C")
        with np.errstate(all="ignore"):
            result[rows, target] = -g / coding[rows, target]
        outputs[0][0] = result

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g, coding, target), (h,) = inputs, output_grads
        hot = _one_hot(coding, target)
        of_g = neg(sum(switch(hot, true_div(h, coding), _zero(h)), axis=1))
        of_coding = switch(hot, true_div(mul(h, dimshuffle(g, 0, "x")), sqr(coding)), _zero(h))
        return [of_g, of_coding, None]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [False]]

    def kernel(self, node: Apply) -> Kernel:
        body = CHECK.format(target="IN2", n="IN1_DIM(1)")
        body += """OUT0_T *out = OUT0_PTR + i * IN1_DIM(1);
for (int64_t k = 0; k < IN1_DIM(1); k++) out[k] = 0;
out[target] = (OUT0_T)(-IN0(i) / IN1(i, target));"""
        return Kernel(body, shape_of(node.inputs[1])[0])


def log_total(shifted: np.ndarray[Any, Any], axis: int) -> Any:
    """``log(sum(exp(shifted)))`` where the largest elements are 0, with the digits of the others."""
    largest = shifted == 0
    others = np.where(largest, 0, np.exp(shifted)).sum(axis=axis, keepdims=True, dtype=np.float64)
    return np.log1p(others + (largest.sum(axis=axis, keepdims=True) - 1))


class CrossentropySoftmax1Hot(_OneHotOp):
    """Softmax of each row of logits, and ``-log`` of it at the row's target, computed together.

    Inputs: a float matrix, an integer vector. Outputs: the losses (a vector) and the softmax (a matrix). With
    a bias added to the logits it is Theano's CrossentropySoftmaxArgmax1HotWithBias. IndexError at run time
    where a target is no column.
    """

    def make_node(self, x: Any, target: Any) -> Apply:
        x, target = self._checked(x, target)
        loss = x.type.clone(shape=x.type.shape[:1]).make_variable()
        return Apply(self, [x, target], [loss, x.type.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, target = inputs
        rows = self._check_values(x, target)
        work = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        with np.errstate(all="ignore"):
            shifted = work - work.max(axis=1, keepdims=True, initial=-np.inf)
            e = np.exp(shifted)
            total = e.sum(axis=1, dtype=np.float64)
            outputs[0][0] = (log_total(shifted, 1)[:, 0] - shifted[rows, target]).astype(x.dtype, copy=False)
            outputs[1][0] = (e / total[:, None].astype(e.dtype)).astype(x.dtype, copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0][:1], shapes[0]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.softmax import SoftmaxGrad

        terms = []
        if _is_tensor(output_grads[0]):
            terms.append(CrossentropySoftmax1HotDx()(output_grads[0], outputs[1], inputs[1]))
        if _is_tensor(output_grads[1]):
            terms.append(SoftmaxGrad()(output_grads[1], outputs[1]))
        return [add(*terms) if len(terms) > 1 else terms[0] if terms else output_grads[0], None]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True], [False, False]]

    def expand(self, x: Variable, target: Variable) -> list[Variable]:
        """The spelling, which the fusion makes one pass over each row."""
        hot, d = hot_targets(self, x, target), shifted(x, 1)
        others, ties = exponentials(d, 1)
        chosen = row_sum(switch(hot, d, _zero(d)), 1, d.type.dtype, d.type.dtype)  # exact: the others are 0
        loss = dimshuffle(cast(sub(log_of_total(others, ties), cast(chosen, "float64")), x.type.dtype), 0)
        return [loss, cast(true_div(exp(d), cast(add(ties, others), d.type.dtype)), x.type.dtype)]


def _is_tensor(g: Any) -> bool:
    """Whether a cotangent is there: that of an output the cost does not depend on is no tensor."""
    return isinstance(getattr(g, "type", None), TensorType)


class CrossentropySoftmax1HotDx(_OneHotOp):
    """The gradient of the losses of `CrossentropySoftmax1Hot` by the logits: ``g[i] * (softmax[i, j] - (j ==
    target[i]))``.

    Inputs: the cotangent of the losses (a vector), the softmax (a matrix), the integer targets.
    """

    may_overwrite = {0: (1,)}

    def make_node(self, g: Any, softmax: Any, target: Any) -> Apply:
        softmax, target = self._checked(softmax, target)
        g = as_tensor_variable(g)
        if g.type.ndim != 1:
            raise TypeError(f"{self}: the cotangent is a vector, got {g} of type {g.type}")
        g = g if g.type.dtype == softmax.type.dtype else cast(g, softmax.type.dtype)
        return Apply(self, [g, softmax, target], [softmax.type.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        g, softmax, target = inputs
        rows = self._check_values(softmax, target)
        if g.shape != target.shape:
            raise self.wrong_rows(g.shape[0], target.shape[0])
        result = np.array(softmax, order="C")
        result[rows, target] -= 1
        result *= g[:, None]
        outputs[0][0] = result

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g, softmax, target), (h,) = inputs, output_grads
        hot = _one_hot(softmax, target)
        of_g = sub(sum(mul(h, softmax), axis=1), sum(switch(hot, h, _zero(h)), axis=1))
        return [of_g, mul(h, dimshuffle(g, 0, "x")), None]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [False]]

    def expand(self, g: Variable, softmax: Variable, target: Variable) -> Variable:
        """The spelling."""
        work = "float32" if softmax.type.dtype == "float16" else softmax.type.dtype
        hot = hot_targets(CrossentropySoftmax1Hot(), softmax, target)  # the check of the losses, once
        scale = dimshuffle(cast(g, work), 0, "x")
        return cast(mul(scale, sub(cast(softmax, work), cast(hot, work))), softmax.type.dtype)


# -- the functions, with Theano's names ----------------------------------------------------------------------


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Variable:
    """``-log(coding_dist[i, true_one_of_n[i]])`` for each row ``i``: a distribution per row, an integer
    target per row.

    TypeError for other ranks or dtypes, IndexError at run time where a target is no column.

    >>> from symtensor import tensor as T
    >>> crossentropy_categorical_1hot(T.fmatrix(), T.ivector()).type
    TensorType(float32, vector)
    """
    result: Variable = CrossentropyCategorical1Hot()(coding_dist, true_one_of_n)
    return result


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """The cross-entropy of each row of ``coding_dist`` with its row of ``true_dist``, along the last axis.

    ``true_dist`` holds distributions (the same rank), or one integer class per row (one dimension less).
    """
    coding, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.type.ndim == coding.type.ndim:
        return neg(sum(mul(true, log(coding)), axis=coding.type.ndim - 1))
    if true.type.ndim == coding.type.ndim - 1 and coding.type.ndim == 2:
        return crossentropy_categorical_1hot(coding, true)
    raise TypeError(f"categorical_crossentropy: rank {true.type.ndim} of the targets does not fit rank "
                    f"{coding.type.ndim} of the distributions: give distributions of the same rank, or a "
                    "matrix and an integer vector")


def binary_crossentropy(output: Any, target: Any) -> Variable:
    """``-(target * log(output) + (1 - target) * log(1 - output))``, elementwise, for outputs between 0 and 1.

    Of a sigmoid it is computed stably: the rules know ``log(sigmoid(x))`` and ``log(1 - sigmoid(x))``.
    """
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    one = as_tensor_variable(np.ones((), "int8"))
    other = mul(sub(one, target), log(sub(one, output)))
    return neg(add(mul(target, log(output)), other))


def _sigmoid_binary_body(x: Variable, t: Variable) -> Variable:
    dtype = upgrade_to_float(x.type.dtype, t.type.dtype)
    x, t = cast(x, dtype), cast(t, dtype)
    return add(softplus(neg(abs_(x))), mul(x, sub(gt(x, _zero(x)), t)))


def _sigmoid_binary_gradient(g: Variable, y: Variable, x: Variable, t: Variable) -> Sequence[Variable]:
    return mul(g, sub(sigmoid(x), t)), neg(mul(g, x))


def _sigmoid_binary_numpy(x: Any, t: Any) -> Any:
    return np.log1p(np.exp(-np.abs(x))) + x * ((x > 0).astype(x.dtype) - t)


sigmoid_binary_crossentropy = composite(
    "sigmoid_binary_crossentropy", _sigmoid_binary_body, numpy=_sigmoid_binary_numpy,
    grad=_sigmoid_binary_gradient, nin=2, dtype="float", accepts="biuf", sample=((-8.0, 8.0), (0.0, 1.0)),
    doc="``binary_crossentropy(sigmoid(output), target)``, stable for any output (Theano's name).",
)


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> list[Variable]:
    """``[loss, softmax]``: the softmax of each row of ``x``, and its cross-entropy with the integer target of
    the row."""
    outputs: list[Variable] = CrossentropySoftmax1Hot()(x, y_idx)
    return outputs


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> list[Variable]:
    """`crossentropy_softmax_1hot` of ``x + b``, ``b`` a vector."""
    b = as_tensor_variable(b)
    if b.type.ndim != 1:
        raise TypeError(f"crossentropy_softmax_1hot_with_bias: the bias is a vector, got {b} of {b.type}")
    return crossentropy_softmax_1hot(add(x, dimshuffle(b, "x", 0)), y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> list[Variable]:
    """``[loss, softmax, argmax]``: `crossentropy_softmax_1hot_with_bias`, and the likeliest class of each
    row."""
    loss, softmax = crossentropy_softmax_1hot_with_bias(x, b, y_idx)
    return [loss, softmax, argmax(softmax, axis=1)]


def crossentropy_softmax_max_and_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> list[Variable]:
    """``[loss, softmax, max, argmax]``: as above, with the likeliest class's probability."""
    loss, softmax, best = crossentropy_softmax_argmax_1hot_with_bias(x, b, y_idx)
    return [loss, softmax, max(softmax, axis=1), best]
