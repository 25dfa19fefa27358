# ruff: noqa: F403
"""Fourier transforms: ``rfft`` and ``irfft`` have the layout of ``theano.tensor.fft``, the others are NumPy's.

>>> from symtensor import tensor as T
>>> T.fft.rfft(T.fmatrix()).type.ndim, T.fft.fftn(T.fmatrix()).type.dtype
(3, 'complex64')
"""

from __future__ import annotations

from symtensor.ops.fft import *
