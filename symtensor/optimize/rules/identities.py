"""Functions of functions: inverses, even and odd functions, parts of complex numbers.

Canonical rules preserve every value; stable ones give what exact arithmetic would (see `stabilize`).
"""

from __future__ import annotations

import math
from typing import Any

from symtensor.graph.types import is_complex, is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import constant
from symtensor.ops.elementwise import add, ge, gt, sqr, sub, switch
from symtensor.ops.elementwise_complex import complex, conj, imag, real
from symtensor.ops.elementwise_extra import cbrt, sinc
from symtensor.ops.elementwise_math import (
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctanh,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    rad2deg,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
)
from symtensor.ops.elementwise_special import bell, erf
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import pattern, rewrite, rules

x, y = pattern("x y")


def floating(x: Variable, **_: Variable) -> bool:
    return is_float(x.type.dtype)


def not_complex(x: Variable, **_: Variable) -> bool:
    return not is_complex(x.type.dtype)


# -- even and odd ----------------------------------------------------------------------------------------------------

for _odd in (sin, tan, arcsin, arctan, sinh, arcsinh, tanh, arctanh, erf, cbrt):
    rules("canonicalize", (_odd(-x), -_odd(x)), name="odd_of_neg", when=floating)
for _even in (cos, cosh, sinc, bell):
    rules("canonicalize", (_even(-x), _even(x)), (_even(abs(x)), _even(x)), name="even_of_neg", when=floating)

# -- complex numbers -------------------------------------------------------------------------------------------------

rules("canonicalize", (conj(x), x), (real(x), x), (imag(x), 0), name="parts_of_real", when=not_complex)
rules("canonicalize", (conj(conj(x)), x), (real(conj(x)), real(x)), (imag(conj(x)), -imag(x)), (abs(conj(x)), abs(x)),
      (complex(real(x), imag(x)), x), name="parts_of_complex", when=lambda x: is_complex(x.type.dtype))
rules("canonicalize", (real(complex(x, y)), x), (imag(complex(x, y)), y), name="parts_of_complex")

# -- inverses --------------------------------------------------------------------------------------------------------

rules("stabilize", (log(exp(x)), x), (log1p(expm1(x)), x), (log2(exp2(x)), x), (arcsinh(sinh(x)), x),
      (sinh(arcsinh(x)), x), (arctanh(tanh(x)), x), (arccosh(cosh(x)), abs(x)),
      (deg2rad(rad2deg(x)), x), (rad2deg(deg2rad(x)), x), (sqrt(sqr(x)), abs(x)), name="inverse", when=floating)

_INVERSES: dict[Any, dict[Any, tuple[Any, float, float]]] = {
    exp: {log: (lambda v: v, 0, math.inf), log1p: (lambda v: add(1, v), -1, math.inf),
          softplus: (lambda v: add(1, exp(v)), -math.inf, math.inf)},
    expm1: {log: (lambda v: sub(v, 1), 0, math.inf), log1p: (lambda v: v, -1, math.inf),
            softplus: (exp, -math.inf, math.inf)},
    exp2: {log2: (lambda v: v, 0, math.inf)},
    sqr: {sqrt: (lambda v: v, 0, math.inf)},
    tanh: {arctanh: (lambda v: v, -1, 1)},
    cosh: {arccosh: (lambda v: v, 1, math.inf)},
    sin: {arcsin: (lambda v: v, -1, 1)},
}
"""What a function of another one is, and where: beyond, the inner one is nan."""


@rewrite("stabilize", *_INVERSES)
def inverse_on_domain(node: Apply, facts: Facts) -> Any:
    """exp(log(x)) is x, exp(log1p(x)) is 1 + x, tanh(arctanh(x)) is x, ...; nan where the inner function is."""
    inner = node.inputs[0].owner
    found = None if inner is None else _INVERSES[node.op].get(inner.op)
    if found is None or inner is None or not is_float(node.outputs[0].type.dtype):
        return None
    value, (make, low, high) = inner.inputs[0], found
    result, nan = make(value), constant(math.nan, dtype=node.outputs[0].type.dtype)
    if low > -math.inf:
        result = switch(ge(value, low), result, nan)
    return switch(gt(value, high), nan, result) if high < math.inf else result
