"""Types: what values a variable stands for. A type is known when the variable is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from symtensor.config import config

if TYPE_CHECKING:
    from symtensor.graph.variable import Constant, Variable

__all__ = [
    "COMPLEX_DTYPES",
    "DTYPES",
    "FLOAT_DTYPES",
    "INTEGER_DTYPES",
    "TensorType",
    "Type",
    "as_ndarray",
    "complete_dtype",
    "is_complex",
    "is_continuous",
    "is_float",
    "is_integer",
    "reject_masked",
    "upcast",
]

INTEGER_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOAT_DTYPES = ("float16", "float32", "float64")
COMPLEX_DTYPES = ("complex64", "complex128")
DTYPES = ("bool", *INTEGER_DTYPES, *FLOAT_DTYPES, *COMPLEX_DTYPES)

_RANK_NAMES = {0: "scalar", 1: "vector", 2: "matrix"}


def is_integer(dtype: str) -> bool:
    """Whether the dtype is an integer or bool: gradients stop there."""
    return dtype == "bool" or dtype in INTEGER_DTYPES


def is_float(dtype: str) -> bool:
    """Whether the dtype is a real floating-point one."""
    return dtype in FLOAT_DTYPES


def is_complex(dtype: str) -> bool:
    """Whether the dtype is complex."""
    return dtype in COMPLEX_DTYPES


def is_continuous(dtype: str) -> bool:
    """Whether the dtype carries gradients: real or complex floating point."""
    return dtype in FLOAT_DTYPES or dtype in COMPLEX_DTYPES


_upcast_cache: dict[tuple[str, ...], str] = {}


def upcast(*dtypes: str) -> str:
    """The dtype that NumPy promotes arrays of these dtypes to.

    >>> upcast("int32", "float32")
    'float64'
    """
    found = _upcast_cache.get(dtypes)
    if found is None:
        found = _upcast_cache[dtypes] = np.result_type(*dtypes).name
    return found


def complete_dtype(dtype: Any) -> str:
    """The name of a dtype given in any of NumPy's ways, or as ``"floatX"``; TypeError when it is not one of ours."""
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    if dtype == "floatX":
        return str(config.floatX)
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise TypeError(f"dtype {name!r} is not supported; the dtypes are {', '.join(DTYPES)}")
    return name


class Type:
    """What values a variable stands for (Theano's name).

    A subclass defines `filter`, and usually equality. ``type(name)`` makes a variable of the type.
    """

    variable_class: ClassVar[type[Variable]]
    constant_class: ClassVar[type[Constant]]

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """``value`` as a value of this type; TypeError when it is not one."""
        raise NotImplementedError(f"{type(self).__name__} defines no filter(value, strict, allow_downcast)")

    def is_valid_value(self, value: Any) -> bool:
        """Whether `filter` takes the value without conversion."""
        try:
            self.filter(value, strict=True)
        except (TypeError, ValueError):
            return False
        return True

    def make_variable(self, name: str | None = None) -> Variable:
        """A fresh variable of this type."""
        return self.variable_class(self, name=name)

    def make_constant(self, value: Any, name: str | None = None) -> Constant:
        """A constant of this type."""
        return self.constant_class(self, value, name=name)

    def __call__(self, name: str | None = None) -> Variable:
        return self.make_variable(name)

    def accepts(self, other: Type) -> bool:
        """Whether every variable of type ``other`` may stand where one of this type is expected."""
        return self == other

    def values_eq(self, a: Any, b: Any) -> bool:
        """Whether two values of the type are equal."""
        return bool(a == b)


