"""Derivatives by finite differences: `numeric_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["TOLERANCE", "numeric_grad"]

Array = np.ndarray[Any, Any]

TOLERANCE = {"float16": 5e-2, "float32": 1e-3, "float64": 1e-6}
"""Default absolute and relative tolerance of `verify_grad` by dtype: Theano's are 5e-2, 1e-2, 1e-4.
Extrapolated differences reach 1e-10 in float64 on smooth functions; 1e-6 leaves room for steep ones."""


class numeric_grad:
    """The gradient of a function of arrays by central differences (Theano's name); it is ``.gf``.

    Parameters
    ----------
    f : a function of the arrays that returns a number.
    pt : the point: a float array, or a list of them.
    eps : the step; by default several steps are tried and extrapolated to zero (Ridders, 1982), keeping for
        each element the value with the least estimated error.
    out_type : the dtype that ``f`` computes in, where lower than that of ``pt``; steps are chosen
        accordingly.

    >>> import numpy as np
    >>> numeric_grad(lambda x: (x ** 3).sum(), np.array([1.0, 2.0])).gf.round(8)
    array([ 3., 12.])
    """

    def __init__(self, f: Callable[..., Any], pt: Any, eps: float | None = None,
                 out_type: Any = None) -> None:
        single = not isinstance(pt, (list, tuple))
        points = [np.array(p) for p in ([pt] if single else pt)]
        for at, point in enumerate(points):
            if point.dtype.name not in TOLERANCE:
                raise TypeError(f"numeric_grad: argument {at} has dtype {point.dtype}, it must be float16, "
                                "float32 or float64")
        dtypes = [point.dtype.name for point in points]
        dtypes += [np.dtype(out_type).name] if out_type is not None else []
        coarse = min((d for d in dtypes if d in TOLERANCE), key=lambda d: np.finfo(d).bits, default="float64")
        grads = [np.zeros(point.shape, dtype=point.dtype) for point in points]
        for point, result in zip(points, grads, strict=True):
            for position in np.ndindex(point.shape):
                result[position] = self._element(f, points, point, position, eps, coarse)
        self.gf: Any = grads[0] if single else grads

    @staticmethod
    def _slope(f: Callable[..., Any], points: list[Array], point: Array, position: Any, step: float) -> float:
        """One central difference, with the step that the dtype of the point really makes."""
        center = point[position]
        with np.errstate(all="ignore"):  # outside of the domain it is nan: smaller steps follow
            try:
                point[position] = center + step
                above, high = float(f(*[p.copy() for p in points])), float(point[position])
                point[position] = center - step
                below, low = float(f(*[p.copy() for p in points])), float(point[position])
            finally:
                point[position] = center
            return float(np.divide(above - below, high - low))

    @classmethod
    def _element(cls, f: Callable[..., Any], points: list[Array], point: Array, position: Any,
                 eps: float | None, coarse: str) -> float:
        if eps is not None:
            return cls._slope(f, points, point, position, eps)
        size = abs(float(point[position]))
        step = max(size, 1 / 64) / 8 if coarse == "float64" else max(size, 0.25) / 4
        step = max(min(step, 0.5), size * 1e3 * float(np.finfo(point.dtype).eps))
        best, least = np.nan, np.inf
        last: list[float] = []
        for level in range(10):
            row = [cls._slope(f, points, point, position, step / 2**level)]
            for order, coarser in enumerate(last, start=1):  # Neville's table in the square of the step
                row.append(row[-1] + (row[-1] - coarser) / (4.0**order - 1))
                error = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
                if error < least:
                    best, least = row[-1], error
            if least <= 1e-12 * abs(best):
                break
            last = row if np.isfinite(row[-1]) else []
        return best

    @staticmethod
    def abs_rel_err(a: Any, b: Any) -> tuple[Any, Any]:
        """The absolute error, and that over |a| + |b| (over 1e-8 at least), as Theano defines them.

        Where one of the two is not finite and they are not the same, both errors are inf.
        """
        a, b = np.asarray(a, dtype="float64"), np.asarray(b, dtype="float64")
        with np.errstate(all="ignore"):
            abs_err = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
            rel_err = abs_err / np.maximum(np.abs(a) + np.abs(b), 1e-8)
        broken = np.isnan(abs_err) | np.isinf(abs_err)
        return np.where(broken, np.inf, abs_err), np.where(broken, np.inf, rel_err)

    def abs_rel_errors(self, g_pt: Any) -> list[tuple[Any, Any]]:
        """The errors of a list of gradients, as `abs_rel_err`; ValueError where a shape differs."""
        mine = self.gf if isinstance(self.gf, list) else [self.gf]
        theirs = g_pt if isinstance(g_pt, (list, tuple)) else [g_pt]
        if len(mine) != len(theirs):
            raise ValueError(f"verify_grad: there are {len(mine)} argument(s) but {len(theirs)} gradient(s)")
        for at, (a, b) in enumerate(zip(theirs, mine, strict=True)):
            if np.shape(a) != b.shape:
                raise ValueError(f"verify_grad: the gradient of argument {at} has shape {np.shape(a)}, the "
                                 f"argument has shape {b.shape}")
        return [self.abs_rel_err(a, b) for a, b in zip(theirs, mine, strict=True)]

    def max_err(self, g_pt: Any, abs_tol: float, rel_tol: float) -> tuple[int, int, float, float]:
        """Where a list of gradients is worst: (argument, flat position, absolute error, relative error).

        An element is as bad as the smaller of its errors in units of its tolerance.
        """
        worst = (0, 0, 0.0, 0.0)
        badness = -1.0
        for at, (abs_err, rel_err) in enumerate(self.abs_rel_errors(g_pt)):
            scaled = np.minimum(abs_err / abs_tol, rel_err / rel_tol)
            if scaled.size and scaled.max() > badness:
                position = int(scaled.argmax())
                badness = float(scaled.flat[position])
                worst = (at, position, float(abs_err.flat[position]), float(rel_err.flat[position]))
        return worst
