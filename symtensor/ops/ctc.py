"""Connectionist temporal classification: the cost of a label sequence that is shorter than the outputs that spell it.

Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
Networks" (2006): the forward-backward algorithm, here in logarithms. State 2j + 1 of a sequence is its label j, the
states between are blanks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_float, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.create import ones_like
from symtensor.ops.elementwise import cast, mul
from symtensor.ops.reduce import sum
from symtensor.ops.shape import shape_of
from symtensor.ops.softmax import logsoftmax

__all__ = ["CTCCost", "CTCGrad", "ConnectionistTemporalClassification", "ctc"]

Array = np.ndarray[Any, Any]

_START = """const int64_t steps = LOGP_DIM(0), classes = LOGP_DIM(2), room = LABELS_DIM(1), states = 2 * room + 1;
const int64_t length = (int64_t)LENGTHS(i);
if (length < 0 || length > steps) FAIL(ST_VALUE, i, length, steps);
if (classes < 1) FAIL(ST_INDEX, 0, i, classes);
int64_t n = 0;
for (; n < room && (int64_t)LABELS(i, n) >= 0; n++) {
    const int64_t label = (int64_t)LABELS(i, n);
    if (label < 1 || label >= classes) FAIL(ST_INDEX, label, i, classes);
}
const int64_t last = 2 * n;
"""

_COST = _START + """double *alpha = OUT1_PTR + i * steps * states;
for (int64_t k = 0; k < steps * states; k++) alpha[k] = -INFINITY;
for (int64_t t = 0; t < length; t++) {
    double *now = alpha + t * states, *old = now - states;
    for (int64_t s = 0; s <= last && s <= 2 * t + 1; s++) {
        const int64_t label = s & 1 ? (int64_t)LABELS(i, s / 2) : 0;
        const double stay = t ? old[s] : 0, next = t && s ? old[s - 1] : -INFINITY;
        const double skip = t && s > 1 && (s & 1) && label != (int64_t)LABELS(i, s / 2 - 1) ? old[s - 2] : -INFINITY;
        now[s] = ctc_log_sum(stay, next, skip) + (double)LOGP(t, i, label);
    }
}
const double *end = alpha + (length - 1) * states;
OUT0_PTR[i] = (OUT0_T)-(length ? ctc_log_sum(end[last], n ? end[last - 1] : -INFINITY, -INFINITY) : n ? -INFINITY : 0);
"""

_GRAD = _START + """const int64_t row = OUT0_DIM(1) * classes;
for (int64_t t = 0; t < steps; t++) for (int64_t k = 0; k < classes; k++) OUT0_PTR[t * row + i * classes + k] = 0;
double *beta = OUT1_PTR + i * states;
for (int64_t s = 0; s < states; s++) beta[s] = s == last || (n && s == last - 1) ? 0 : -INFINITY;
const double g = (double)IN0(i), cost = (double)IN4(i);
for (int64_t t = length - 1; t >= 0 && cost < INFINITY; t--)
    for (int64_t s = 0; s <= last; s++) {
        const int64_t label = s & 1 ? (int64_t)LABELS(i, s / 2) : 0;
        if (t < length - 1) {
            const int64_t other = s & 1 ? 0 : s < last ? (int64_t)LABELS(i, s / 2) : 0;
            double next = -INFINITY, skip = -INFINITY;
            if (s < last) next = beta[s + 1] + (double)LOGP(t + 1, i, other);
            if ((s & 1) && s + 2 < last && label != (int64_t)LABELS(i, s / 2 + 1))
                skip = beta[s + 2] + (double)LOGP(t + 1, i, (int64_t)LABELS(i, s / 2 + 1));
            beta[s] = ctc_log_sum(beta[s] + (double)LOGP(t + 1, i, label), next, skip);
        }
        const double share = st_exp(IN5(i, t, s) + beta[s] + cost);
        OUT0_PTR[t * row + i * classes + label] -= (OUT0_T)(g * share);
    }