class TensorType(Type):
    """N-dimensional arrays of one dtype.

    Parameters
    ----------
    dtype : one of `DTYPES` in any of NumPy's spellings, or ``"floatX"``.
    shape : a tuple with an int or None (unknown) for each dimension; booleans are Theano's ``broadcastable``
        (True: the dimension is 1).
    device : ``"cpu"`` or the name of a device.

    >>> TensorType("float32", (None, None))
    TensorType(float32, matrix)
    >>> TensorType("float64", (False, True)).shape
    (None, 1)
    """

    __slots__ = ("_hash", "device", "dtype", "shape")

    dtype: str
    shape: tuple[int | None, ...]
    device: str

    def __init__(
        self,
        dtype: Any,
        shape: Sequence[int | bool | None] | None = None,
        device: str = "cpu",
        *,
        broadcastable: Sequence[bool] | None = None,
        name: str | None = None,
    ) -> None:
        if shape is None:
            if broadcastable is None:
                raise TypeError("TensorType(dtype, shape): the shape is missing; use () for a scalar")
            shape = broadcastable
        if not isinstance(shape, Iterable):
            raise TypeError(f"TensorType(dtype, shape): the shape is a tuple with a size or None for each dimension, "
                            f"got {shape!r}")
        self.dtype = complete_dtype(dtype)
        self.shape = tuple(_static_dim(dim) for dim in shape)
        self.device = device
        self._hash = hash((self.dtype, self.shape, device))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each dimension whether it is known to be 1 (Theano's name)."""
        return tuple(dim == 1 for dim in self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype as NumPy's object."""
        return np.dtype(self.dtype)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            type(other) is type(self)
            and self.dtype == other.dtype  # type: ignore[attr-defined]
            and self.shape == other.shape  # type: ignore[attr-defined]
            and self.device == other.device  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.dtype, self.shape, self.device)

    def clone(self, dtype: str | None = None, shape: Sequence[int | bool | None] | None = None,
              broadcastable: Sequence[bool] | None = None, device: str | None = None) -> TensorType:
        """The type with some fields replaced."""
        shape = shape if shape is not None else broadcastable
        return TensorType(dtype or self.dtype, self.shape if shape is None else shape, device or self.device)

    def accepts(self, other: Type) -> bool:
        """Same dtype, rank and device, and no dimension known to differ."""
        return (
            isinstance(other, TensorType)
            and (other.dtype, other.ndim, other.device) == (self.dtype, self.ndim, self.device)
            and all(mine is None or mine == its for mine, its in zip(self.shape, other.shape, strict=True))
        )

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> np.ndarray[Any, Any]:
        """``value`` as an array of this type.

        ``strict`` takes only an ndarray of the very dtype. Otherwise the value is converted where no precision is
        lost: every value of an array's dtype has to fit, but of numbers and lists of them only the values given.
        ``allow_downcast=True`` converts always, ``None`` also lets Python floats become floatX.
        Raises TypeError naming what was given and what is expected.
        """
        array = self._converted(value, strict, allow_downcast)
        if array.ndim != len(self.shape):
            raise TypeError(
                f"expected {self._words()}, got {array.ndim} dimension(s) with shape {array.shape}"
            )
        for axis, dim in enumerate(self.shape):
            if dim is not None and array.shape[axis] != dim:
                raise TypeError(f"expected {self._words()} with shape {self.shape} (None: any), got shape "
                                f"{array.shape}")
        return array

    def _converted(self, value: Any, strict: bool, allow_downcast: bool | None) -> np.ndarray[Any, Any]:
        target = self.numpy_dtype
        reject_masked(value)
        if isinstance(value, np.ndarray) and value.dtype == target:
            return np.asarray(value).view(np.ndarray)
        if strict:
            given = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
            raise TypeError(f"expected an ndarray of dtype {self.dtype} (strict), got {given}")
        _reject_symbolic(value)
        value = as_ndarray(value)
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise TypeError(f"expected {self._words()}, got something NumPy cannot make an array of: {error}") from None
        if array.dtype == object or array.dtype.kind not in "biufc":
            raise TypeError(f"expected {self._words()}, got values of dtype {array.dtype}")
        if array.dtype == target or allow_downcast or np.can_cast(array.dtype, target, "safe"):
            return array.astype(target, copy=False)
        is_python = not isinstance(value, (np.ndarray, np.generic))
        if is_python and allow_downcast is None and self.dtype == config.floatX and array.dtype.kind in "biuf":
            return array.astype(target)
        if is_python and array.size == 0:
            return array.astype(target)
        wider = {"f": "fc", "c": "c"}.get(array.dtype.kind, "biufc")
        if target.kind in wider and (array.size == 0 or not isinstance(value, np.ndarray)):
            with np.errstate(over="ignore"):
                cast = array.astype(target)
            if np.array_equal(cast, array, equal_nan=array.dtype.kind == "f"):
                return cast
        raise TypeError(
            f"expected {self._words()}, got dtype {array.dtype}, which would lose precision; convert it with "
            f".astype({self.dtype!r}), or compile with allow_input_downcast=True"
        )

    def _words(self) -> str:
        rank = _RANK_NAMES.get(self.ndim, f"{self.ndim}-dimensional tensor")
        return f"a {self.dtype} {rank}"

    def values_eq(self, a: Any, b: Any) -> bool:
        """Equal dtype, shape and elements (nan equals nan)."""
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.array_equal(a, b, equal_nan=is_continuous(self.dtype)))

    def __repr__(self) -> str:
        return f"TensorType({self.dtype}, {self._kind()})" if self.device == "cpu" else (
            f"TensorType({self.dtype}, {self._kind()}, {self.device})"
        )

    def _kind(self) -> str:
        flags = self.broadcastable
        if flags == (True, False):
            return "row"
        if flags == (False, True):
            return "col"
        if any(flags):
            dims = ", ".join("?" if d is None else str(d) for d in self.shape)
            return f"({dims},)" if self.ndim == 1 else f"({dims})"
        return _RANK_NAMES.get(self.ndim, f"{self.ndim}D")


