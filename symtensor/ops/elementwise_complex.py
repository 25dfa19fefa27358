"""Parts of complex numbers.

The gradient of a real cost with respect to a complex z is dC/dRe(z) + i dC/dIm(z), as in Theano.
`Elemwise.L_op` conjugates what enters and leaves the gradient of a function with complex results, so that
holomorphic functions are written as real ones; the records here that are not holomorphic allow for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.types import is_complex, upcast
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import abs_, cast, mul, neg, switch, true_div, zero_gradient
from symtensor.ops.elementwise_compare import eq
from symtensor.ops.elementwise_math import cos, sin
from symtensor.ops.elemwise import Elemwise, elementwise

__all__ = ["angle", "complex", "complex_from_polar", "conj", "imag", "real"]

_JOIN = """
static inline float _Complex st_complexf(float re, float im) {
    union { float part[2]; float _Complex z; } u = {{re, im}};
    return u.z;
}
static inline double _Complex st_complex(double re, double im) {
    union { double part[2]; double _Complex z; } u = {{re, im}};
    return u.z;
}
"""

_COMPLEX_OF = {"float16": "complex64", "float32": "complex64", "float64": "complex128"}


def _complex_dtype(*dtypes: str) -> str:
    return _COMPLEX_OF[upcast(*(d if d.startswith("float") else upcast(d, "float32") for d in dtypes))]


def _real_part(dtype: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def _complex_operands(*dtypes: str) -> list[str]:
    return [_real_part(_complex_dtype(*dtypes))] * len(dtypes)


def _join(re: np.ndarray[Any, Any], im: np.ndarray[Any, Any]) -> Any:
    z = np.empty(np.broadcast_shapes(re.shape, im.shape), np.result_type(re.dtype, np.complex64))
    z.real, z.imag = re, im
    return z


complex = elementwise(
    "complex", "st_complex{f}({0}, {1})", numpy=_join, grad=lambda g, y, re, im: (real(g), neg(imag(g))),
    nin=2,
    dtype=_complex_dtype, operands=_complex_operands, accepts="biuf", support=_JOIN,
    doc="complex(re, im): the complex number with these parts.",
)

conj: Elemwise = elementwise(
    "conj", {"complex": "conj{f}({0})", "*": "{0}"}, numpy=lambda x: np.conj(x) if x.dtype.kind == "c" else x,
    grad=lambda g, y, x: (conj(g),), doc="The complex conjugate; real numbers stay.",
)

real: Elemwise = elementwise("real", {"complex": "creal{f}({0})", "*": "{0}"}, numpy=np.real, dtype="real",
                   grad=lambda g, y, x: (cast(g, x.type.dtype),), doc="The real part.")

imag: Elemwise = elementwise(
    "imag", {"complex": "cimag{f}({0})", "*": "({T})0"}, numpy=np.imag, dtype="real",
    doc="The imaginary part.",
    grad=lambda g, y, x: (mul(g, np.complex64(1j)),) if is_complex(x.type.dtype) else zero_gradient(g, y, x),
)


def _angle_grad(g: Variable, y: Variable, x: Variable) -> Any:
    if not is_complex(x.type.dtype):
        return zero_gradient(g, y, x)
    size = mul(abs_(x), abs_(x))
    zero = eq(size, 0)
    return (switch(zero, 0, mul(true_div(g, switch(zero, 1, size)), mul(x, np.complex64(1j)))),)


angle = elementwise(
    "angle", {"complex": "carg{f}({0})", "float": "atan2{f}(({T})0, {0})"},
    numpy=lambda x: np.angle(x).astype(np.real(x).dtype, copy=False), grad=_angle_grad, sample=(0.5, 3.0),
    dtype=lambda d: _real_part(d) if is_complex(d) else upcast(d,
                                                               "float32") if not d.startswith("float") else d,
    doc="The angle of a complex number in (-pi, pi]; of a negative number pi.",
)


def complex_from_polar(abs: Any, angle: Any) -> Variable:
    """The complex number of this absolute value and angle."""
    abs, angle = as_tensor_variable(abs), as_tensor_variable(angle)
    result: Variable = complex(mul(abs, cos(angle)), mul(abs, sin(angle)))
    return result
