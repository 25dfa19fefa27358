"""``x.eval({...})``: compile and call in one step, for the shell."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from symtensor.compile.function import Function, function
from symtensor.compile.mode import get_mode
from symtensor.graph.errors import MissingInputError
from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import graph_inputs

__all__ = ["evaluate"]

_KEPT = 8  # compiled functions kept by one variable


def evaluate(
    variable: Variable, inputs_to_values: Mapping[Variable, Any] | None = None, mode: Any = None
) -> Any:
    """The value of ``variable`` given values of the inputs it needs (Theano's ``x.eval``).

    The compiled function stays with the variable: calls with the same inputs do not compile again.
    MissingInputError names the inputs without a value, TypeError what is no input.

    >>> from symtensor import tensor as T
    >>> x = T.dscalar("x")
    >>> float((x + 1).eval({x: 2}))
    3.0
    """
    if not isinstance(inputs_to_values, (Mapping, NoneType)):
        raise TypeError(f"eval takes a dict of values by variable, got a {type(inputs_to_values).__name__}; write "
                        f"{variable}.eval({{x: value}})")
    values = dict(inputs_to_values or {})
    if not all(isinstance(key, Variable) for key in values):
        wrong = next(key for key in values if not isinstance(key, Variable))
        raise TypeError(
            f"eval: the keys are variables, got {wrong!r}; write {variable}.eval({{x: value}}) with the "
            "variable x itself"
        )
    cache: dict[Any, Function] = vars(variable.tag).setdefault("_compiled", {})
    mode = get_mode(mode)
    key = (tuple(values), mode)
    compiled = cache.get(key)
    if compiled is None:
        _check_inputs(variable, values)
        compiled = function(list(values), variable, mode=mode)
        while len(cache) >= _KEPT:
            cache.pop(next(iter(cache)))
        cache[key] = compiled
    return compiled(*values.values())


def _check_inputs(variable: Variable, values: Mapping[Variable, Any]) -> None:
    missing = [v for v in graph_inputs([variable], values)
               if not isinstance(v, (Constant, SharedVariable)) and v not in values]
    if missing:
        names = ", ".join(map(str, missing))
        pairs = ", ".join(f"{v}: value" for v in missing)
        raise MissingInputError(
            f"eval: {variable} needs the value of {names}; write {variable}.eval({{{pairs}}})"
        )
