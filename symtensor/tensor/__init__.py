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
from symtensor.graph.op import Op
from symtensor.graph.shared import SharedVariable
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.argreduce import argmax, argmin, max_and_argmax, ptp
from symtensor.ops.arrange import broadcast_arrays, broadcast_to, flip, fliplr, flipud, pad, roll, rollaxis, rot90
from symtensor.ops.blas import batched_dot, batched_tensordot, dot, inner, matmul, outer, tensordot
from symtensor.ops.constant_value import get_scalar_constant_value
from symtensor.ops.convert import NotScalarConstantError, as_tensor_variable, constant
from symtensor.ops.count import choose, intersect1d, isin, setdiff1d, union1d
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
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle, transpose
from symtensor.ops.einsum import einsum
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
from symtensor.ops.elementwise_extra import (
    cbrt,
    ceil_intdiv,
    copysign,
    divmod,
    fmod,
    heaviside,
    isneginf,
    isposinf,
    largest,
    log1mexp,
    log_sigmoid,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    mod_check,
    nan_to_num,
    nextafter,
    signbit,
    sinc,
    smallest,
)
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
    hypot,
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
from symtensor.ops.elementwise_special import (
    betainc,
    chi2sf,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    gamma,
    gammainc,
    gammaincc,
    gammal,
    gammaln,
    gammau,
    i0,
    i1,
    iv,
    ive,
    j0,
    j1,
    jv,
    polygamma,
    psi,
    tri_gamma,
    xlog1py,
    xlogx,
    xlogy,
    xlogy0,
)
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.grid import geomspace, linspace, logspace, meshgrid, mgrid, ogrid, vander
from symtensor.ops.host import load
from symtensor.ops.identity import Rebroadcast
from symtensor.ops.index_advanced import (
    compress,
    flatnonzero,
    nonzero,
    nonzero_values,
    put_along_axis,
    take_along_axis,
    where,
)
from symtensor.ops.join import concatenate, horizontal_stack, join, split, stack, stacklists, vertical_stack
from symtensor.ops.linalg_more import kron
from symtensor.ops.reduce import all, any, max, mean, min, prod, std, sum, var
from symtensor.ops.repeat import repeat, tile
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
from symtensor.ops.tensor_variable import TensorOperators as _tensor_py_operators
from symtensor.ops.triangle import (
    diag,
    diagonal,
    eye,
    identity,
    identity_like,
    trace,
    tri,
    tril,
    tril_indices,
    triu,
    triu_indices,
)
from symtensor.tensor import (
    basic,
    constructors,
    elemwise,
    extra_ops,
    fft,
    io,
    linalg,
    nlinalg,
    nnet,
    opt,
    random,
    raw_random,
    shared_randomstreams,
    slinalg,
    subtensor,
    utils,
)
from symtensor.tensor.constructors import *
from symtensor.tensor.extra_ops import *
from symtensor.tensor.sort import *
from symtensor.tensor.subtensor import *

if _TYPE_CHECKING:

    def __getattr__(name: str) -> _Any:
        """Constructors are made from tables, which type checkers do not run."""

# Second names, Theano's and NumPy's.
absolute = abs = abs_
Tensor = TensorType
as_tensor = as_tensor_variable
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert
conjugate = conj
truediv = true_div
floor_div = floor_divide = floordiv = intdiv = int_div
multiply, subtract, negative, power, remainder = mul, sub, neg, pow, mod
not_equal, equal, less, less_equal, greater, greater_equal = neq, eq, lt, le, gt, ge
log1pexp, digamma, rint, fix, fabs = softplus, psi, round_half_to_even, trunc, abs_
radians, degrees = deg2rad, rad2deg
reciprocal = inv
sign = sgn
square = sqr

__all__ = [name for name in globals() if not name.startswith("_") and name != "annotations"]
