"""Random variables as functions from a generator's state to (new state, sample), and the methods that streams of them
have (Theano's ``theano.tensor.raw_random``)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import random_functions as _functions
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.join import stack
from symtensor.ops.random import checked_state, random_state_type
from symtensor.ops.random_functions import *  # noqa: F403
from symtensor.ops.shape import shape_dims

__all__ = ["RandomFunction", "RandomStateType", "RandomStreamsBase", "random_state_type", *_functions.__all__]


def RandomStateType() -> TensorType:
    """The type of a generator's state (Theano's name): `random_state_type`."""
    return random_state_type


class RandomFunction(Op):
    """``RandomFunction(fn, outtype)(state, size, *args)``: the new state, and samples by a distribution of NumPy
    (Theano's op). ``fn`` is the name of a method of `numpy.random.RandomState`, or a function called with one, args and
    size.

    A host call, for distributions that have no function here. ``inplace`` is accepted; ``ndim_added`` is the number of
    dimensions of a sample beyond the size.

    >>> draw = RandomFunction("vonmises", TensorType("float64", (None,)))
    >>> state, x = draw(np.array([1, 0], "uint64"), (3,), 0.0, 1.0)
    >>> x.eval().shape
    (3,)
    """

    __props__ = ("fn", "outtype", "ndim_added")
    without = {"native": "a host call: NumPy draws", "infer_shape": "NumPy's function knows it"}

    def __init__(self, fn: Any, outtype: TensorType, inplace: bool = False, ndim_added: int = 0) -> None:
        self.fn, self.outtype, self.ndim_added = fn, outtype, ndim_added

    def make_node(self, random_state: Any, size: Any, *args: Any) -> Apply:
        state = checked_state(random_state)
        dims = shape_dims(size, "RandomFunction", self.outtype.ndim - self.ndim_added)
        inputs = [state, stack(dims) if dims else np.zeros(0, "int64"), *args]
        return Apply(self, [as_tensor_variable(x) for x in inputs], [random_state_type(), self.outtype()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        (key, counter), size, *args = inputs
        generator = np.random.RandomState(np.random.Philox(key=int(key), counter=int(counter) << 128))
        draw = getattr(generator, self.fn) if isinstance(self.fn, str) else functools.partial(self.fn, generator)
        outputs[0][0] = np.array([key, counter + np.uint64(1)], "uint64")
        outputs[1][0] = np.asarray(draw(*args, size=tuple(map(int, size))), self.outtype.dtype)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, False] for _ in node.inputs]

    def grad(self, inputs: Any, output_grads: Any) -> list[None]:
        return [None for _ in inputs]


class RandomStreamsBase:
    """Methods that draw: each function of `symtensor.ops.random_functions` without the state, which `gen` provides
    (Theano's class). ``nstreams`` is accepted, without effect: each element of a draw has its own place in a stream."""

    def gen(self, op: Callable[..., tuple[Variable, Variable]], *args: Any, **kwargs: Any) -> Any:
        """The sample of ``op(state, *args, **kwargs)`` with a state that this stream provides."""
        raise NotImplementedError(f"{type(self).__name__} defines no gen(op, *args, **kwargs)")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...


def _method(function: Callable[..., tuple[Variable, Variable]]) -> Callable[..., Any]:
    def method(self: RandomStreamsBase, *args: Any, nstreams: Any = None, **kwargs: Any) -> Any:
        return self.gen(function, *args, **kwargs)

    state, *rest = inspect.signature(function).parameters.values()
    method.__name__, method.__doc__ = function.__name__, (function.__doc__ or "").partition("\n\n    >>>")[0]
    method.__signature__ = inspect.Signature([state.replace(name="self"), *rest])  # type: ignore[attr-defined]
    return method


for _name in _functions.__all__:
    setattr(RandomStreamsBase, _name, _method(getattr(_functions, _name)))
