"""Spellings that lose digits or overflow, replaced by ones that do not.

These rules may change values: to those that exact arithmetic would give. Where the left side is finite both agree up
to its rounding errors.
"""

from __future__ import annotations

from typing import Any

from symtensor.graph.types import is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.elementwise import add, inv, mul, neg, sqr, sub, true_div
from symtensor.ops.elementwise_extra import log1mexp
from symtensor.ops.elementwise_math import exp, expm1, log, log1p, logaddexp, sigmoid, softplus, tanh
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import pattern, rewrite, rules

x, y, a = pattern("x y a")


def real(x: Variable, **_: Variable) -> bool:
    """Real numbers: the functions have no complex version."""
    return is_float(x.type.dtype)


# -- logarithms and exponentials -------------------------------------------------------------------------------------

rules("stabilize", (log(1 + exp(x)), softplus(x)), (log1p(exp(x)), softplus(x)),
      (log(exp(x) + exp(y)), logaddexp(x, y)), when=real)
rules("stabilize", (log(1 + x), log1p(x)), (log(1 - x), log1p(-x)), when=real)
rules("stabilize", (exp(x) - 1, expm1(x)), (exp(x) + -1, expm1(x)), (1 - exp(x), -expm1(x)), when=real)
rules("stabilize", (log(1 - exp(x)), log1mexp(x)), (log1p(-exp(x)), log1mexp(x)), (log(-expm1(x)), log1mexp(x)),
      when=real)

# -- the logistic family ---------------------------------------------------------------------------------------------

rules("stabilize", (1 / (1 + exp(-x)), sigmoid(x)), (inv(1 + exp(-x)), sigmoid(x)), (1 / (1 + exp(x)), sigmoid(-x)),
      (inv(1 + exp(x)), sigmoid(-x)), (exp(x) / (1 + exp(x)), sigmoid(x)), (exp(-x) / (1 + exp(-x)), sigmoid(-x)),
      when=real)
rules("stabilize", (log(sigmoid(x)), -softplus(-x)), (1 - sigmoid(x), sigmoid(-x)),
      (log1p(-sigmoid(x)), -softplus(x)), (log(1 - sigmoid(x)), -softplus(x)),
      (1 - 1 / (1 + exp(-x)), sigmoid(-x)), (sigmoid(x) / sigmoid(-x), exp(x)),
      (sigmoid(x) / (1 - sigmoid(x)), exp(x)), when=real)
rules("stabilize", (sigmoid(x) - sqr(sigmoid(x)), sigmoid(x) * sigmoid(-x)),
      (sigmoid(x) - sigmoid(x) * sigmoid(x), sigmoid(x) * sigmoid(-x)), when=real)
rules("stabilize", ((exp(x) - exp(-x)) / (exp(x) + exp(-x)), tanh(x)), when=real)

rules("stabilize", (a / (1 + exp(x)), a * sigmoid(-x)), (a / (1 + exp(-x)), a * sigmoid(x)),
      (sigmoid(-x) * exp(x), sigmoid(x)), (sigmoid(x) * exp(-x), sigmoid(-x)),
      ((a * sigmoid(-x)) * exp(x), a * sigmoid(x)), ((a * sigmoid(x)) * exp(-x), a * sigmoid(-x)),
      name="quotient_of_exp", when=real)

rules("stabilize", (exp(x) / (exp(x) + exp(y)), sigmoid(x - y)), ((a / (exp(x) + exp(y))) * exp(x), a * sigmoid(x - y)),
      name="share_of_exp", when=real)

# Gradients of log(sigmoid(x)) divide by what may be 0, and multiply with it again.
rules("stabilize", ((a / sigmoid(x)) * sigmoid(x), a), ((a / exp(x)) * exp(x), a),
      name="divide_and_multiply", when=real)


