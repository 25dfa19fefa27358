"""From Python and NumPy values to variables."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import converters
from symtensor.graph.types import DTYPES, INTEGER_DTYPES, TensorType, as_ndarray, complete_dtype, reject_masked
from symtensor.graph.variable import Apply, Constant, Variable

__all__ = ["BeyondMemory", "NotScalarConstantError", "as_index", "as_tensor_variable", "autocast", "constant",
           "int64_constant", "static_value"]


class NotScalarConstantError(Exception):
    """A graph's value is not known while it is built (Theano's name)."""


def autocast(value: Any) -> np.ndarray[Any, Any]:
    """The array that stands for a Python number, list or array, with the dtype ``config.cast_policy`` gives it.

    With policy 'custom' (Theano's default) a Python int gets the smallest signed integer dtype that holds it, a Python
    float gets floatX when that is float32 or float16, and else float32 where that is exact, float64 otherwise.
    Typed values (arrays, NumPy scalars) keep their dtype.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biufc" and not (array.dtype == object and array.size == 0):
        raise TypeError(f"{value!r} is no number or array of numbers (NumPy makes dtype {array.dtype} of it)")
    if not isinstance(value, numbers.Number):
        if array.dtype == np.float64 and (not array.size or _all_python(value)):
            return array.astype(config.floatX)
        return array
    if isinstance(value, bool):
        return array
    if config.cast_policy == "numpy+floatX":
        return array.astype(config.floatX) if array.dtype == np.float64 else array
    if isinstance(value, numbers.Integral):
        for dtype in ("int8", "int16", "int32", "int64"):
            info = np.iinfo(dtype)
            if info.min <= int(value) <= info.max:
                return np.asarray(value, dtype=dtype)
        return array
    if isinstance(value, numbers.Real):
        if config.floatX != "float64":
            return np.asarray(value, dtype=config.floatX)
        with np.errstate(over="ignore"):
            short = np.asarray(value, dtype="float32")
        return short if float(short) == value or value != value else array
    return array


def _all_python(value: Any) -> bool:
    """Whether a nested list holds no NumPy values, whose dtype was chosen on purpose."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, (np.ndarray, np.generic)):
            return False
    return True


def constant(x: Any, name: str | None = None, ndim: int | None = None, dtype: Any = None) -> Constant:
    """A constant variable of a number, list or array, of any library with DLPack (Theano's ``T.constant``).

    ``ndim`` prepends dimensions of 1, ``dtype`` converts. TypeError for what is not numeric.

    >>> constant(2).type
    TensorType(int8, scalar)
    """
    if isinstance(x, Variable):
        raise TypeError(f"constant: {x} is symbolic, not a value")
    reject_masked(x)
    x = as_ndarray(x)
    data = np.array(x, dtype=complete_dtype(dtype)) if dtype is not None else autocast(x)
    if data.dtype.name not in DTYPES:
        raise TypeError(f"constant: {x!r} has dtype {data.dtype}; the dtypes are {', '.join(DTYPES)}")
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if ndim is not None:
        if ndim < data.ndim:
            raise ValueError(f"constant: ndim={ndim} is less than the value's {data.ndim} dimension(s)")
        data = data.reshape((1,) * (ndim - data.ndim) + data.shape)
    return TensorType(data.dtype.name, data.shape).make_constant(data, name)


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> Variable:
    """``x`` as a tensor variable: variables as they are, lists with variables in them stacked, values as constants.

    Theano's ``T.as_tensor_variable``. ``ndim`` prepends dimensions of 1 (a ValueError where there are more already).

    >>> as_tensor_variable([1.5, 2]).type.shape
    (2,)
    """
    if isinstance(x, Apply):
        x = x.default_output()
    if hasattr(x, "_as_TensorVariable"):
        x = x._as_TensorVariable()
    if isinstance(x, Variable):
        if not isinstance(x.type, TensorType):
            raise TypeError(f"{x} of type {x.type} is not a tensor")
        if ndim is None or x.type.ndim == ndim:
            return x
        if x.type.ndim > ndim:
            raise ValueError(f"{x} has {x.type.ndim} dimensions, at most {ndim} are expected")
        from symtensor.ops.dimshuffle import pad_left

        return pad_left(x, ndim)
    if isinstance(x, (list, tuple)) and _holds_variable(x):
        from symtensor.ops.join import stack

        return as_tensor_variable(stack([as_tensor_variable(item) for item in x]), name, ndim)
    try:
        return constant(x, name, ndim)
    except (TypeError, ValueError) as error:
        raise TypeError(f"cannot make a tensor variable of {x!r} ({type(x).__name__}): {error}") from None


def _holds_variable(items: Any) -> bool:
    stack = [items]
    while stack:
        item = stack.pop()
        if isinstance(item, Variable):
            return True
        if isinstance(item, (list, tuple)):
            stack.extend(item)
    return False


_int64: dict[int, Constant] = {}


class BeyondMemory(ValueError):
    """A size of 2**63 elements or more."""


def int64_constant(value: int) -> Constant:
    """The int64 scalar constant that shapes are made of; small ones are made once."""
    found = _int64.get(value)
    if found is None:
        if not -2**63 <= value < 2**63:
            raise BeyondMemory(f"an array of {value} elements is beyond any memory: a size must be below 2**63")
        found = constant(value, dtype="int64")
        if -8 <= value <= 1024:
            _int64[value] = found
    return found


def as_index(x: Any) -> Variable:
    """``x`` as an int64 scalar, for shapes and positions; TypeError where it is no integer."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int64_constant(int(x))
    variable = as_tensor_variable(x)
    if variable.type.ndim != 0 or variable.type.dtype not in INTEGER_DTYPES:
        raise TypeError(f"a dimension or position is an integer scalar, got {variable} of type {variable.type}")
    if variable.type.dtype == "int64":
        return variable
    if isinstance(variable, Constant):
        return int64_constant(min(int(variable.data), 2**63 - 1))
    from symtensor.ops.elementwise import cast, minimum

    if variable.type.dtype == "uint64":  # too large stays so, instead of negative
        variable = minimum(variable, constant(2**63 - 1, dtype="uint64"))
    return cast(variable, "int64")


def static_value(x: Any) -> int | None:
    """The int a scalar stands for where that is known while the graph is built, else None."""
    if isinstance(x, (int, np.integer)):
        return int(x)
    if isinstance(x, Constant) and x.data.ndim == 0 and x.data.dtype.kind in "biu":
        return int(x.data)
    return None


converters.append(as_tensor_variable)
