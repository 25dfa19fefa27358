"""Functions of compounds: values are split into arrays for the program, and joined from its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symtensor.compile.caller import Function, Maker, locked, new_function
from symtensor.compile.split import is_compound, kept_apart, kept_shared
from symtensor.graph.shared import Container
from symtensor.graph.variable import Variable

__all__ = ["CompoundFunction"]


class CompoundFunction(Function):
    """A function some of whose values consist of several arrays (sparse matrices): it calls one on these arrays.

    The values of states and of compound shared variables stay whole between calls.
    """

    def __init__(self, maker: Maker, profile: Any, name: str | None, containers: Sequence[Container] | None) -> None:
        self.trust_input = False
        self._prepare(maker, profile, name, containers)

    def _attach(self) -> None:
        maker, recipe = self.maker, self.maker.recipe
        states, shared = recipe.states, kept_shared(recipe)
        own = [*self.containers[:len(states)], *(variable.container for variable in shared)]
        leaves = [*(spec.variable for spec in states), *shared]
        place = dict(zip(leaves, own, strict=True))
        self._held = own
        self._kinds = [v.type for v in (*(spec.variable for spec in recipe.explicit), *leaves)]
        self._results: list[Variable] = [out.variable for out in recipe.outputs]
        self._changed = [place[target] for target, _ in kept_apart(recipe)]
        self._results += [value for _, value in kept_apart(recipe)]
        if maker.compiled.dense is None:
            raise ValueError("the function holds no compounds")
        dense = Maker(maker.compiled.dense, maker.mode, replace(maker.made, dense=None), maker.origin)
        self._dense = new_function(dense, self.profile, self.name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The values of the outputs for values of the inputs."""
        explicit, given = self._placed(args, kwargs, self.trust_input)
        count = len(self.maker.recipe.outputs)
        with locked(self._held):
            values = [*explicit, *(given.get(at, c.storage[0]) for at, c in enumerate(self._held))]
            arrays: list[Any] = []
            for kind, value in zip(self._kinds, values, strict=True):
                arrays += kind.split(value) if hasattr(kind, "components") else [value]
            found = iter(self._dense(*arrays))
            results = [v.type.join([next(found) for _ in v.type.components]) if is_compound(v) else next(found)
                       for v in self._results]
            for container, value in zip(self._changed, results[count:], strict=True):
                container.storage[0] = value
        return self._pack(results[:count])
