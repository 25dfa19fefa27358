"""Cases of Fourier transforms."""

from __future__ import annotations

from functools import partial

import numpy as np
from cases import case as full_case

from symtensor import tensor as T

case = partial(full_case, dtypes="d")

F, N = T.fft, np.fft
LOOSE = {"f": 1e-5, "d": 1e-12, "F": 1e-5, "D": 1e-12, "e": 4e-3}


def parts(z):
    """A complex tensor as a real one, so that its derivatives are checked too."""
    return [T.real(z), T.imag(z)]


def real_parts(z):
    return [z.real, z.imag]


def add(name, symbolic, reference, inputs, **fields):
    case(f"fft/{name}", symbolic, reference, inputs, rtol=LOOSE, sizes=(1, 2, 5), static="None" in name, **fields)


def dense(x, y):
    """The complex tensor of two real ones."""
    return (x + 1j * y).astype(np.result_type(x, np.complex64))


for norm in (None, "ortho", "forward"):
    add(f"fft/{norm}", lambda x, norm=norm: parts(F.fft(x, axis=0, norm=norm)),
        lambda x, norm=norm: real_parts(N.fft(x, axis=0, norm=norm)), lambda n, d: [d(n, 3, 2)],
        dtypes="FDfd" if norm is None else "d")
    add(f"irfftn/{norm}", lambda x, y, norm=norm: F.irfftn(T.complex(x, y), norm=norm),
        lambda x, y, norm=norm: N.irfftn(dense(x, y), norm=norm), lambda n, d: [d(n, 3), d(n, 3)],
        dtypes="d" if norm else "fd")
for name, keywords in (("ifft", {"n": 3}), ("fftn", {"norm": "ortho"}), ("ifftn", {"axes": (2, 0)}),
                       ("fft2", {"s": (4, 2)}), ("ifft2", {"axes": (0, 1)}), ("rfftn", {}), ("rfftn", {"axes": (0,)}),
                       ("rfftn", {"axes": (2, 0), "norm": "ortho"})):
    add(f"{name}/{keywords}", lambda x, name=name, k=keywords: parts(getattr(F, name)(x, **k)),
        lambda x, name=name, k=keywords: real_parts(getattr(N, name)(x, **k)), lambda n, d: [d(n, 3, 2)])
for norm, forth, back in ((None, None, None), ("ortho", "ortho", "ortho"), ("no_norm", "backward", "forward")):
    add(f"rfft/{norm}", lambda x, norm=norm: F.rfft(x, norm),
        lambda x, norm=forth: np.stack(real_parts(N.rfftn(x, axes=(1, 2), norm=norm)), -1), lambda n, d: [d(2, 3, n)],
        dtypes="d" if norm else "efd")
    add(f"irfft/{norm}", lambda x, norm=norm: F.irfft(x, norm, norm == "ortho"),
        lambda x, norm=norm, other=back: N.irfftn(dense(x[..., 0], x[..., 1]), (
            2, 2 * x.shape[2] - 2 + (norm == "ortho")), (1, 2), other), lambda n, d: [d(2, 2, n + 1, 2)])
add("irfftn/cut and filled", lambda x, y: F.irfftn(T.complex(x, y), (4, 7), (1, 0)),
    lambda x, y: N.irfftn(dense(x, y), (4, 7), (1, 0)), lambda n, d: [d(n, 3), d(n, 3)])
add("hfft", lambda x, y: F.hfft(T.complex(x, y), 5), lambda x, y: N.hfft(dense(x, y), 5),
    lambda n, d: [d(2, n + 1), d(2, n + 1)])
add("ihfft", lambda x: parts(F.ihfft(x)), lambda x: real_parts(N.ihfft(x)), lambda n, d: [d(2, n)])
add("of integers", lambda x: parts(F.fft(x)), lambda x: real_parts(N.fft(x)), lambda n, d: [d(2, n)], dtypes="il",
    gradient=False)
case("fft/shift", lambda x: [F.fftshift(x), F.ifftshift(x, 0)], lambda x: [N.fftshift(x), N.ifftshift(x, 0)],
     lambda n, d: [d(n, 3)])
case("fft/freq", lambda x: [F.fftfreq(x.shape[0] + 1, 0.5), F.rfftfreq(x.shape[0] + 1, 0.5)],
     lambda x: [N.fftfreq(len(x) + 1, 0.5), N.rfftfreq(len(x) + 1, 0.5)], lambda n, d: [d(n)], gradient=False)
