"""Spellings that lose digits or overflow, replaced by ones that do not.

These rules may change values: to those that exact arithmetic would give. Where the left side is finite both agree up
to its rounding errors.
"""

from __future__ import annotations

import math
from typing import Any

from symtensor.graph.types import is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import constant
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elementwise import add, inv, lt, minimum, mul, neg, sgn, sqr, sub, switch, true_div
from symtensor.ops.elementwise_extra import copysign, log1mexp
from symtensor.ops.elementwise_math import (
    cos,
    cosh,
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    sigmoid,
    sin,
    sinh,
    softplus,
    sqrt,
    tanh,
)
from symtensor.ops.elementwise_special import bell, erf, erfc, erfcx
from symtensor.ops.reduce import Reduction, SumTo
from symtensor.ops.softmax import LogSumExp
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import constant_slot, pattern, rewrite, rules, uniform_value

x, y, a = pattern("x y a")
c = constant_slot("c")


def real(x: Variable, **_: Variable) -> bool:
    """Real numbers: the functions have no complex version."""
    return is_float(x.type.dtype)


# -- logarithms and exponentials -------------------------------------------------------------------------------------


def _exponents(variable: Variable, dtype: str) -> list[Variable] | None:
    """The logarithms of the terms of a sum of exponentials and positive numbers, None where it is no such sum."""
    node, value = variable.owner, uniform_value(variable)
    if value is not None:
        return [constant(math.log(value), dtype=dtype)] if value > 0 and math.isfinite(value) else None
    if node is not None and node.op is exp and is_float(node.inputs[0].type.dtype):
        return [node.inputs[0]]
    if node is None or node.op is not add or not is_float(variable.type.dtype) or len(node.inputs) > 8:
        return None
    parts = [_exponents(v, dtype) for v in node.inputs]
    return None if any(part is None for part in parts) else [v for part in parts for v in part or ()]


def _log_of_exponentials(variable: Variable) -> Variable | None:
    """log(exp(x) + exp(y) + exp(z) + 2) without overflow; None for sums that have rules of their own."""
    terms = _exponents(variable, variable.type.dtype) if is_float(variable.type.dtype) else None
    if terms is None or len(terms) > 12 or (len(terms) < 3 and not _with_number(terms)):
        return None
    total = terms[0]
    for term in terms[1:]:
        total = logaddexp(total, term)
    return total


def _with_number(terms: list[Variable]) -> bool:
    values = [uniform_value(term) for term in terms]
    return len(terms) == 2 and values.count(None) == 1 and 0 not in [v for v in values if v is not None]


@rewrite("stabilize", log, log1p)
def log_of_exponentials(node: Apply, facts: Facts) -> Any:
    """log(exp(x) + exp(y) + exp(z)) without overflow, also with positive numbers among the terms."""
    if node.op is log:
        return _log_of_exponentials(node.inputs[0])
    inner = node.inputs[0].owner
    return _log_of_exponentials(add(1, *node.inputs)) if inner is not None and inner.op is add else None


rules("stabilize", (log(1 + exp(x)), softplus(x)), (log1p(exp(x)), softplus(x)),
      (log(exp(x) + exp(y)), logaddexp(x, y)), (log(exp(x) - exp(y)), x + log1mexp(y - x)), when=real)
rules("stabilize", (log(1 + x), log1p(x)), (log(1 - x), log1p(-x)), when=real)
rules("stabilize", (exp(x) - 1, expm1(x)), (exp(x) + -1, expm1(x)), (1 - exp(x), -expm1(x)),
      (1 + expm1(x), exp(x)), when=real)
rules("stabilize", (log(1 - exp(x)), log1mexp(x)), (log1p(-exp(x)), log1mexp(x)), (log(-expm1(x)), log1mexp(x)),
      (log(expm1(x)), x + log1mexp(-x)), when=real)
rules("stabilize", ((a / abs(x)) * x, a * sgn(x)), ((a / sqr(x)) * x, a / x), (inv(abs(x)) * x, sgn(x)),
      (inv(sqr(x)) * x, inv(x)), name="divide_by_power", when=real)
rules("stabilize", (inv(exp(x)), exp(-x)), (1 / exp(x), exp(-x)), (sqrt(exp(x)), exp(x * 0.5)),
      (log(sqr(x)), log(abs(x)) * 2), (log(sqrt(x)), log(x) * 0.5), (log(inv(x)), -log(x)), (log(1 / x), -log(x)),
      name="log_of_power", when=real)

# -- the logistic family ---------------------------------------------------------------------------------------------

rules("stabilize", (1 / (1 + exp(-x)), sigmoid(x)), (inv(1 + exp(-x)), sigmoid(x)), (1 / (1 + exp(x)), sigmoid(-x)),
      (inv(1 + exp(x)), sigmoid(-x)), (exp(x) / (1 + exp(x)), sigmoid(x)), (exp(-x) / (1 + exp(-x)), sigmoid(-x)),
      when=real)
