"""Discrete Fourier transforms: Theano's `rfft` and `irfft`, and the complex ones, with NumPy's names and norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, is_float, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.arrange import pad, roll
from symtensor.ops.convert import as_index, as_tensor_variable, static_value
from symtensor.ops.create import arange
from symtensor.ops.elementwise import cast, eq, ge, mul, or_, sub, switch, true_div
from symtensor.ops.elementwise_complex import complex as make_complex
from symtensor.ops.elementwise_complex import conj, imag, real
from symtensor.ops.elementwise_math import sqrt
from symtensor.ops.index import getitem
from symtensor.ops.join import stack
from symtensor.ops.reduction import normalize_axis as normalize_axes
from symtensor.ops.reshape import shape_padright
from symtensor.ops.shape import normalize_axis, shape_i

__all__ = ["FourierOp", "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft",
           "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft", "rfftfreq", "rfftn"]

_COMPLEX = {"float16": "complex64", "float32": "complex64", "float64": "complex128"}
_REAL = {"complex64": "float32", "complex128": "float64"}
_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward"}


class FourierOp(Op):
    """Sums ``y[k] = sum_j x[j] exp(-+ 2 pi i j k / n)`` over some axes, without factors, through NumPy's pocketfft.

    ``kind`` is "forward" (sign -) or "inverse" (+), of complex numbers; "real": forward, of real numbers, of which only
    the first n // 2 + 1 results are kept on the last of ``axes``, as the others are their conjugates; or "real
    inverse": real sums of such, with the size n of that axis as second input. Each is linear, and another's gradient.
    """

    __props__ = ("kind", "axes")
    without = {"native": "a host call: NumPy's FFT"}

    def __init__(self, kind: str, axes: Sequence[int]) -> None:
        self.kind = kind
        self.axes = tuple(axes)

    def make_node(self, x: Any, *n: Any) -> Apply:
        x, sizes = as_tensor_variable(x), [as_index(size) for size in n]
        dtype, shape = x.type.dtype, [*x.type.shape]
        if not (is_float(dtype) if self.kind == "real" else is_complex(dtype)):
            raise TypeError(f"{self}: {x} of type {x.type} is neither real nor complex as expected")
        self._check(shape)
        last = shape[self.axes[-1]]
        if self.kind == "real":
            dtype, last = _COMPLEX[dtype], None if last is None else last // 2 + 1
        elif sizes:
            dtype, last = _REAL[dtype], static_value(sizes[0])
        shape[self.axes[-1]] = last
        self._check(shape)
        return Apply(self, [x, *sizes], [TensorType(dtype, shape).make_variable()])

    def _check(self, shape: Sequence[int | None]) -> None:
        for axis in self.axes:
            if (size := shape[axis]) is not None and size < 1:
                raise ValueError(f"{self}: axis {axis} has {size} element(s); a transform needs one or more")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, axes, f = inputs[0], self.axes, np.fft
        sizes = [x.shape[axis] for axis in axes]
        self._check(x.shape)
        if self.kind == "real inverse":
            self._check([*x.shape[:axes[-1]], int(inputs[1]), *x.shape[axes[-1] + 1:]])
            if sizes[-1] != int(inputs[1]) // 2 + 1:
                raise ValueError(f"{self}: {sizes[-1]} number(s) for {inputs[1]} result(s), n // 2 + 1 are needed")
            result: Any = f.irfftn(x, [*sizes[:-1], int(inputs[1])], axes, norm="forward")
        elif self.kind == "inverse":
            result = f.ifftn(x, axes=axes, norm="forward")
        else:
            result = f.rfftn(x, axes=axes) if self.kind == "real" else f.fftn(x, axes=axes)
        outputs[0][0] = result.astype(node.outputs[0].type.dtype, copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        dims, last = list(shapes[0]), self.axes[-1]
        if self.kind.startswith("real"):
            dims[last] = d.add(d.int_div(dims[last], 2), 1) if self.kind == "real" else node.inputs[1]
        return [tuple(dims)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *[[False]] * (len(node.inputs) - 1)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g,), axes = output_grads, self.axes
        if not self.kind.startswith("real"):
            return [FourierOp("inverse" if self.kind == "forward" else "forward", axes)(g)]
        # a kept number counts twice, for its conjugate, where it is not its own
        n = shape_i(inputs[0], axes[-1]) if self.kind == "real" else inputs[1]
        places = arange(d.add(d.int_div(n, 2), 1))
        twice = switch(or_(eq(places, 0), eq(mul(places, 2), n)), 1, 2)
        weights = cast(shape_padright(twice, g.type.ndim - 1 - axes[-1]), _REAL.get(g.type.dtype, g.type.dtype))
        if self.kind == "real":
            return [FourierOp("real inverse", axes)(true_div(g, weights), n)]
        return [mul(FourierOp("real", axes)(g), weights), None]


# -- lengths and factors -----------------------------------------------------------------------------------------


def _fit(x: Variable, axes: Sequence[int], sizes: Sequence[Any]) -> Variable:
    """``x`` cut, or filled with zeros, to sizes along axes; None: as it is."""
    for axis, wanted in zip(axes, sizes, strict=True):
        size = shape_i(x, axis)
        n = size if wanted is None else as_index(wanted)
        if wanted is not None and (known := static_value(n)) is not None and known < 1:
            raise ValueError(f"fft: a transform of {known} elements; n is 1 or more")
        if n is not size:
            kept = d.minimum(size, n)
            x = getitem(x, (*(slice(None),) * axis, slice(kept)))
            x = pad(x, [(0, d.sub(n, kept) if k == axis else 0) for k in range(x.type.ndim)])
    return x


def _scaled(y: Variable, norm: str | None, sizes: Sequence[Variable], inverse: bool) -> Variable:
    """``y`` divided as ``norm`` says: "backward" (None) by n in the inverse, "forward" by n in the other, "ortho" by
    the square root of n in both, "no_norm" never."""
    if norm not in (None, "backward", "forward", "ortho", "no_norm"):
        raise ValueError(f"fft: norm is None, 'backward', 'forward', 'ortho' or 'no_norm', got {norm!r}")
    if norm == "no_norm" or ((norm == "forward") == inverse and norm != "ortho"):
        return y
    n = cast(d.product(sizes), _REAL.get(y.type.dtype, y.type.dtype))
    return true_div(y, sqrt(n) if norm == "ortho" else n)


def _plan(name: str, a: Any, s: Any, axes: Any) -> tuple[Variable, tuple[int, ...], list[Any]]:
    """The tensor, the axes in the order given, and the sizes asked for."""
    a = as_tensor_variable(a)
    if is_integer(a.type.dtype):
        a = cast(a, config.floatX if config.floatX != "float16" else "float32")
    if axes is None:
        axes = range(a.type.ndim) if s is None else range(a.type.ndim - len(s), a.type.ndim)
    axes = tuple(normalize_axis(axis, a.type.ndim, name) for axis in axes)
    if len(set(axes)) != len(axes) or not axes or (s is not None and len(s) != len(axes)):
        raise ValueError(f"{name}: axes {axes} and sizes {s}; give different axes, and a size for each")
    return a, axes, [None] * len(axes) if s is None else list(s)


def _complex_transform(name: str, a: Any, s: Any, axes: Any, norm: str | None) -> Variable:
    a, axes, sizes = _plan(name, a, s, axes)
    a, kind = _fit(a, axes, sizes), "inverse" if name.startswith("i") else "forward"
    y: Variable = FourierOp(kind, axes)(a if is_complex(a.type.dtype) else cast(a, _COMPLEX[a.type.dtype]))
    return _scaled(y, norm, [shape_i(a, axis) for axis in axes], kind == "inverse")


# -- complex transforms, with NumPy's signatures -----------------------------------------------------------------


def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Variable:
    """The discrete Fourier transform over ``axes`` (all by default), as NumPy's ``fft.fftn``.

    Parameters
    ----------
    a : a tensor; real numbers are made complex: float32 gives complex64, float64 and integers complex128.
    s : the number of elements along each axis, to which ``a`` is cut or filled with zeros; ints or integer scalars.
    norm : None or "backward": the inverse divides by n; "forward": this one does; "ortho": both by its square root;
        "no_norm": none.

    ValueError for repeated axes, ones out of range, or no elements. Gradients are transforms again.
    """
    return _complex_transform("fftn", a, s, axes, norm)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Variable:
    """The inverse of `fftn`."""
    return _complex_transform("ifftn", a, s, axes, norm)


def fft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The discrete Fourier transform along one axis, complex; see `fftn`.

    >>> fft([1.0, 0.0, 0.0]).eval()
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _complex_transform("fft", a, None if n is None else [n], [axis], norm)


def ifft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The inverse of `fft`."""
    return _complex_transform("ifft", a, None if n is None else [n], [axis], norm)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Variable:
    """`fftn` over the last two axes."""
    return _complex_transform("fft2", a, s, axes, norm)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Variable:
    """`ifftn` over the last two axes."""
    return _complex_transform("ifft2", a, s, axes, norm)


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Variable:
    """The transform of real numbers, complex: of the last of ``axes`` only n // 2 + 1 results, whose conjugates the
    others are (NumPy's ``fft.rfftn``; with one axis its ``fft.rfft``)."""
    a, axes, sizes = _plan("rfftn", a, s, axes)
    if is_complex(a.type.dtype):
        raise TypeError(f"rfftn: real numbers are expected, got {a} of type {a.type}; fftn takes complex ones")
    a = _fit(a, axes, sizes)
    return _scaled(FourierOp("real", axes)(a), norm, [shape_i(a, axis) for axis in axes], inverse=False)


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Variable:
    """The inverse of `rfftn`, real. Without ``s`` the last axis gets an even number of results, 2 (n - 1)."""
    a, axes, sizes = _plan("irfftn", a, s, axes)
    a = a if is_complex(a.type.dtype) else cast(a, _COMPLEX[a.type.dtype])
    if sizes[-1] is None:
        sizes[-1] = d.mul(d.sub(shape_i(a, axes[-1]), 1), 2)
    last = as_index(sizes[-1])
    a = _fit(a, axes, [*sizes[:-1], d.add(d.int_div(last, 2), 1)])
    counts = [*(shape_i(a, axis) for axis in axes[:-1]), last]
    return _scaled(FourierOp("real inverse", axes)(a, last), norm, counts, inverse=True)


def hfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The real transform of a signal with Hermitian symmetry, given its first half (NumPy's ``fft.hfft``)."""
    return irfftn(conj(as_tensor_variable(a)), None if n is None else [n], [axis], _SWAPPED.get(norm, norm))


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The inverse of `hfft`: the first half, complex, of a signal with Hermitian symmetry."""
    result: Variable = conj(rfftn(a, None if n is None else [n], [axis], _SWAPPED.get(norm, norm)))
    return result


def fftshift(x: Any, axes: Any = None) -> Variable:
    """``x`` with frequency zero moved to the middle of ``axes`` (default: all)."""
    x = as_tensor_variable(x)
    found = normalize_axes("fftshift", axes, x.type.ndim)
    return roll(x, tuple(d.int_div(shape_i(x, axis), 2) for axis in found), found)


def ifftshift(x: Any, axes: Any = None) -> Variable:
    """The inverse of `fftshift`."""
    x = as_tensor_variable(x)
    found = normalize_axes("ifftshift", axes, x.type.ndim)
    return roll(x, tuple(d.neg(d.int_div(shape_i(x, axis), 2)) for axis in found), found)


def fftfreq(n: Any, d: Any = 1.0) -> Variable:
    """The frequencies of the results of `fft` for ``n`` samples at a distance of ``d``; float64."""
    n = as_index(n)
    places = arange(n)
    signed = sub(places, switch(ge(mul(places, 2), n), n, 0))
    return cast(true_div(signed, mul(cast(n, "float64"), d)), "float64")


def rfftfreq(n: Any, d: Any = 1.0) -> Variable:
    """The frequencies of the results of `rfftn` over one axis for ``n`` samples at a distance of ``d``; float64."""
    n = as_index(n)
    return cast(true_div(arange(n // 2 + 1), mul(cast(n, "float64"), d)), "float64")  # type: ignore[operator]


# -- Theano's layout -----------------------------------------------------------------------------------------------


def rfft(inp: Any, norm: str | None = None) -> Variable:
    """The transform of real signals over all axes but the first, in Theano's layout.

    Parameters
    ----------
    inp : floats of shape (batch, ..., n).
    norm : None: no factor here, 1 / n in `irfft`; "ortho": the square root of that in both; "no_norm": none.

    The result has shape (batch, ..., n // 2 + 1, 2): real and imaginary parts side by side.
    """
    inp = as_tensor_variable(inp)
    if inp.type.ndim < 2:
        raise TypeError(f"rfft: a batch of signals (batch, ..., n) is expected, got {inp} of type {inp.type}; rfftn "
                        "takes single ones")
    y = rfftn(inp, axes=range(1, inp.type.ndim), norm=norm)
    return stack([real(y), imag(y)], axis=y.type.ndim)


def irfft(inp: Any, norm: str | None = None, is_odd: bool = False) -> Variable:
    """The inverse of `rfft`, in Theano's layout: from (batch, ..., n // 2 + 1, 2) to (batch, ..., n), where the last n
    is odd if ``is_odd`` says so."""
    if is_odd not in (True, False):
        raise ValueError(f"irfft: is_odd is a bool, got {is_odd!r}")
    inp = as_tensor_variable(inp)
    if inp.type.ndim < 3 or inp.type.shape[-1] not in (None, 2):
        raise TypeError(f"irfft: real and imaginary parts (batch, ..., n // 2 + 1, 2) are expected, got {inp} of type "
                        f"{inp.type}")
    y = make_complex(getitem(inp, (Ellipsis, 0)), getitem(inp, (Ellipsis, 1)))
    axes = range(1, y.type.ndim)
    last = d.add(d.mul(d.sub(shape_i(y, -1), 1), 2), int(is_odd))
    return irfftn(y, [*(shape_i(y, axis) for axis in axes[:-1]), last], axes, norm)
