"""Pickling of functions: a function goes as its recipe, and is compiled again where it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from symtensor.compile.build import Recipe
from symtensor.compile.io import Out
from symtensor.compile.mode import Mode
from symtensor.compile.profile import Profile
from symtensor.graph.shared import Container, SharedVariable
from symtensor.graph.variable import Apply, Variable
from symtensor.graph.walk import ancestors, toposort

__all__ = ["load_function", "pack_recipe"]


def pack_recipe(recipe: Recipe, values: Mapping[int, Any]) -> tuple[Any, ...]:
    """The recipe as a flat table, so that neither depth nor sharing of its graph matters.

    ``values`` are the present values of inputs that have one.
    """
    specs = [
        spec.replaced(
            value=values.get(i, None) if isinstance(spec.value, Container) or i in values else spec.value,
            update=None if spec.update is None else spec.variable,
        )
        for i, spec in enumerate(recipe.inputs)
    ]
    roots = [*(out.variable for out in recipe.outputs), *(value for _, value in recipe.updates)]
    fixed = [*(spec.variable for spec in specs), *recipe.shared]
    leaves = list(dict.fromkeys([*fixed, *(v for v in ancestors(roots) if v.owner is None)]))
    number: dict[Variable, int] = {leaf: index for index, leaf in enumerate(leaves)}
    rows: list[tuple[Any, ...]] = []
    for node in toposort(roots):
        rows.append(
            (node.op, tuple(number[v] for v in node.inputs), tuple((v.type, v.name) for v in node.outputs))
        )
        for output in node.outputs:
            number[output] = len(number)
    outputs = [(number[out.variable], out.borrow) for out in recipe.outputs]
    updates = [(number[target], number[value]) for target, value in recipe.updates]
    return (
        leaves,
        rows,
        specs,
        outputs,
        updates,
        len(recipe.shared),
        (recipe.keys, recipe.unpack, recipe.name),
    )


def _unpack_recipe(leaves: Sequence[Variable], rows: Sequence[tuple[Any, ...]], specs: Sequence[Any],
                   outputs: Sequence[tuple[int, bool]], updates: Sequence[tuple[int, int]], shared: int,
                   rest: tuple[Any, Any, Any]) -> Recipe:
    table = list(leaves)
    for op, inputs, kinds in rows:
        table.extend(
            Apply(op, [table[i] for i in inputs], [kind.make_variable(name) for kind, name in kinds]).outputs
        )
    keys, unpack, name = rest
    return Recipe(
        inputs=tuple(specs),
        outputs=tuple(Out(table[at], borrow) for at, borrow in outputs),
        keys=keys,
        unpack=unpack,
        updates=tuple((table[target], table[value]) for target, value in updates),
        shared=tuple(v for v in leaves[len(specs):len(specs) + shared] if isinstance(v, SharedVariable)),
        name=name,
    )


def load_function(
    packed: tuple[Any, ...], mode: Mode, name: str | None, profile: bool, trust_input: bool
) -> Any:
    """The function compiled again, with the states and defaults it was saved with."""
    from symtensor.compile.caller import make_function

    made = make_function(
        replace(_unpack_recipe(*packed), name=name), mode, Profile(name or "") if profile else None
    )
    made.trust_input = trust_input
    return made
