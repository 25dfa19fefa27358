"""The protocol of ops: what a computation must say about itself.

Built-in and user-written ops follow the same protocol. Only `make_node` (or ``itypes``/``otypes``) and `perform` are
required; each further method makes the op usable in more places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from symtensor.config import config
from symtensor.graph.errors import NullTypeGradError
from symtensor.graph.trace import user_origin
from symtensor.graph.types import Type
from symtensor.graph.variable import Apply, Variable

__all__ = ["Kernel", "Op", "View", "compilers", "converters", "evaluators", "language", "testers"]

Shape = tuple[Variable, ...]


Room = Callable[[Sequence[Sequence[int]], Sequence[Sequence[int]]], Sequence[int]]


class Kernel:
    """Native code of one node, shared by C and CUDA.

    Parameters
    ----------
    body : C statements. With ``size`` they are one iteration of a parallel loop over ``i`` (one thread in CUDA);
        without, they run once on the host (a library call).
        In the text, ``IN0(a, b)`` and ``OUT0(a, b)`` are elements (strides are handled), ``IN0_DIM(k)`` a dimension,
        ``IN0_STRIDE(k)`` a stride in elements, ``IN0_PTR`` the data pointer, ``IN0_T`` the C type;
        ``FAIL(code, v0, v1, v2)`` reports an error (see `symtensor.link.failures`) and leaves the iteration.
    size : number of iterations as a symbolic integer scalar, in terms of the shapes of the node's inputs and outputs,
        or None.
    support : C text at file level that the body needs (helper functions); identical texts are emitted once.
    ranged : the body does iterations ``begin`` to ``end - 1`` itself, instead of one iteration ``i``.
    work : how many elements of the inputs all iterations touch, as a symbolic integer scalar, where that is not all of
        them: decides about threads.
    room : the sizes in bytes of what one iteration takes from ``RT->alloc`` (a library call: takes itself), as a
        function of the shapes of the node's inputs and outputs and of their strides in elements; for memory plans.
    """

    __slots__ = ("body", "ranged", "room", "size", "support", "work")

    def __init__(self, body: str, size: Variable | None = None, support: str = "", ranged: bool = False,
                 work: Variable | None = None, room: Room | None = None) -> None:
        self.body = body
        self.size = size
        self.support = support
        self.ranged = ranged
        self.work = work
        self.room = room


class View:
    """How an output lies in the memory of an input: the offset of its first element and its strides, in elements,
    as symbolic integer scalars."""

    __slots__ = ("offset", "strides")

    def __init__(self, offset: Any, strides: Sequence[Any]) -> None:
        self.offset = offset
        self.strides = tuple(strides)


class Op:
    """A computation that nodes apply (Theano's name and protocol).

    Class attributes
    ----------------
    __props__ : names of the attributes that make two ops of the class equal, and that are printed; None: identity.
    itypes, otypes : types of inputs and outputs, from which `make_node` follows.
    default_output : index of the output that a call returns when there are several.
    view_map : ``{output: [input]}``: the output may alias the input's memory.
    may_overwrite : ``{output: (input, ...)}``: the output may be computed in the memory of one of these inputs.
    broadcasts : the gradient terms of `L_op` may have the broadcast shape of all inputs; the differentiator sums
        them back to the input's shape.
    commutative : the order of the inputs does not matter; the rule matcher tries them all.
    without : ``{aspect: why}``: what the op lacks on purpose (see `symtensor.ops.inventory`).
    abstract : in a class itself: it is the base of ops, and none.

    >>> import numpy as np
    >>> import symtensor
    >>> from symtensor import tensor as T
    >>> class Triple(symtensor.Op):
    ...     __props__ = ()
    ...     itypes = [T.dvector]
    ...     otypes = [T.dvector]
    ...     def perform(self, node, inputs, outputs):
    ...         outputs[0][0] = 3 * inputs[0]
    >>> x = T.dvector("x")
    >>> Triple()(x).eval({x: np.array([1.0, 2.0])})
    array([3., 6.])
    """

    __props__: ClassVar[tuple[str, ...] | None] = None
    itypes: ClassVar[Sequence[Type] | None] = None
    otypes: ClassVar[Sequence[Type] | None] = None
    default_output: int | None = None
    view_map: dict[int, list[int]] = {}
    may_overwrite: dict[int, tuple[int, ...]] = {}
    broadcasts: bool = False
    commutative: bool = False
    without: ClassVar[Mapping[str, str]] = {}
    abstract: ClassVar[bool] = False

    # -- building ---------------------------------------------------------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        """The node of this op on these inputs; TypeError naming shapes and dtypes where they do not fit."""
        if self.itypes is None or self.otypes is None:
            raise NotImplementedError(f"{self}: define make_node(self, *inputs), or itypes and otypes")
        if len(inputs) != len(self.itypes):
            raise ValueError(f"{self} takes {len(self.itypes)} input(s), got {len(inputs)}")
        itypes = [_as_type(kind) for kind in self.itypes]
        variables = [_as_variable(value) for value in inputs]
        for index, (variable, kind) in enumerate(zip(variables, itypes, strict=True)):
            if not kind.accepts(variable.type):
                raise TypeError(f"{self}: input {index} must be {kind}, got {variable} of type {variable.type}")
        return Apply(self, variables, [_as_type(kind).make_variable() for kind in self.otypes])

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """The outputs of the op on these inputs: the default one, the only one, or a list."""
        for value in inputs:
            hook = getattr(type(value), "apply_op", None)  # pattern variables of rewrite rules stay patterns
            if hook is not None:
                return hook(self, inputs, kwargs)
        return_list = kwargs.pop("return_list", False)
        name = kwargs.pop("name", None)
        node = self.make_node(*inputs, **kwargs)
        if not type(self).__module__.startswith("symtensor."):  # the line that calls a user's op, not its make_node
            node.origin = user_origin()
        if name is not None and len(node.outputs) == 1:
            node.outputs[0].name = name
        if config.compute_test_value != "off":
            testers[0](node)
        if self.default_output is not None and not return_list:
            return node.outputs[self.default_output]
        outputs = list(node.outputs)
        return outputs if return_list or len(outputs) != 1 else outputs[0]

    # -- meaning ----------------------------------------------------------------------------------------------------

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """The meaning in NumPy: store output k in ``outputs[k][0]``. Inputs are not changed."""
        raise NotImplementedError(f"{self} defines no perform(node, inputs, outputs)")

    infer_shape: Callable[..., Sequence[Shape]] | None = None
    """``infer_shape(node, shapes)``: the shape of each output as a tuple of integer scalars, given those of the
    inputs. Without it an output is run to know its shape."""

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        """The vector-Jacobian product: for each input its cotangent. Defaults to Theano's `grad`."""
        return self.grad(inputs, output_grads)

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        """The vector-Jacobian product without the outputs (Theano's name)."""
        raise NullTypeGradError(f"{self} defines no gradient; write grad(self, inputs, output_grads) or L_op")

    R_op: Callable[..., Sequence[Any]] | None = None
    """``R_op(inputs, tangents)``: the Jacobian-vector product; without it, it is derived by applying `L_op` twice."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """For each input, for each output, whether the gradient flows between them (Theano's name)."""
        return [[True] * len(node.outputs) for _ in node.inputs]

    @property
    def differentiable(self) -> bool:
        """Whether the op defines a gradient."""
        return type(self).grad is not Op.grad or type(self).L_op is not Op.L_op

    # -- native code --------------------------------------------------------------------------------------------------

    def kernel(self, node: Apply) -> Kernel | None:
        """Native code of the node, or None: then it runs through `perform`."""
        return None

    def view(self, node: Apply, shapes: Sequence[Shape], strides: Shape) -> View | None:
        """For ops with a ``view_map``: how output 0 lies in its base, given all shapes (inputs then outputs) and the
        strides of the base; None: the base must be copied to contiguous memory first, and the output is contiguous."""
        return None

    # -- identity -----------------------------------------------------------------------------------------------------

    def _props(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__props__ or ())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or self.__props__ is None:
            return False
        return self._props() == other._props()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        if self.__props__ is None:
            return object.__hash__(self)
        return hash((type(self), self._props()))

    def __str__(self) -> str:
        name = type(self).__name__
        if not self.__props__:
            return name
        return f"{name}{{{', '.join(f'{key}={getattr(self, key)!r}' for key in self.__props__)}}}"

    def __repr__(self) -> str:
        return str(self)


def _as_type(kind: Any) -> Type:
    """A type, also when given as a constructor such as ``T.dmatrix``."""
    found = getattr(kind, "type", kind)
    if not isinstance(found, Type):
        raise TypeError(f"itypes and otypes hold types such as T.dmatrix, got {kind!r}")
    return found


converters: list[Callable[[Any], Variable]] = []
"""Makes variables of the plain values given to ops; the tensor language puts its `as_tensor_variable` here."""

evaluators: list[Callable[[Variable, Any], Any]] = []
"""Computes the value of a variable given those of others, for ``x.eval({...})``; the compiler puts itself here."""

compilers: list[Callable[[Sequence[Variable], Sequence[Variable], Any], Callable[..., Sequence[Any]]]] = []
"""Makes a function of inputs and outputs in a mode, for `verify_grad`; the compiler puts itself here."""

testers: list[Callable[[Apply], None]] = []
"""Computes a new node on test values, for ``config.compute_test_value``; the interpreter's house puts itself here."""

language: list[Callable[[str], Any]] = []
"""Finds a function of the tensor language by its path (``"nlinalg.det"``), for what comes from NumPy; AttributeError
where there is none. The language puts itself here."""


def _as_variable(value: Any) -> Variable:
    return value if isinstance(value, Variable) else converters[0](value)
