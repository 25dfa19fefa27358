"""Softmax and cross-entropy: the losses that programs spell with log, softmax and indexing, and their gradients.

The gradient of ``-log(softmax(x))[arange(n), y]`` is taken from the spelling; it is recognized here too, so that no
probability that rounds to 0 makes a nan.
"""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import static_value
from symtensor.ops.create import Alloc, ARange
from symtensor.ops.crossentropy import (
    CrossentropyCategorical1Hot,
    CrossentropyCategorical1HotGrad,
    CrossentropySoftmax1Hot,
    CrossentropySoftmax1HotDx,
)
from symtensor.ops.elementwise import add, cast, lt, mul, neg, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log
from symtensor.ops.index import AdvancedSubtensor
from symtensor.ops.index_set import AdvancedIncSubtensor
from symtensor.ops.reduce import Reduction
from symtensor.ops.reduction import put_back
from symtensor.ops.softmax import LogSoftmax, Softmax, SoftmaxGrad
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite, uniform_value


def made_by(variable: Variable, kind: Any) -> Any:
    """The node of this op, or op class, that makes ``variable``, or None."""
    node = variable.owner
    if node is None:
        return None
    return node if node.op is kind or (isinstance(kind, type) and type(node.op) is kind) else None


def last_axis(node: Apply) -> bool:
    """Whether a softmax or its gradient goes along the rows of a matrix."""
    ndim = node.inputs[0].type.ndim
    return ndim == 2 and node.op.at(ndim) == 1  # type: ignore[attr-defined]


def row_targets(node: Apply, at: int, rows: Variable, facts: Facts) -> Variable | None:
    """The targets ``y``, not negative, where the node indexes ``rows`` by ``[arange(n), y]`` from input ``at`` on."""
    if node.op.idx_list != ("a", "a") or rows.type.ndim != 2:  # type: ignore[attr-defined]
        return None
    count, targets = made_by(node.inputs[at], ARange), node.inputs[at + 1]
    if count is None or targets.type.ndim != 1:
        return None
    start, stop, step = count.inputs
    if static_value(start) != 0 or static_value(step) != 1 or targets.type.dtype == "bool":
        return None
    dims = facts.shape(rows)
    if facts.shape(targets)[0] is not facts.inference.simplify(stop):
        return None
    if not facts.inference.require_equal(dims[0], facts.shape(targets)[0], 0, node):
        return None
    return targets if targets.type.dtype.startswith("u") else switch(lt(targets, 0), add(targets, dims[1]), targets)


# -- logarithms ------------------------------------------------------------------------------------------------------


@rewrite("stabilize", log)
def log_of_softmax(node: Apply, facts: Facts) -> Any:
    """log(softmax(x)) without the rounding of small probabilities to 0."""
    inner = made_by(node.inputs[0], Softmax)
    return None if inner is None else LogSoftmax(inner.op.axis)(inner.inputs[0])


@rewrite("stabilize", exp)
def exp_of_logsoftmax(node: Apply, facts: Facts) -> Any:
    inner = made_by(node.inputs[0], LogSoftmax)
    return None if inner is None else Softmax(inner.op.axis)(inner.inputs[0])


@rewrite("stabilize", true_div)
def exp_over_sum(node: Apply, facts: Facts) -> Any:
    """exp(x) / sum(exp(x)) along one axis, keeping it, is softmax(x)."""
    above, below = node.inputs
    top, back = made_by(above, exp), below.owner
    total = None if back is None or not back.inputs else made_by(back.inputs[0], Reduction)
    if top is None or total is None or total.op.name != "sum" or total.inputs[0] is not above:
        return None
    axes, ndim = total.op.axes(above.type.ndim), above.type.ndim
    if len(axes) != 1 or facts.intern(put_back(total.outputs[0], ndim, axes)) is not below:
        return None
    return Softmax(axes[0])(top.inputs[0])


@rewrite("stabilize", Softmax, LogSoftmax)
def softmax_of_shifted(node: Apply, facts: Facts) -> Any:
    """The softmax does not change when each row is shifted: the op takes care of large values itself."""
    shifted = made_by(node.inputs[0], sub)
    if shifted is None or shifted.inputs[1].type.shape[node.op.at(node.inputs[0].type.ndim)] != 1:  # type: ignore[attr-defined]
        return None
    return node.op(cast(shifted.inputs[0], shifted.outputs[0].type.dtype))


# -- the loss --------------------------------------------------------------------------------------------------------


