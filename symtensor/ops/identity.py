"""Ops that hand on their input: views, copies, checks, and prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel, Op, Shape, View
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import as_tensor_variable, int64_constant

__all__ = ["Assert", "CheckAndRaise", "DeepCopyOp", "Identity", "OutputGuard", "Print", "Rebroadcast", "ViewOp",
           "assert_op", "deep_copy_op", "output_guard", "view_op"]


class Identity(Op):
    """What the ops of this page share: output 0 is input 0, a view of it; the gradient passes."""

    abstract = True
    __props__: ClassVar[tuple[str, ...] | None] = ()
    view_map = {0: [0]}

    def __init_subclass__(cls) -> None:
        """A subclass that names no `__props__` may hold anything: its instances equal themselves alone."""
        super().__init_subclass__()
        if "__props__" not in cls.__dict__:
            cls.__props__ = None

    def make_node(self, x: Any) -> Apply:
        x = x if isinstance(x, Variable) else as_tensor_variable(x)
        return Apply(self, [x], [x.type.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = inputs[0]

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        return [shapes[0]]

    def view(self, node: Apply, shapes: Sequence[Shape], strides: Shape) -> View:
        return View(int64_constant(0), strides)

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [output_grads[0], *(None for _ in inputs[1:])]


class ViewOp(Identity):
    """The input itself (Theano's name): a base for identities whose gradient is something else.

    Compiled programs do not contain it: it vanishes where nothing is left to differentiate.

    >>> class Reverse(ViewOp):
    ...     def grad(self, inputs, output_grads):
    ...         return [-output_grads[0]]
    >>> from symtensor import grad, tensor as T
    >>> x = T.dscalar("x")
    >>> grad(Reverse()(x) ** 2, x).eval({x: 3.0})
    array(-6.)
    """

    __props__: ClassVar[tuple[str, ...] | None] = ()

    def expand(self, x: Variable) -> Variable:
        """The input itself: past differentiation nothing is left to say."""
        return x


class OutputGuard(ViewOp):
    """The input itself (Theano's name); here results need no such guard."""

    __props__ = ()


class DeepCopyOp(Identity):
    """A copy of the input, of any type (Theano's name)."""

    __props__ = ()
    view_map = {}

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = deepcopy(inputs[0])

    def expand(self, x: Variable) -> Variable | None:
        """The elementwise copy, where that applies."""
        from symtensor.ops.elementwise import tensor_copy

        return tensor_copy(x) if isinstance(x.type, TensorType) else None


class CheckAndRaise(Identity):
    """The first input, where all others, scalars, are not 0; otherwise an exception of ``exc_type`` with ``msg``.

    A check is made where its result is needed, before anything that uses it; one that nothing uses is not made.
    The gradient passes to the first input.
    """

    __props__: ClassVar[tuple[str, ...] | None] = ("exc_type", "msg")

    def __init__(self, exc_type: type[Exception], msg: str = "") -> None:
        if not (isinstance(exc_type, type) and issubclass(exc_type, Exception)):
            raise TypeError(f"CheckAndRaise: exc_type is a class of exceptions, got {exc_type!r}")
        self.exc_type = exc_type
        self.msg = msg

    def make_node(self, x: Any, *conditions: Any) -> Apply:  # type: ignore[override]
        from symtensor.ops.elementwise import cast

        x = x if isinstance(x, Variable) else as_tensor_variable(x)
        checks = [as_tensor_variable(condition) for condition in conditions]
        for check in checks:
            if check.type.ndim:
                raise TypeError(f"{self}: a condition is a scalar, got {check} of type {check.type}; use all(...)")
        return Apply(self, [x, *(cast(check, "bool") for check in checks)], [x.type.make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        if not all(inputs[1:]):
            raise self.exc_type(self.msg)
        outputs[0][0] = inputs[0]

    def checks(self, node: Apply, shapes: Sequence[Shape]) -> list[tuple[Variable, str, Shape]]:
        """What must hold at run time."""
        return [(condition, "ST_VALUE", (int64_constant(k),)) for k, condition in enumerate(node.inputs[1:])]

    def failure(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        """The exception asked for."""
        return self.exc_type(self.msg)

    def kernel(self, node: Apply) -> Kernel | None:
        """For scalars, which have no memory to view."""
        return None if node.inputs[0].type.ndim else Kernel("OUT0() = IN0();")

    def expand(self, x: Variable, *conditions: Variable) -> Variable | None:
        """Without the conditions that are known to hold; None where there are no such."""
        left = [c for c in conditions if not (isinstance(c, Constant) and c.data)]
        if len(left) == len(conditions) and conditions:
            return None
        result: Variable = self(x, *left) if left else x
        return result

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]


class Assert(CheckAndRaise):
    """``Assert(msg)(x, *conditions)``: ``x``, or AssertionError where a condition does not hold (Theano's name).

    >>> from symtensor import function, tensor as T
    >>> x = T.dvector("x")
    >>> f = function([x], T.log(Assert("x must be positive")(x, (x > 0).all())))
    >>> try:
    ...     f([1.0, -1.0])
    ... except AssertionError as error:
    ...     print(str(error).splitlines()[0])
    x must be positive
    """

    __props__ = ("msg",)

    def __init__(self, msg: str = "symtensor: a condition that the program asserts does not hold") -> None:
        super().__init__(AssertionError, msg)


def _print_attributes(op: Print, x: Any) -> None:
    for name in op.attrs:
        value = getattr(x, name)
        print(op.message, name, "=", value() if callable(value) else value)


class Print(Identity):
    """The input itself, printed whenever it is computed (Theano's name).

    Parameters
    ----------
    message : printed in front.
    attrs : names of attributes of the value to print; those that can be called are called.
    global_fn : ``global_fn(op, value)`` prints instead.

    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> y = Print("x is", attrs=["shape", "min"])(x).sum().eval({x: [1.0, 2.0]})
    x is shape = (2,)
    x is min = 1.0
    """

    __props__ = ("message", "attrs", "global_fn")
    without = {"native": "Python prints"}

    def __init__(self, message: str = "", attrs: Sequence[str] = ("__str__",),
                 global_fn: Callable[[Any, Any], Any] = _print_attributes) -> None:
        self.message = message
        self.attrs = tuple(attrs)
        self.global_fn = global_fn

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        value = np.asarray(inputs[0]).view() if isinstance(node.inputs[0].type, TensorType) else inputs[0]
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        self.global_fn(self, value)
        outputs[0][0] = inputs[0]

    view: Any = Op.view  # the value must exist: a host call, not a view

    def do_constant_folding(self, node: Apply) -> bool:
        """Constants too are printed at each call."""
        return False

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return list(tangents)

    def __str__(self) -> str:
        return f"Print{{{self.message!r}}}"


class Rebroadcast:
    """``Rebroadcast((axis, flag), ...)(x)``: ``x`` with these axes known to be 1 (checked at run time), or not.
    Theano's name.

    >>> from symtensor import tensor as T
    >>> Rebroadcast((0, True))(T.dmatrix()).type.shape
    (1, None)
    """

    def __init__(self, *axis: tuple[int, bool]) -> None:
        self.axis = {int(k): bool(flag) for k, flag in axis}

    def __call__(self, x: Any) -> Variable:
        from symtensor.ops.shape import patternbroadcast

        if any(not 0 <= k < x.type.ndim for k in self.axis):
            raise ValueError(f"Rebroadcast: {x} of type {x.type} has no axis {max(self.axis)}")
        return patternbroadcast(x, [self.axis.get(k, dim == 1) for k, dim in enumerate(x.type.shape)])


assert_op = Assert()
view_op = ViewOp()
output_guard = OutputGuard()
deep_copy_op = DeepCopyOp()
