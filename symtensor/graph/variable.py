"""Variables, constants and apply nodes: the graph that users build.

An `Apply` is an op applied to input variables, giving typed output variables. Nodes never change after they are
made; rewrites make new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symtensor.graph.errors import SymbolicTruthError
from symtensor.graph.trace import Origin, describe_origin, user_origin
from symtensor.graph.types import Type

if TYPE_CHECKING:
    from symtensor.graph.op import Op

__all__ = ["Apply", "Constant", "Scratchpad", "Variable"]


class Scratchpad:
    """Free notes on a variable or node (``x.tag.test_value = ...``), outside its meaning."""

    def __repr__(self) -> str:
        return f"Scratchpad({vars(self)})"


class Variable:
    """A typed symbolic value: an input (``owner`` is None) or output ``index`` of the node ``owner``."""

    __slots__ = ("__weakref__", "_origin", "_tag", "index", "name", "owner", "type")
    __array_ufunc__: Any = None  # ``array * variable`` is the variable's to answer, never an array of objects

    type: Any
    owner: Apply | None
    index: int | None
    name: str | None

    def __init__(self, type: Type, owner: Apply | None = None, index: int | None = None,
                 name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a variable's name is a str, got {name!r}")
        self.type = type
        self.owner = owner
        self.index = index
        self.name = name
        self._tag: Scratchpad | None = None
        self._origin: Origin = user_origin() if owner is None else None

    @property
    def tag(self) -> Scratchpad:
        """Free notes, such as ``tag.test_value``."""
        if self._tag is None:
            self._tag = Scratchpad()
        return self._tag

    @property
    def origin(self) -> Origin:
        """Where in the user's program the variable was made."""
        return self._origin if self.owner is None else self.owner.origin

    def clone(self, name: str | None = None) -> Variable:
        """A fresh input variable of the same type."""
        return self.type.make_variable(name if name is not None else self.name)

    def get_parents(self) -> list[Apply]:
        """The node that makes the variable, as a list (Theano's name)."""
        return [] if self.owner is None else [self.owner]

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        if self.owner is not None:
            return f"{self.owner.op}.{self.index}"
        return f"<{self.type}>"

    def __repr__(self) -> str:
        return str(self)

    def _no_value(self, what: str, remedy: str) -> SymbolicTruthError:
        place = describe_origin(self.origin)
        made = f" (made at {place})" if place else ""
        return SymbolicTruthError(f"{what} of the symbolic variable {self}{made} is not known while the graph is "
                                  f"built; {remedy}")

    def __bool__(self) -> bool:
        raise self._no_value("the truth value", "use switch(condition, a, b), or ifelse for a lazy branch, instead of "
                             "`if`, and & | instead of `and` `or`")

    def __float__(self) -> float:
        raise self._no_value("the float value", "use .eval() for its value, or astype('float64') for a symbolic cast")

    def __int__(self) -> int:
        raise self._no_value("the int value", "use .eval() for its value, or astype('int64') for a symbolic cast")

    def __index__(self) -> int:
        raise self._no_value("the int value", "use .eval() for its value; shapes and slices take symbolic integers "
                             "as they are")

    def __complex__(self) -> complex:
        raise self._no_value("the complex value", "use .eval() for its value")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._no_value("the array", "use .eval() for its value; lists with variables become tensors through "
                             "symtensor.tensor.stack")

    def __reduce__(self) -> Any:
        from symtensor.graph import walk  # a graph may be deeper than pickle's recursion: it goes as a flat list

        if self.owner is None:
            return walk.make_leaf, (self.type, self.name, self.data if isinstance(self, Constant) else None)
        return walk.unflatten_variable, walk.flatten_graph(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return self


class Constant(Variable):
    """A variable whose value is known. The value is read-only."""

    __slots__ = ("_signature", "data")

    def __init__(self, type: Type, data: Any, name: str | None = None) -> None:
        super().__init__(type, None, None, name)
        self.data = type.filter(data) if not isinstance(data, np.ndarray) or data.flags.writeable else data
        if isinstance(self.data, np.ndarray) and self.data.flags.writeable:
            self.data = self.data.copy()
            self.data.flags.writeable = False
        self._signature: Any = None

    @property
    def value(self) -> Any:
        """The value (Theano's name for ``data``)."""
        return self.data

    def signature(self) -> Any:
        """A hashable stand-in for type and value: two constants of equal signature are one in a FunctionGraph."""
        if self._signature is None:
            data = self.data
            if isinstance(data, np.ndarray):
                self._signature = (self.type.dtype, data.shape, data.tobytes())
            else:
                try:
                    hash(data)
                    self._signature = (self.type, type(data), data)
                except TypeError:
                    self._signature = (self.type, id(self))
        return self._signature

    def equals(self, other: Any) -> bool:
        """Whether ``other`` is a constant of the same type and value."""
        return isinstance(other, Constant) and self.signature() == other.signature()

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        return f"{type(self).__name__}{{{self._brief()}}}"

    def _brief(self) -> str:
        data = self.data
        if not isinstance(data, np.ndarray) or data.ndim == 0:
            text = str(data)
        elif data.size and (data == data.flat[0]).all():
            text = f"{data.shape} of {data.flat[0]}"
        else:
            text = str(data).replace("\n", "")
        return text if len(text) <= 20 else f"{text[:10]}..{text[-10:]}"


class Apply:
    """An op applied to inputs. Made by `Op.make_node`; ``Apply(op, inputs, outputs)`` takes ownership of the outputs.

    Raises TypeError where an input or output is not a `Variable`, ValueError where an output has an owner already.
    """

    __slots__ = ("_tag", "inputs", "op", "origin", "outputs")

    def __init__(self, op: Op, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.op = op
        self.inputs: tuple[Variable, ...] = tuple(inputs)
        self.outputs: tuple[Variable, ...] = tuple(outputs)
        self.origin: Origin = user_origin()
        self._tag: Scratchpad | None = None
        for variable in self.inputs:
            if not isinstance(variable, Variable):
                raise TypeError(f"{op}: the inputs of a node are variables, got {variable!r}; "
                                "make_node converts with as_tensor_variable(x)")
        for index, output in enumerate(self.outputs):
            if not isinstance(output, Variable):
                raise TypeError(f"{op}: the outputs of a node are variables, got {output!r}; write x.type()")
            if output.owner is not None:
                raise ValueError(f"{op}: output {index} is already made by {output.owner.op}; give a fresh x.type()")
            output.owner = self
            output.index = index

    @property
    def tag(self) -> Scratchpad:
        """Free notes."""
        if self._tag is None:
            self._tag = Scratchpad()
        return self._tag

    @property
    def out(self) -> Variable:
        """The default output (Theano's name)."""
        return self.default_output()

    @property
    def nin(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @property
    def nout(self) -> int:
        """Number of outputs."""
        return len(self.outputs)

    def default_output(self) -> Variable:
        """The output that a call of the op returns when there is one such; AttributeError when there are several."""
        if self.op.default_output is not None:
            return self.outputs[self.op.default_output]
        if len(self.outputs) == 1:
            return self.outputs[0]
        raise AttributeError(f"{self.op} has {len(self.outputs)} outputs and names none as default_output")

    def clone_with(self, inputs: Sequence[Variable]) -> Apply:
        """The op on other inputs: output types are inferred anew only where an input's type changed."""
        if all(new.type == old.type for new, old in zip(inputs, self.inputs, strict=True)):
            node = Apply(self.op, inputs, [output.type.make_variable(output.name) for output in self.outputs])
        else:
            node = self.op.make_node(*inputs)
            for new, old in zip(node.outputs, self.outputs, strict=True):
                new.name = old.name
        node.origin = self.origin
        return node

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.inputs))})"

    def __reduce__(self) -> Any:
        from symtensor.graph import walk

        return walk.unflatten_node, walk.flatten_graph(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Apply:
        return self


# What a type makes unless it says otherwise (types.py cannot import this page).
Type.variable_class = Variable
Type.constant_class = Constant
