"""Ops made of Python functions, and of files: `as_op`, `load`. They run on the host, with the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from symtensor.graph.op import Op, Shape
from symtensor.graph.types import TensorType, complete_dtype
from symtensor.graph.variable import Apply

__all__ = ["FromFunctionOp", "LoadFromDisk", "as_op", "load"]


class FromFunctionOp(Op):
    """An op made of a Python function of arrays (Theano's name); see `as_op`. It has no gradient."""

    without = {"infer_shape": "the user gives it", "gradient": "nothing is known of the function",
               "native": "the function is Python's"}

    def __init__(self, fn: Callable[..., Any], itypes: Any, otypes: Any,
                 infer_shape: Callable[..., Sequence[Shape]] | None) -> None:
        self.fn = fn
        self.itypes = itypes if isinstance(itypes, (list, tuple)) else [itypes]  # type: ignore[misc]
        self.otypes = otypes if isinstance(otypes, (list, tuple)) else [otypes]  # type: ignore[misc]
        if infer_shape is not None:
            self.infer_shape = infer_shape
        self.__name__ = getattr(fn, "__name__", "function")
        self.__doc__ = fn.__doc__

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        given = []
        for value in inputs:  # others may still read them: the function cannot change them
            given.append(value.view() if isinstance(value, np.ndarray) else value)
            if isinstance(value, np.ndarray):
                given[-1].flags.writeable = False
        made = self.fn(*given)
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        if len(results) != len(node.outputs):
            raise TypeError(f"{self}: the function returned {len(results)} value(s), otypes says {len(node.outputs)}")
        for storage, result in zip(outputs, results, strict=True):
            storage[0] = result

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.fn is other.fn  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((FromFunctionOp, self.fn))

    def __str__(self) -> str:
        return f"FromFunctionOp{{{self.__name__}}}"

    def __reduce__(self) -> Any:
        return _by_name, (self.fn.__module__, self.fn.__qualname__)


def _by_name(module: str, name: str) -> Any:
    """The op that `as_op` put in the place of a function."""
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def as_op(itypes: Any, otypes: Any,
          infer_shape: Callable[..., Sequence[Shape]] | None = None) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """Decorator that makes an op of a function of NumPy arrays (Theano's name).

    Parameters
    ----------
    itypes, otypes : types of inputs and outputs, such as ``T.dmatrix``; one, or a list of them.
    infer_shape : ``infer_shape(node, shapes)``, the shape of each output from those of the inputs, or None.

    The arrays it gets are read-only. TypeError at run time where what it returns does not fit ``otypes``.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> @as_op(itypes=[T.dvector], otypes=[T.dvector])
    ... def cumulate(x):
    ...     return np.cumsum(x)
    >>> cumulate([1.0, 2.0]).eval()
    array([1., 3.])
    """
    return lambda fn: FromFunctionOp(fn, itypes, otypes, infer_shape)


class LoadFromDisk(Op):
    """An array read from a ``.npy`` file at each call (Theano's name); see `load`."""

    __props__ = ("dtype", "broadcastable", "mmap_mode", "path")
    without = {"infer_shape": "the file says it", "gradient": "there is no input", "native": "NumPy reads the file"}

    def __init__(self, dtype: Any, broadcastable: Sequence[bool], mmap_mode: str | None = None,
                 path: str | None = None) -> None:
        if mmap_mode not in (None, "c"):
            raise ValueError(f"load: mmap_mode is None or 'c' (copy on write), got {mmap_mode!r}: results may be "
                             "written to, files must not change")
        self.dtype = complete_dtype(dtype)
        self.broadcastable = tuple(bool(flag) for flag in broadcastable)
        self.mmap_mode = mmap_mode
        self.path = path

    def make_node(self, *path: Any) -> Apply:
        given = path[0] if path else self.path
        if not isinstance(given, str):
            raise TypeError(f"load: the path is a str, got {given!r}")
        kind = TensorType(self.dtype, [1 if flag else None for flag in self.broadcastable])
        return Apply(LoadFromDisk(self.dtype, self.broadcastable, self.mmap_mode, given), [], [kind.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        array = np.load(self.path, mmap_mode=self.mmap_mode, allow_pickle=False)  # type: ignore[arg-type]
        if array.dtype != self.dtype or array.ndim != len(self.broadcastable):
            raise TypeError(f"load: {self.path} holds {array.ndim} dimension(s) of {array.dtype}, expected "
                            f"{len(self.broadcastable)} of {self.dtype}")
        outputs[0][0] = np.asarray(array)


def load(path: str, dtype: Any, broadcastable: Sequence[bool], mmap_mode: str | None = None) -> Any:
    """The array in the ``.npy`` file ``path``, read at each call of the function (Theano's ``T.io.load``).

    ``dtype`` and ``broadcastable`` are those of the result; TypeError at run time where the file holds something else.
    ``mmap_mode`` None reads the file, 'c' maps it into memory.
    """
    return LoadFromDisk(dtype, broadcastable, mmap_mode)(path)
