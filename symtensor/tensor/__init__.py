# ruff: noqa: F401, F403  (names are imported to be found here)
"""The tensor language: what users type as ``T.``.

>>> from symtensor import tensor as T
>>> x, y = T.dmatrices("x", "y")
>>> z = T.tanh(x).dot(y) + 1
>>> z.type
TensorType(float64, matrix)
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import Lop, grad
from symtensor.autodiff.jacobians import hessian, jacobian
from symtensor.autodiff.stop import consider_constant
from symtensor.autodiff.verify import verify_grad
from symtensor.config import config
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.argreduce import argmax, argmin, max_and_argmax, ptp
from symtensor.ops.blas import batched_dot, batched_tensordot, dot, inner, matmul, outer, tensordot
from symtensor.ops.constant_value import get_scalar_constant_value
from symtensor.ops.convert import NotScalarConstantError, as_tensor_variable, constant
from symtensor.ops.create import (
    alloc,
    arange,
    empty,
    empty_like,
    fill,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.elementwise import (
    abs_,
    add,
    and_,
    broadcast_dim,
    cast,
    ceil,
    clip,
    divide,
    eq,
    floor,
    ge,
    gt,
    int_div,
    inv,
    invert,
    iround,
    isfinite,
    isinf,
    isnan,
    le,
    left_shift,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    neq,
    or_,
    pow,
    right_shift,
    round,
    round_half_away_from_zero,
    round_half_to_even,
    second,
    sgn,
    sqr,
    sub,
    switch,
    tensor_copy,
    true_div,
    trunc,
    xor,
)
from symtensor.ops.elementwise_close import allclose, isclose
from symtensor.ops.elementwise_complex import angle, complex, complex_from_polar, conj, imag, real
from symtensor.ops.elementwise_math import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
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
    log10,
    logaddexp,
    rad2deg,
    sigmoid,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
)
from symtensor.ops.elementwise_special import erf, erfc, erfcinv, erfinv, gamma, gammaln, psi, tri_gamma
from symtensor.ops.index_advanced import flatnonzero, nonzero, nonzero_values, take
from symtensor.ops.index_set import inc_subtensor, set_subtensor
from symtensor.ops.join import concatenate, horizontal_stack, join, split, stack, stacklists, vertical_stack
from symtensor.ops.reduce import all, any, max, mean, min, prod, std, sum, var
from symtensor.ops.repeat import repeat
from symtensor.ops.reshape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    atleast_Nd,
    expand_dims,
    flatten,
    moveaxis,
    ravel,
    reshape,
    shape_padaxis,
    shape_padleft,
    shape_padright,
    squeeze,
    swapaxes,
)
from symtensor.ops.shape import (
    addbroadcast,
    broadcast_shape,
    get_vector_length,
    patternbroadcast,
    shape,
    size,
    specify_shape,
    unbroadcast,
)
from symtensor.ops.softmax import logsumexp
from symtensor.ops.tensor_variable import TensorConstant, TensorSharedVariable, TensorVariable
from symtensor.ops.triangle import diag, diagonal, eye, identity, identity_like, trace, tri, tril, triu
from symtensor.tensor import constructors, nnet
from symtensor.tensor.constructors import *

if _TYPE_CHECKING:

    def __getattr__(name: str) -> _Any:
        """Constructors are made from tables, which type checkers do not run."""

# Second names, Theano's and NumPy's.
absolute = abs = abs_
as_tensor = as_tensor_variable
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert
conjugate = conj
truediv = true_div
floor_div = floor_divide = floordiv = intdiv = int_div
multiply, subtract, negative, power, remainder = mul, sub, neg, pow, mod
not_equal = neq
reciprocal = inv
sign = sgn
square = sqr
where = switch

__all__ = [name for name in globals() if not name.startswith("_") and name != "annotations"]