def _static_dim(dim: int | bool | None) -> int | None:
    if isinstance(dim, (bool, np.bool_)):
        return 1 if dim else None
    if dim is None:
        return None
    size = int(dim)
    if size < 0:
        raise ValueError(f"TensorType: a dimension cannot be {size}")
    return size


def reject_masked(value: Any) -> None:
    """TypeError for a masked array with masked elements: tensors have no mask."""
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray and np.any(getattr(value, "mask", False)):
        raise TypeError("got a masked array, whose mask would be lost; pass array.filled(value)")


_HOST_DEVICES = (1, 3, 11, 13)  # DLPack's numbers for memory that the CPU reads
_DEVICE_NAMES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm"}


def as_ndarray(value: Any) -> Any:
    """The array of another library's ``value`` (NumPy's ``__array__`` or DLPack) as an ndarray, over the same memory
    where that library can share it; any other value as it is.

    TypeError where it lies on another device, or the library does not give it away (a tensor that requires grad).

    >>> as_ndarray(memoryview(b"ab")).nbytes
    2
    """
    if isinstance(value, (np.ndarray, np.generic, int, float, list, tuple)):
        return value
    kind = type(value)
    converts = hasattr(kind, "__array__") or hasattr(value, "__array_interface__")
    if not converts and not hasattr(kind, "__dlpack__"):
        return value
    try:
        device = int(value.__dlpack_device__()[0]) if hasattr(kind, "__dlpack_device__") else 1
        if device in _HOST_DEVICES:
            return np.asarray(value) if converts else np.from_dlpack(value)
    except (TypeError, ValueError, RuntimeError, BufferError, AttributeError) as error:
        raise TypeError(f"NumPy cannot read the {kind.__module__}.{kind.__name__}: {error}") from error
    raise TypeError(f"the {kind.__module__}.{kind.__name__} lies on a device ({_DEVICE_NAMES.get(device, device)}) "
                    "whose memory NumPy does not read; copy it to the CPU first")


def _reject_symbolic(value: Any) -> None:
    if type(value).__module__.startswith("symtensor.") and hasattr(value, "owner"):
        raise TypeError(f"expected a value, got the symbolic variable {value}; `.eval()` computes its value")
