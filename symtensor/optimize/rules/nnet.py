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
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.elementwise import add, cast, inv, lt, mul, neg, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log
from symtensor.ops.index import AdvancedSubtensor
from symtensor.ops.index_set import AdvancedIncSubtensor
from symtensor.ops.reduce import Reduction
from symtensor.ops.reduction import put_back
from symtensor.ops.softmax import LogSoftmax, LogSumExp, Softmax, SoftmaxGrad
from symtensor.optimize.engine import Facts
from symtensor.optimize.operands import operands
from symtensor.optimize.pattern import rewrite, uniform_value


def made_by(variable: Variable, kind: Any) -> Any:
    """The node of this op, or op class, that makes ``variable``, or None."""
    node = variable.owner
    if node is None:
        return None
    return node if node.op is kind or (isinstance(kind, type) and type(node.op) is kind) else None


def typed(node: Apply) -> Any:
    """The op of a node."""
    return node.op


def last_axis(node: Apply) -> bool:
    """Whether a softmax or its gradient goes along the rows of a matrix."""
    ndim = node.inputs[0].type.ndim
    return ndim == 2 and bool(typed(node).at(ndim) == 1)


def row_targets(node: Apply, at: int, rows: Variable, facts: Facts) -> Variable | None:
    """The targets ``y``, not negative, where the node indexes ``rows`` by ``[arange(n), y]`` from input ``at`` on."""
    if typed(node).idx_list != ("a", "a") or rows.type.ndim != 2:
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


def _sum_along(below: Variable, above: Variable, facts: Facts) -> Any:
    """The node that sums ``above`` along one axis, where ``below`` is that sum beside it: also where both were
    transposed."""
    back = below.owner
    total = None if back is None or not back.inputs else made_by(back.inputs[0], Reduction)
    if total is None or total.op.name != "sum":
        return None
    source, axes = total.inputs[0], total.op.axes(total.inputs[0].type.ndim)
    turned = above.owner
    same = above is source or (turned is not None and isinstance(turned.op, DimShuffle) and turned.inputs[0] is source)
    if len(axes) != 1 or not same or turned is None:
        return None
    left = [axis for axis in range(source.type.ndim) if axis not in axes]
    order = range(source.type.ndim) if above is source else turned.op.order  # type: ignore[attr-defined]
    kept = [left.index(axis) if axis in left else "x" for axis in order]
    return total if facts.intern(dimshuffle(total.outputs[0], kept)) is below else None


@rewrite("stabilize", true_div, mul)
def exp_over_sum(node: Apply, facts: Facts) -> Any:
    """exp(x) / sum(exp(x)) along one axis, keeping it, is softmax(x)."""
    for at in (0, 1) if node.op is mul and len(node.inputs) == 2 else (0,) if node.op is true_div else ():
        above, below = node.inputs[at], node.inputs[1 - at]
        if node.op is mul:
            inverse = operands(below, inv, facts.intern)
            if inverse is None:
                continue
            below = inverse[0]
        total = _sum_along(below, above, facts)
        top = None if total is None else made_by(total.inputs[0], exp)
        if top is not None:
            result = Softmax(total.op.axes(top.inputs[0].type.ndim)[0])(top.inputs[0])
            return result if above is total.inputs[0] else above.owner.op(result)  # type: ignore[union-attr]
    return None


@rewrite("stabilize", sub)
def minus_logsumexp(node: Apply, facts: Facts) -> Any:
    """x - logsumexp(x) along one axis, keeping it, is logsoftmax(x)."""
    x, below = node.inputs
    back = below.owner
    total = None if back is None or not back.inputs else made_by(back.inputs[0], LogSumExp)
    if total is None or total.inputs[0] is not x or x.type.dtype != node.outputs[0].type.dtype:
        return None
    axes = total.op.axes(x.type.ndim)
    same = len(axes) == 1 and facts.intern(put_back(total.outputs[0], x.type.ndim, axes)) is below
    return LogSoftmax(axes[0])(x) if same else None


@rewrite("stabilize", Softmax, LogSoftmax)
def softmax_of_shifted(node: Apply, facts: Facts) -> Any:
    """The softmax does not change when each row is shifted: the op takes care of large values itself."""
    shifted = made_by(node.inputs[0], sub) or made_by(node.inputs[0], add)
    if shifted is None:
        return None
    axis, candidates = typed(node).at(node.inputs[0].type.ndim), shifted.inputs
    left = [v for k, v in enumerate(candidates) if v.type.shape[axis] != 1 or (shifted.op is sub and k == 0)]
    if len(left) == len(candidates) or not left:
        return None
    rest = shifted.op(*left) if len(left) > 1 else left[0]
    return node.op(cast(rest, shifted.outputs[0].type.dtype))


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
    axes = (typed(node).at(ndim),)
    total = put_back(Reduction("sum", axes, d.type.dtype, None)(d), ndim, axes)
    return sub(d, mul(y, total))


@rewrite("stabilize", Softmax, whole=True)
def softmax_beside_loss(node: Apply, facts: Facts) -> Any:
    """The softmax whose cross-entropy is computed too comes with it."""
    return facts.beside(CrossentropySoftmax1Hot, node.inputs[0], 1) if last_axis(node) else None