@rewrite("stabilize", AdvancedSubtensor)
def logsoftmax_at_targets(node: Apply, facts: Facts) -> Any:
    """log(softmax(x))[arange(n), y] is -crossentropy_softmax_1hot(x, y)."""
    inner = made_by(node.inputs[0], LogSoftmax)
    if inner is None or not last_axis(inner):
        return None
    targets = row_targets(node, 1, node.inputs[0], facts)
    return None if targets is None else neg(CrossentropySoftmax1Hot()(inner.inputs[0], targets)[0])


@rewrite("stabilize", log)
def log_of_softmax_at_targets(node: Apply, facts: Facts) -> Any:
    """log(softmax(x)[arange(n), y]) is -crossentropy_softmax_1hot(x, y)."""
    taken = made_by(node.inputs[0], AdvancedSubtensor)
    inner = None if taken is None else made_by(taken.inputs[0], Softmax)
    if inner is None or not last_axis(inner):
        return None
    targets = row_targets(taken, 1, taken.inputs[0], facts)
    return None if targets is None else neg(CrossentropySoftmax1Hot()(inner.inputs[0], targets)[0])


@rewrite("stabilize", CrossentropyCategorical1Hot)
def crossentropy_of_softmax(node: Apply, facts: Facts) -> Any:
    """crossentropy_categorical_1hot(softmax(x), y), by the logarithm of the softmax."""
    inner = made_by(node.inputs[0], Softmax)
    if inner is None or not last_axis(inner):
        return None
    return CrossentropySoftmax1Hot()(inner.inputs[0], node.inputs[1])[0]


# -- its gradient ----------------------------------------------------------------------------------------------------


def one_hot_cotangent(dy: Variable, y: Variable, facts: Facts) -> tuple[Variable, Variable] | None:
    """(g, targets) where ``dy`` is ``-g[i] / y[i, targets[i]]`` at the targets and 0 elsewhere."""
    known = made_by(dy, CrossentropyCategorical1HotGrad)
    if known is not None:
        return (known.inputs[0], known.inputs[2]) if known.inputs[1] is y else None
    over = made_by(dy, true_div)
    whole = over is not None and over.inputs[1] is y  # g at the targets, divided by all of y
    scatter = made_by(over.inputs[0] if whole else dy, AdvancedIncSubtensor)
    if scatter is None or not _all_zero(scatter.inputs[0]):
        return None
    g = scatter.inputs[1]
    if not whole:  # g / y at the targets
        inner = made_by(g, true_div)
        taken = None if inner is None else made_by(inner.inputs[1], AdvancedSubtensor)
        if taken is None or taken.inputs[0] is not y or taken.inputs[1:] != scatter.inputs[2:]:
            return None
        g = inner.inputs[0]
    targets = row_targets(scatter, 2, y, facts)
    if targets is None:
        return None
    rows = facts.shape(y)[:1]
    g = g if facts.shape(g) == rows else facts.intern(Alloc()(g, *rows))
    return neg(g), targets


def _all_zero(variable: Variable) -> bool:
    value = uniform_value(variable)
    return value is not None and value == 0


@rewrite("stabilize", SoftmaxGrad)
def gradient_at_targets(node: Apply, facts: Facts) -> Any:
    """The gradient of the cross-entropy by what goes into the softmax: g * (softmax(x) - one_hot(y))."""
    dy, y = node.inputs
    inner = made_by(y, Softmax)
    if inner is None or not last_axis(inner):
        return None
    found = one_hot_cotangent(dy, y, facts)
    if found is None:
        return None
    softmax = CrossentropySoftmax1Hot()(inner.inputs[0], found[1])[1]
    return CrossentropySoftmax1HotDx()(found[0], softmax, found[1])


@rewrite("stabilize", SoftmaxGrad)
def gradient_of_log_of_softmax(node: Apply, facts: Facts) -> Any:
    """Of d / y, which log gives: d - y * sum(d), without the division by probabilities that are 0."""
    dy, y = node.inputs
    over = made_by(dy, true_div)
    if over is None or over.inputs[1] is not y:
        return None
    d, ndim = over.inputs[0], y.type.ndim
    if not facts.same_shape(d, y):
        return None
    axes = (node.op.at(ndim),)  # type: ignore[attr-defined]
    total = put_back(Reduction("sum", axes, d.type.dtype, None)(d), ndim, axes)
    return sub(d, mul(y, total))


@rewrite("stabilize", Softmax, whole=True)
def softmax_beside_loss(node: Apply, facts: Facts) -> Any:
    """The softmax whose cross-entropy is computed too comes with it."""
    return facts.beside(CrossentropySoftmax1Hot, node.inputs[0], 1) if last_axis(node) else None
