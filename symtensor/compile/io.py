"""How inputs and outputs of a function are described: `In` and `Out` (Theano's names)."""

from __future__ import annotations

from typing import Any

from symtensor.graph.shared import Container, SharedVariable
from symtensor.graph.variable import Constant, Variable

__all__ = ["In", "Out", "as_in", "as_out"]


class In:
    """An input of a function, with what may be passed for it (Theano's ``theano.In``).

    Parameters
    ----------
    variable : the symbolic input.
    name : the keyword it is called by; the variable's name by default.
    value : what it is when the call does not pass it: a value; or a shared variable (or its container) that
        it then shares its state with.
    update : an expression that becomes the input's value after each call; needs ``value``, its first value.
    mutable : the function may use the passed array's memory, so it must be writeable.
    borrow : the default value's array is kept itself, not a copy of it.
    strict : only an array of the very dtype may be passed.
    allow_downcast : True: values lose precision where needed; False: never; None: only Python floats to
        floatX.
    autoname : whether the name of ``variable`` is taken where ``name`` is not given.
    implicit : the caller cannot pass it, ``value`` says what it is; by default so where ``value`` is a shared
        variable.

    >>> from symtensor import In, function, tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> f = function([x, In(y, value=1.0)], x + y)
    >>> float(f(2)), float(f(2, y=5))
    (3.0, 7.0)
    """

    def __init__(self, variable: Variable, name: str | None = None, value: Any = None, update: Any = None,
                 mutable: bool | None = None, strict: bool = False, allow_downcast: bool | None = None,
                 autoname: bool = True, implicit: bool | None = None, borrow: bool | None = None,
                 shared: bool = False) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(f"In: the first argument is a symbolic variable, got {variable!r} "
                            f"({type(variable).__name__})")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"In({variable}): name is a str, got {name!r}")
        if implicit and value is None:
            raise TypeError(f"In({variable}): implicit=True needs a value")
        if update is not None and value is None:
            raise ValueError(f"In({variable}): an input that updates itself needs a first value: value=...")
        if mutable and borrow is False:
            raise ValueError(f"In({variable}): mutable=True lets the function use the caller's memory, which "
                             "borrow=False forbids; leave one of them out")
        if isinstance(value, Variable) and not isinstance(value, SharedVariable):
            raise TypeError(
                f"In({variable}): value is a value or a shared variable, got the symbolic {value}; "
                "replace inputs by expressions with givens="
            )
        self.variable = variable
        self.name = name if name is not None else (variable.name if autoname else None)
        self.value = value
        self.update = update
        self.mutable = bool(mutable)
        self.borrow = bool(mutable) if borrow is None else borrow
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.autoname = autoname
        self.shared = shared or isinstance(value, (Container, SharedVariable))
        self.implicit = self.shared if implicit is None else bool(implicit)

    def replaced(self, **fields: Any) -> In:
        """A copy with some fields replaced."""
        copy = object.__new__(In)
        copy.__dict__.update(self.__dict__, **fields)
        return copy

    def __repr__(self) -> str:
        return f"In({self.variable})" if self.update is None else f"In({self.variable} -> {self.update})"


class Out:
    """An output of a function; with ``borrow`` its array may share memory with inputs or shared variables,
    and change when they do (Theano's ``theano.Out``)."""

    def __init__(self, variable: Variable, borrow: bool = False) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(f"Out: the first argument is a symbolic variable, got {variable!r} "
                            f"({type(variable).__name__})")
        self.variable = variable
        self.borrow = bool(borrow)

    def __repr__(self) -> str:
        return f"Out({self.variable}{', borrow=True' if self.borrow else ''})"


def as_in(item: Any) -> In:
    """An item of the list of inputs as `In`; TypeError where it cannot be passed by a caller."""
    found = item if isinstance(item, In) else None
    if found is None:
        if not isinstance(item, Variable):
            raise TypeError(f"function: the inputs are variables or In(variable, ...), got {item!r} "
                            f"({type(item).__name__})")
        found = In(item)
    if isinstance(found.variable, SharedVariable):
        raise TypeError(
            f"function: the shared variable {found.variable} cannot be an input: it has a value already. "
            f"Make another variable, and replace it: givens=[({found.variable}, x)]"
        )
    if isinstance(found.variable, Constant):
        raise TypeError(f"function: the constant {found.variable} cannot be an input")
    return found


def as_out(item: Any) -> Out:
    """An item of the outputs as `Out`."""
    if isinstance(item, Out):
        return item
    if not isinstance(item, Variable):
        raise TypeError(f"function: the outputs are variables or Out(variable, ...), got {item!r} "
                        f"({type(item).__name__}); make a constant with T.constant(value)")
    return Out(item)
