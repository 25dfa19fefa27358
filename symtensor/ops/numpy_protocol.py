"""NumPy's functions on symbolic variables: ``np.exp(x)`` and ``np.sum(x, axis=0)`` make graphs.

A NumPy function means ours of the same name; `numpy_functions` has those that mean more than one of ours. Arguments go
by NumPy's parameter names; one that ours does not take, and every function that is not listed, is a TypeError with the
remedy. Nothing ever makes an array of Python objects.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import language
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import cast
from symtensor.ops.numpy_functions import FUNCTIONS, UFUNCS, reduction

__all__ = ["SAME", "array_function", "array_ufunc", "find_ufunc"]

SAME = frozenset("""
    allclose argmax argmin bincount broadcast_arrays broadcast_to choose compress cumprod cumsum diag diagonal diff dot
    einsum empty_like expand_dims fix flatnonzero flip fliplr flipud full_like i0 imag inner intersect1d isclose isin
    isneginf isposinf kron linspace mean meshgrid moveaxis nan_to_num ones_like outer pad ptp ravel_multi_index real
    repeat reshape roll rollaxis rot90 searchsorted setdiff1d sinc squeeze std swapaxes take tensordot tile trace
    transpose tril triu union1d unique unravel_index vander var zeros_like fft.fft fft.fft2 fft.fftn fft.fftshift
    fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.ihfft fft.irfftn fft.rfftn linalg.cholesky linalg.det
    linalg.eig linalg.eigh linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul linalg.matrix_power linalg.norm
    linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.tensordot linalg.tensorinv
    linalg.tensorsolve
""".split())  # noqa: SIM905
"""NumPy functions that are ours under the same name, below `symtensor.tensor`, with the same first arguments."""

REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all",
              "logical_or": "any"}
_ACCUMULATIONS = {"add": "cumsum", "multiply": "cumprod"}
_REMEDY = "build it from the functions of symtensor.tensor, or take the value with .eval()"


def _ours(path: str) -> Callable[..., Any] | None:
    """The function of the tensor language at ``path``, or None."""
    try:
        found: Callable[..., Any] = language[-1](path)
    except AttributeError:
        return None
    return found


# -- ufuncs --------------------------------------------------------------------------------------------------------


@functools.lru_cache(512)
def find_ufunc(ufunc: Any) -> Callable[..., Any] | None:
    """Our function for a ufunc of NumPy or ``scipy.special``; None where there is none, or it is another library's."""
    name = ufunc.__name__
    if all(getattr(home, name, None) is not ufunc for home in (np, sys.modules.get("scipy.special"))):
        return None
    return UFUNCS.get(name) or _ours(name)


def array_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What ``x.__array_ufunc__`` gives: the call of a ufunc, or of its reduce, accumulate or outer."""
    label = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    function = find_ufunc(ufunc)
    if function is None:
        raise TypeError(f"{label} takes no symbolic variable; {_REMEDY}")
    given = {name: value for name, value in kwargs.items() if name not in ("casting", "order", "subok")}
    if given.pop("out", None) is not None:
        raise TypeError(f"{label}: symbolic variables cannot be computed into an array (out=, or array += variable); "
                        "write a = a + x")
    dtype = given.pop("dtype", None)
    if method == "reduce" and ufunc.__name__ in REDUCTIONS:
        return reduction(REDUCTIONS[ufunc.__name__], *inputs, **{"axis": 0, **given, "dtype": dtype})
    # A dtype is that of the operands too, except of predicates.
    operands = [value if dtype is None or np.dtype(dtype) == bool else cast(value, dtype) for value in inputs]
    if method == "accumulate" and ufunc.__name__ in _ACCUMULATIONS:
        return language[-1](_ACCUMULATIONS[ufunc.__name__])(*operands, **{"axis": 0, **given})
    if given.pop("where", True) is not True:
        raise TypeError(f"{label}: where= leaves elements without a value; write switch(condition, {ufunc.__name__}"
                        "(...), other)")
    if method not in ("__call__", "outer") or given:
        raise TypeError(f"{label} takes no {', '.join(f'{name}=' for name in given) or 'symbolic variable'}; {_REMEDY}")
    if method == "outer":
        first, second = map(as_tensor_variable, operands)
        operands = [dimshuffle(first, [*range(first.type.ndim), *["x"] * second.type.ndim]), second]
    return function(*operands)


# -- functions -----------------------------------------------------------------------------------------------------


def _path(function: Callable[..., Any]) -> str:
    module = (getattr(function, "__module__", None) or "numpy").removeprefix("numpy").removeprefix(".")
    return f"{module}.{function.__name__}" if module else function.__name__


def _find(path: str) -> Callable[..., Any] | None:
    return FUNCTIONS.get(path) or (_ours(path) if path in SAME else None)


def array_function(function: Callable[..., Any], types: Sequence[type], args: Sequence[Any],
                   kwargs: Mapping[str, Any]) -> Any:
    """What ``x.__array_function__`` gives: our function for NumPy's, or a TypeError that names it; NotImplemented where
    other libraries take part, who may know better."""
    if not all(issubclass(kind, (Variable, np.ndarray)) for kind in types):
        return NotImplemented
    path = _path(function)
    ours = _find(path)
    if ours is None:
        raise TypeError(f"numpy.{path} takes no symbolic variable; {_REMEDY}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # NumPy before 2.4 has functions in C without one
        return ours(*args, **kwargs)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= value
        elif parameter.default is parameter.empty:
            positional.append(value)
        elif not _is_default(value, parameter.default):
            named[name] = value
    refused = set(named) - set(inspect.signature(ours).parameters)
    if refused:
        raise TypeError(f"numpy.{path} takes no {', '.join(f'{name}=' for name in sorted(refused))} with a symbolic "
                        f"variable; {_REMEDY}")
    return ours(*positional, **named)


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (bool, int, float, str)) and type(value) is type(default)
                                and value == default)