@rewrite("stabilize", mul)
def gradient_of_log_odds(node: Apply, facts: Facts) -> Any:
    """(a / s - b / (1 - s)) s (1 - s), with s = sigmoid(x), is a (1 - s) - b s: what binary cross-entropy gives."""
    factors = [v for v in node.inputs if v.owner is not None and v.owner.op is sigmoid]
    rest = [v for v in node.inputs if v not in factors]
    if len(factors) != 2 or not rest or (facts.intern(neg(_argument(factors[0]))) is not _argument(factors[1]) \
            and facts.intern(neg(_argument(factors[1]))) is not _argument(factors[0])):
        return None
    for at, value in enumerate(rest):
        product = _spread(value, factors, 3)
        if product is not None:
            return mul(product, *rest[:at], *rest[at + 1:]) if len(rest) > 1 else product
    return None


def _argument(variable: Variable) -> Any:
    return variable.owner.inputs[0] if variable.owner is not None else None


def _spread(value: Variable, factors: list[Variable], depth: int) -> Variable | None:
    """``value * factors[0] * factors[1]`` where value is a sum of quotients by the factors; None where it is not."""
    node = value.owner
    if node is None or depth == 0:
        return None
    if node.op is true_div and node.inputs[1] in factors:
        return mul(node.inputs[0], factors[1 - factors.index(node.inputs[1])])
    if node.op not in (add, sub, neg):
        return None
    terms = [_spread(v, factors, depth - 1) for v in node.inputs]
    return node.op(*terms) if all(term is not None for term in terms) else None


# -- sums of exponentials --------------------------------------------------------------------------------------------


@rewrite("stabilize", log)
def log_of_sum_of_exp(node: Apply, facts: Facts) -> Any:
    """log(sum(exp(x))) without overflow."""
    from symtensor.ops.reduce import Reduction
    from symtensor.ops.softmax import LogSumExp

    total = node.inputs[0].owner
    if total is None or not isinstance(total.op, Reduction) or total.op.name != "sum":
        return None
    inner = total.inputs[0].owner
    if inner is None or inner.op is not exp or not is_float(inner.inputs[0].type.dtype):
        return None
    return LogSumExp(total.op.axis)(inner.inputs[0])




@rewrite("stabilize", mul)
def gradient_of_log_of_sum_of_exp(node: Apply, facts: Facts) -> Any:
    """(a / sum(exp(x))) exp(x) is a exp(x - logsumexp(x)). Where (a / (exp(x) + exp(y))) is summed to the shape of x,
    the factor exp(x) goes under the sum, where rules know the product."""
    from symtensor.ops.dimshuffle import DimShuffle
    from symtensor.ops.reduce import Reduction, SumTo
    from symtensor.ops.softmax import LogSumExp

    def owner(variable: Variable) -> Any:
        return variable.owner or node

    for k, factor in enumerate(node.inputs):
        rest = [*node.inputs[:k], *node.inputs[k + 1:]]
        spread = owner(factor).op if isinstance(owner(factor).op, (DimShuffle, SumTo)) else None
        quotient = owner(owner(factor).inputs[0] if spread is not None else factor)
        exps = [v for v in rest if owner(v).op is exp and is_float(v.type.dtype)]
        if quotient.op is not true_div or not exps:
            continue
        total, e = owner(quotient.inputs[1]), exps[0]
        others = [v for v in rest if v is not e]
        if isinstance(spread, SumTo) and total.op is add and e in total.inputs and owner(factor).inputs[1] is e:
            return mul(spread(mul(quotient.outputs[0], e), e), *others)
        if isinstance(total.op, Reduction) and total.op.name == "sum" and total.inputs[0] is e and (
                not isinstance(spread, SumTo)):
            inside = owner(e).inputs[0]
            a, below = quotient.inputs[0], LogSumExp(total.op.axis)(inside)
            if spread is not None:
                a, below = (v if v.type.ndim == node.outputs[0].type.ndim else spread(v) for v in (a, below))
            return mul(a, exp(sub(inside, below)), *others)
    return None
