"""Copies of compiled functions: ``f.copy(...)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symtensor.compile.backend import compile_recipe
from symtensor.compile.build import Recipe
from symtensor.compile.caller import Function, Maker, new_function, own
from symtensor.compile.profile import Profile
from symtensor.graph.shared import Container, SharedVariable
from symtensor.graph.variable import Variable

__all__ = ["copied"]


def copied(f: Function, swap: Mapping[Any, SharedVariable], delete_updates: bool, name: str | None,
           profile: Any) -> Function:
    """As `Function.copy` says; compiled again only where the recipe changes."""
    recipe, mode = f.maker.recipe, f.maker.mode
    if swap:
        recipe = recipe.swapped(_swapped(f, swap))
    if delete_updates:
        recipe = recipe.without_updates()
    compiled = compile_recipe(recipe, mode) if swap or delete_updates else f.maker.compiled
    kept = Profile() if profile is True else profile or None
    made = new_function(Maker(recipe, mode, compiled, f.maker.origin), kept, name if name is not None else f.name,
                        _states(f, recipe))
    made.arguments.defaults[:] = f.arguments.defaults
    made.arguments.required[:] = f.arguments.required
    made.trust_input = f.trust_input
    return made


def _states(f: Function, recipe: Recipe) -> list[Container]:
    copies: list[Container] = []
    for spec, container in zip(recipe.states, f.state_containers, strict=True):
        if spec.shared:
            copies.append(container)
            continue
        with container.lock:
            copies.append(Container(container.type, own(container.storage[0])))
    return copies


def _swapped(f: Function, swap: Mapping[Any, SharedVariable]) -> dict[Variable, SharedVariable]:
    found: dict[Variable, SharedVariable] = {}
    for key, new in swap.items():
        matching = f.shared_named(key)
        if len(matching) != 1:
            raise ValueError(
                f"{f.label()}.copy: swap names {key}, which is not one of its shared variables "
                f"({', '.join(map(str, f.maker.recipe.shared)) or 'it has none'})"
            )
        old = matching[0]
        if not isinstance(new, SharedVariable) or not old.type.accepts(new.type):
            raise TypeError(
                f"{f.label()}.copy: {old} of type {old.type} cannot be swapped for {new!r}"
                + (f" of type {new.type}" if isinstance(new, Variable) else "")
            )
        found[old] = new
    return found