rules("stabilize", (log(sigmoid(x)), -softplus(-x)), (1 - sigmoid(x), sigmoid(-x)),
      (log1p(-sigmoid(x)), -softplus(x)), (log(1 - sigmoid(x)), -softplus(x)),
      (1 - 1 / (1 + exp(-x)), sigmoid(-x)), (sigmoid(x) / sigmoid(-x), exp(x)),
      (sigmoid(x) / (1 - sigmoid(x)), exp(x)), when=real)
rules("stabilize", (sqr(sigmoid(x)) * exp(-x), sigmoid(x) * sigmoid(-x)),
      (sqr(sigmoid(-x)) * exp(x), sigmoid(x) * sigmoid(-x)), (inv(sqr(1 + exp(x))), sqr(sigmoid(-x))),
      name="square_of_sigmoid", when=real)


def _factors(variable: Variable) -> list[Variable]:
    """The factors of a product, a square counted twice; none for 1."""
    node = variable.owner
    if uniform_value(variable) == 1:
        return []
    if node is not None and node.op is mul:
        return [part for v in node.inputs for part in _factors(v)]
    return [node.inputs[0]] * 2 if node is not None and node.op is sqr else [variable]


@rewrite("stabilize", sub)
def minus_part_of_sigmoid(node: Apply, facts: Facts) -> Any:
    """a - a sigmoid(x) is a sigmoid(-x), and a sigmoid(x) - a is -a sigmoid(-x)."""
    sides = [_factors(v) for v in node.inputs]
    if not is_float(node.outputs[0].type.dtype) or abs(len(sides[0]) - len(sides[1])) != 1:
        return None
    longer = len(sides[1]) > len(sides[0])
    rest = list(sides[longer])
    for factor in sides[not longer]:
        if factor not in rest:
            return None
        rest.remove(factor)
    if getattr(rest[0].owner, "op", None) is not sigmoid:
        return None
    other = sigmoid(neg(_argument(rest[0])))
    result = mul(*sides[not longer], other) if sides[not longer] else other
    return result if longer else neg(result)


rules("stabilize", (softplus(x) - x, softplus(-x)), (x - softplus(x), -softplus(-x)),
      (x + softplus(-x), softplus(x)), (softplus(x) - softplus(-x), x), (logaddexp(x, 0), softplus(x)),
      (x + softplus(y - x), logaddexp(x, y)), name="softplus_minus", when=real)

# -- hyperbolic functions --------------------------------------------------------------------------------------------

rules("stabilize", (exp(x) - exp(-x), sinh(x) * 2), (a * exp(x) - a * exp(-x), (a * 2) * sinh(x)),
      ((exp(x) + exp(-x)) * 0.5, cosh(x)),
      ((sinh(x) * 2) / (exp(x) + exp(-x)), tanh(x)), (sinh(x) / cosh(x), tanh(x)), name="hyperbolic", when=real)


@rewrite("stabilize", add, sub)
def difference_of_exponentials(node: Apply, facts: Facts) -> Any:
    """c exp(x) - c exp(-x) is 2 c sinh(x), for numbers c."""
    terms = [_scaled_exp(v) for v in node.inputs]
    if len(terms) != 2 or terms[0] is None or terms[1] is None:
        return None
    (c, u), (d, v) = terms
    if c != (d if node.op is sub else -d) or (facts.intern(neg(u)) is not v and facts.intern(neg(v)) is not u):
        return None
    return mul(constant(2 * c, dtype=node.outputs[0].type.dtype), sinh(u))


def _scaled_exp(variable: Variable) -> Any:
    """(c, u) of c exp(u)."""
    node = variable.owner
    if node is None or not is_float(variable.type.dtype):
        return None
    if node.op is exp:
        return 1.0, node.inputs[0]
    if node.op is neg:
        inner = _scaled_exp(node.inputs[0])
        return None if inner is None else (-inner[0], inner[1])
    if node.op is not mul or len(node.inputs) != 2:
        return None
    for value, other in (node.inputs, node.inputs[::-1]):
        if uniform_value(value) is not None and getattr(other.owner, "op", None) is exp:
            return float(uniform_value(value)), other.owner.inputs[0]  # type: ignore[union-attr]
    return None


rules("stabilize", (expm1(x) / (1 + exp(x)), tanh(x * 0.5)), ((-expm1(x)) / (1 + exp(x)), -tanh(x * 0.5)),
      (1 - sigmoid(x) * 2, -tanh(x * 0.5)), (sigmoid(x) * 2 - 1, tanh(x * 0.5)), (sigmoid(x) * 2 + -1, tanh(x * 0.5)),
      (1 - tanh(x), sigmoid(x * -2) * 2), (1 + tanh(x), sigmoid(x * 2) * 2), name="tanh_of_half", when=real)