"""

_SUPPORT = """static inline double ctc_log_sum(double a, double b, double c) {
    const double top = a > b ? (a > c ? a : c) : (b > c ? b : c);
    return top == -INFINITY ? top : top + st_log(st_exp(a - top) + st_exp(b - top) + st_exp(c - top));
}
"""


def _named(text: str, first: int) -> str:
    """The text with the operands of the problem, which start at input ``first``."""
    for k, name in enumerate(("LOGP", "LABELS", "LENGTHS"), first):
        text = text.replace(name, f"IN{k}")
    return text


class _CTC(Op):
    """What the cost and its gradient share: log-probabilities (steps, batch, classes), labels (batch, room) ended by
    negative numbers, and the number of steps of each sequence."""

    __props__ = ()
    first = 0

    def prepared(self, logp: Any, labels: Any, lengths: Any) -> list[Variable]:
        """The problem as variables; TypeError where ranks or dtypes are wrong."""
        inputs = [as_tensor_variable(value) for value in (logp, labels, lengths)]
        for x, rank, check, what in zip(inputs, (3, 2, 1), (is_float, is_integer, is_integer), (
                "activations are floats (time, batch, classes)", "labels are integers (batch, longest sequence)",
                "input_lengths are integers (batch)")):
            if x.type.ndim != rank or not check(x.type.dtype):
                raise TypeError(f"ctc: {what}, got {x} of type {x.type}")
        return inputs

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time: the same batch everywhere."""
        batch = shapes[self.first][1]
        return [(d.equal(batch, shapes[self.first + k][0]), "ST_SHAPE",
                 (int64_constant(k), batch, shapes[self.first + k][0])) for k in (1, 2)]

    def failure(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        """The words for what does not fit."""
        if code == "ST_INDEX":
            return IndexError(f"ctc: label {values[0]} of sequence {values[1]} is none of 1..{values[2] - 1} (0 is the "
                              "blank; negative numbers end a sequence)")
        if code == "ST_VALUE":
            return ValueError(f"ctc: input_lengths[{values[0]}] is {values[1]}, there are {values[2]} step(s)")
        what = ("labels", "input_lengths")[values[0] - 1]
        return ValueError(f"ctc: activations are for {values[1]} sequence(s), {what} for {values[2]}")

    def sequences(self, node: Apply, logp: Array, labels: Array, lengths: Array) -> Iterator[tuple[Any, ...]]:
        """After the checks that native code makes, for each sequence: its number, its length, the classes of its
        states, and their log-probabilities (steps, states)."""
        steps, batch, classes = logp.shape
        for k, have in ((1, len(labels)), (2, len(lengths))):
            if have != batch:
                raise self.failure(node, "ST_SHAPE", (k, batch, have))
        for b, (label, length) in enumerate(zip(labels, lengths.tolist())):
            if not 0 <= length <= steps:
                raise self.failure(node, "ST_VALUE", (b, length, steps))
            kind = np.zeros(2 * int(np.cumprod(label >= 0).sum()) + 1, "int64")
            kind[1::2] = label[:len(kind) // 2]
            for wrong in [*kind[1::2][(kind[1::2] < 1) | (kind[1::2] >= classes)], *([] if classes else [0])][:1]:
                raise self.failure(node, "ST_INDEX", (int(wrong), b, classes))
            yield b, length, kind, logp[:length, b, kind].astype("float64")


def _forward(kind: Array, emit: Array) -> Array:
    """The logarithm of the probability of all paths to each (step, state)."""
    rows, nothing = np.full(emit.shape, -np.inf), np.full(2, -np.inf)
    rows[:1, :2] = emit[:1, :2]
    skips = np.concatenate([[False, False], (kind[2:] != kind[:-2]) & (kind[2:] > 0)])[:len(kind)]
    for t in range(1, len(emit)):
        stay, next_, skip = (np.concatenate([nothing[:k], rows[t - 1]])[:len(kind)] for k in range(3))
        rows[t] = emit[t] + np.logaddexp(np.logaddexp(stay, next_), np.where(skips, skip, -np.inf))
    return rows


class CTCCost(_CTC):
    """``-log p(labels)`` of each sequence, from log-probabilities; see `ctc`. The second output holds the logarithms of
    the forward probabilities (batch, steps, states), which the gradient needs."""

    default_output = 0

    def make_node(self, logp: Any, labels: Any, lengths: Any) -> Apply:
        inputs = self.prepared(logp, labels, lengths)
        (steps, batch, _), room = inputs[0].type.shape, inputs[1].type.shape[1]
        alphas = TensorType("float64", (batch, steps, None if room is None else 2 * room + 1))
        return Apply(self, inputs, [inputs[0].type.clone(shape=(batch,)).make_variable(), alphas.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        (steps, batch, _), room = inputs[0].shape, inputs[1].shape[1]
        costs, alphas = np.zeros(batch, inputs[0].dtype), np.full((batch, steps, 2 * room + 1), -np.inf)
        for b, length, kind, emit in self.sequences(node, *inputs):
            alphas[b, :length, :len(kind)] = rows = _forward(kind, emit)
            costs[b] = -np.logaddexp.reduce(rows[-1, -2:]) if length else np.inf if len(kind) > 1 else 0
        outputs[0][0], outputs[1][0] = costs, alphas

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        (steps, batch, _), labels = shapes[:2]
        return [(batch,), (batch, steps, d.add(d.mul(2, labels[1]), 1))]

    def kernel(self, node: Apply) -> Kernel:
        return Kernel(_named(_COST, 0), shape_of(node.inputs[0])[1], _SUPPORT)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False], [False, False], [False, False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [CTCGrad()(output_grads[0], *inputs, *outputs), None, None]


class CTCGrad(_CTC):
    """The gradient of `CTCCost` by the log-probabilities: minus the probability, given the labels, that a step emits a
    class. 0 where the labels cannot be spelled. Inputs: the cotangent of the costs, then inputs and outputs of the
    cost. The second output is working memory."""

    first = 1
    default_output = 0

    def make_node(self, g: Any, logp: Any, labels: Any, lengths: Any, costs: Any, alphas: Any) -> Apply:
        problem = self.prepared(logp, labels, lengths)
        g, room = cast(g, problem[0].type.dtype), problem[1].type.shape[1]
        work = TensorType("float64", (problem[0].type.shape[1], None if room is None else 2 * room + 1))
        return Apply(self, [g, *problem, costs, alphas], [problem[0].type.make_variable(), work.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        g, logp, labels, lengths, costs, alphas = inputs
        result = np.zeros(logp.shape, logp.dtype)
        for b, length, kind, emit in self.sequences(node, logp, labels, lengths):
            beta = _forward(kind[::-1], emit[::-1, ::-1])[::-1, ::-1]
            alpha = alphas[b, :length, :len(kind)]
            with np.errstate(invalid="ignore"):
                share = np.where(np.isfinite(alpha) & (costs[b] < np.inf), np.exp(alpha + beta - emit + costs[b]), 0)
            for state, at in enumerate(kind):
                result[:length, b, at] -= (g[b] * share[:, state]).astype(logp.dtype)
        outputs[0][0], outputs[1][0] = result, np.zeros((len(g), 2 * labels.shape[1] + 1))

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1], (shapes[1][1], d.add(d.mul(2, shapes[2][1]), 1))]

    def kernel(self, node: Apply) -> Kernel:
        return Kernel(_named(_GRAD, 1), shape_of(node.inputs[1])[1], _SUPPORT)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k in (0, 1, 4, 5), False] for k in range(6)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        slopes = self(ones_like(inputs[0]), *inputs[1:])
        of_g = sum(mul(slopes, output_grads[0]), axis=(0, 2))
        return [of_g, NotImplemented, None, None, NotImplemented, NotImplemented]


def ctc(activations: Any, labels: Any, input_lengths: Any) -> Variable:
    """The CTC cost of each sequence of a batch (Theano's name): minus the logarithm of the probability that the softmax
    of the activations, blanks and repetitions removed, spells the labels.

    Parameters
    ----------
    activations : floats (time, batch, classes), before the softmax. Class 0 is the blank.
    labels : integers (batch, longest sequence), in 1 .. classes - 1; the first negative one ends a sequence.
    input_lengths : integers (batch): how many steps of each sequence count.

    Returns
    -------
    A vector (batch) of the dtype of the activations; inf, with a gradient of 0, where a sequence is too short for its
    labels. The gradient has no gradient of its own. IndexError at run time for a label that is no class, ValueError for
    a length that is no number of steps.

    >>> import numpy as np
    >>> ctc(np.zeros((2, 1, 3)), np.array([[1, -1]]), np.array([2])).eval().round(6)  # -log(3 / 9)
    array([1.098612])
    """
    x = as_tensor_variable(activations)
    if x.type.ndim != 3:
        raise TypeError(f"ctc: activations are floats (time, batch, classes), got {x} of type {x.type}")
    result: Variable = CTCCost()(logsoftmax(x, axis=2), labels, input_lengths)
    return result


class ConnectionistTemporalClassification:
    """`ctc` under the name of Theano's op; the arguments are taken for its sake, without effect."""

    def __init__(self, compute_grad: bool = True, openmp: bool | None = None) -> None:
        del compute_grad, openmp

    def __call__(self, activations: Any, labels: Any, input_lengths: Any) -> Variable:
        return ctc(activations, labels, input_lengths)