rules("stabilize", (log(cosh(x)), (abs(x) + softplus(abs(x) * -2)) - math.log(2)),
      (log(1 - sqr(tanh(x))), (math.log(4) - abs(x) * 2) - softplus(abs(x) * -2) * 2),
      (log1p(-sqr(tanh(x))), (math.log(4) - abs(x) * 2) - softplus(abs(x) * -2) * 2), name="log_of_cosh", when=real)
rules("stabilize", (1 - cos(x), sqr(sin(x * 0.5)) * 2), (cos(x) - 1, sqr(sin(x * 0.5)) * -2),
      (cos(x) + -1, sqr(sin(x * 0.5)) * -2), name="one_minus_cos", when=real)

# -- the error function ----------------------------------------------------------------------------------------------

rules("stabilize", (1 - erf(x), erfc(x)), (1 + erf(x), erfc(-x)), (erf(x) - 1, -erfc(x)), (erf(x) + -1, -erfc(x)),
      (1 - erfc(x), erf(x)), (erfc(x) - 1, -erf(x)), (erfc(x) + -1, -erf(x)), name="one_minus_erf", when=real)
rules("stabilize", (log(erfc(x) * c), log(erfc(x)) + log(c)), name="log_of_scaled_erfc",
      when=lambda x, c: real(x) and uniform_value(c) > 0)
rules("stabilize", ((a / erfc(x)) * exp(-sqr(x)), a / erfcx(x)), ((a / erfc(x)) * bell(x), a / erfcx(x)),
      (inv(erfc(x)) * bell(x), inv(erfcx(x))), ((a / (erfc(x) * c)) * bell(x), a / (erfcx(x) * c)),
      name="gradient_of_log_erfc", when=real)


@rewrite("stabilize", log)
def log_of_erfc(node: Apply, facts: Facts) -> Any:
    """log(erfc(x)) by log1p where erfc is near 1, and by the scaled function where it underflows."""
    inner = node.inputs[0].owner
    if inner is None or inner.op is not erfc or not is_float(inner.inputs[0].type.dtype):
        return None
    x = inner.inputs[0]
    return switch(lt(x, constant(0.5, dtype=x.type.dtype)), log1p(neg(erf(x))), sub(log(erfcx(x)), sqr(x)))


# -- quotients of exponentials ---------------------------------------------------------------------------------------

rules("stabilize", (a / (1 + exp(x)), a * sigmoid(-x)), (a / (1 + exp(-x)), a * sigmoid(x)),
      (sigmoid(-x) * exp(x), sigmoid(x)), (sigmoid(x) * exp(-x), sigmoid(-x)),
      ((a * sigmoid(-x)) * exp(x), a * sigmoid(x)), ((a * sigmoid(x)) * exp(-x), a * sigmoid(-x)),
      name="quotient_of_exp", when=real)

rules("stabilize", (exp(x) / (exp(x) + exp(y)), sigmoid(x - y)), ((a / (exp(x) + exp(y))) * exp(x), a * sigmoid(x - y)),
      name="share_of_exp", when=real)

rules("stabilize", ((a / (exp(x) - exp(y))) * exp(x), a / (-expm1(y - x))),
      ((a / (exp(x) - exp(y))) * exp(y), a / expm1(x - y)),
      ((a / expm1(x)) * exp(x), (a * exp(minimum(x, 0))) / copysign(expm1(-abs(x)), x)),
      name="gradient_of_log_of_difference", when=real)

# Gradients of logarithms divide by what may round to 0, and multiply with it again.
rules("stabilize", ((a / sigmoid(x)) * sigmoid(x), a), ((a / exp(x)) * exp(x), a), (exp(x) * exp(-x), 1),
      ((a / exp(x)) * sigmoid(x), a * sigmoid(-x)), (a * sigmoid(x) + a * sigmoid(-x), a),
      (sigmoid(x) + sigmoid(-x), 1), name="divide_and_multiply", when=real)

_POSITIVE = (exp, sigmoid, softplus, cosh, inv)


@rewrite("stabilize", sub, whole=True)
def one_minus_square_of_tanh(node: Apply, facts: Facts) -> Any:
    """1 - tanh(x)**2, where nothing else needs tanh(x), without the rounding of 1 - 1."""
    if uniform_value(node.inputs[0]) != 1 or not _never_zero(node.outputs[0]):
        return None
    square: Any = node.inputs[1].owner
    if facts.clients(node.inputs[1]) != 1 or facts.clients(square.inputs[0]) != 1:
        return None
    twice = mul(square.inputs[0].owner.inputs[0], 2)
    return mul(4, sigmoid(twice), sigmoid(neg(twice)))


@rewrite("stabilize", mul)
def divide_and_multiply_again(node: Apply, facts: Facts) -> Any:
    """b (a / f(x)) f(x) is b a, for functions f that are never 0, wherever the quotient is in the product; such are
    1 / y and 1 - tanh(x)**2 too."""
    for k, factor in enumerate(node.inputs):
        if not _never_zero(factor):
            continue
        rest = [*node.inputs[:k], *node.inputs[k + 1:]]
        for j, value in enumerate(rest):
            product = _without_divisor(value, factor, 6)
            if product is not None:
                return mul(*rest[:j], product, *rest[j + 1:]) if len(rest) > 1 else product
    return None


def _never_zero(variable: Variable) -> bool:
    node = variable.owner
    if node is None or not is_float(variable.type.dtype):
        return False
    if node.op is sub and uniform_value(node.inputs[0]) == 1:
        square = node.inputs[1].owner
        return square is not None and square.op is sqr and getattr(square.inputs[0].owner, "op", None) is tanh
    if node.op is true_div:
        value = uniform_value(node.inputs[0])
        return value is not None and value != 0
    return node.op in _POSITIVE


def _without_divisor(value: Variable, divisor: Variable, depth: int) -> Variable | None:
    """``value * divisor`` where the value is a product with a quotient by the divisor; None where it is not."""
    node = value.owner
    if node is None or depth == 0:
        return None
    if node.op is true_div and node.inputs[1] is divisor:
        return node.inputs[0]
    if node.op not in (mul, neg) and node.op is not true_div:
        return None
    for k, operand in enumerate(node.inputs[:1] if node.op is true_div else node.inputs):
        product = _without_divisor(operand, divisor, depth - 1)
        if product is not None:
            return node.op(*node.inputs[:k], product, *node.inputs[k + 1:])
    return None


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
    total = node.inputs[0].owner
    kept = None if total is None or not isinstance(total.op, DimShuffle) or total.op.dropped else total
    total = total if kept is None else kept.inputs[0].owner
    if total is None or not isinstance(total.op, Reduction) or total.op.name != "sum":
        return None
    inner = total.inputs[0].owner
    if inner is None or inner.op is not exp or not is_float(inner.inputs[0].type.dtype):
        return None
    result = LogSumExp(total.op.axis)(inner.inputs[0])
    return result if kept is None else kept.op(result)


@rewrite("stabilize", mul, true_div)
def share_of_exponentials(node: Apply, facts: Facts) -> Any:
    """exp(x) / (exp(x) + exp(y) + exp(z)) is exp(x - log(...)), also where it is (a / (...)) exp(x)."""
    for k, factor in enumerate(node.inputs if node.op is mul else node.inputs[:1]):
        part = factor.owner
        if part is None or part.op is not exp:
            continue
        rest = [*node.inputs[:k], *node.inputs[k + 1:]]
        for j, value in enumerate(rest):
            quotient = value.owner if node.op is mul else node
            if quotient is None or quotient.op is not true_div:
                continue
            below = _log_of_exponentials(quotient.inputs[1])
            if below is None or factor not in _leaves(quotient.inputs[1]):
                continue
            share = exp(sub(part.inputs[0], below))
            return share if node.op is true_div else mul(*rest[:j], quotient.inputs[0], share, *rest[j + 1:])
    return None


def _leaves(variable: Variable) -> list[Variable]:
    """The terms of a sum or difference."""
    node = variable.owner
    return [variable] if node is None or node.op not in (add, sub) else [v for x in node.inputs for v in _leaves(x)]


@rewrite("stabilize", mul)
def gradient_of_log_of_sum_of_exp(node: Apply, facts: Facts) -> Any:
    """(a / sum(exp(x))) exp(x) is a exp(x - logsumexp(x)). Where (a / (exp(x) + exp(y))) is summed to the shape of x,
    the factor exp(x) goes under the sum, where rules know the product."""
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
        if isinstance(spread, SumTo) and e in _leaves(quotient.inputs[1]) and (
                facts.same_shape(owner(factor).inputs[1], e)):
            return mul(spread(mul(quotient.outputs[0], e), e), *others)
        kept = total.op if isinstance(total.op, DimShuffle) and not total.op.dropped and spread is None else None
        total = total if kept is None else owner(total.inputs[0])
        if isinstance(total.op, Reduction) and total.op.name == "sum" and total.inputs[0] is e and (
                not isinstance(spread, SumTo)):
            inside = owner(e).inputs[0]
            a, below = quotient.inputs[0], LogSumExp(total.op.axis)(inside)
            below = below if kept is None else kept(below)
            if spread is not None:
                a, below = (v if v.type.ndim == node.outputs[0].type.ndim else spread(v) for v in (a, below))
            return mul(a, exp(sub(inside, below)), *others)
    return None
