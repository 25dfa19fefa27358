"""Compounds: variables whose values consist of several arrays (sparse matrices).

The type of a compound says ``components`` and ``part_names`` (the types and names of its parts), ``split(value)`` and
``join(arrays)`` for values, ``compose(parts)`` and ``decompose(variable)`` for variables; an op that takes compounds
apart names in ``undoes`` the class of the op that composes them. `dense_recipe` makes of a function on compounds one
on their parts, so that programs hold tensors alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symtensor.compile.build import Recipe
from symtensor.compile.io import In, Out
from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import ancestors, toposort

__all__ = ["dense_recipe", "is_compound", "kept_apart", "kept_shared"]


def is_compound(variable: Variable) -> bool:
    """Whether the variable's values consist of several arrays."""
    return hasattr(variable.type, "components")


def kept_shared(recipe: Recipe) -> list[SharedVariable]:
    """The shared variables whose values are compounds: the program gets their parts with each call."""
    return [variable for variable in recipe.shared if is_compound(variable)]


def kept_apart(recipe: Recipe) -> list[tuple[Variable, Variable]]:
    """The updates that the program does not store: those of states, and of compounds."""
    return [(target, value) for target, value in recipe.updates if _is_apart(target)]


def _is_apart(target: Variable) -> bool:
    return not isinstance(target, SharedVariable) or is_compound(target)


def dense_recipe(recipe: Recipe) -> Recipe | None:
    """The recipe on the parts of its compounds; None where there are none, or one stays whole (an op that is not
    spelled with parts takes or makes it).

    Its inputs are the parts of the explicit inputs, the states and the compound shared variables, in this order; its
    outputs those of the outputs and of the updates `kept_apart`.
    """
    apart = kept_apart(recipe)
    inner = [pair for pair in recipe.updates if not _is_apart(pair[0])]
    leaves = [*(spec.variable for spec in (*recipe.explicit, *recipe.states)), *kept_shared(recipe)]
    whole = [*(out.variable for out in recipe.outputs), *(value for _, value in apart)]
    every = ancestors([*whole, *(value for _, value in inner), *leaves])
    if not any(map(is_compound, every)):
        return None
    made: dict[Variable, Variable] = {}
    inputs = [part for leaf in leaves for part in _parts_of(leaf, made)]
    for variable in every:
        if isinstance(variable, Constant) and is_compound(variable):
            kind = variable.type
            arrays = zip(kind.components, kind.split(variable.data), strict=True)
            made[variable] = kind.compose([part.make_constant(array) for part, array in arrays])
    parts = [root.type.decompose(root) if is_compound(root) else [root] for root in whole]
    count = sum(map(len, parts))
    roots = _without_pairs([*(v for some in parts for v in some), *(value for _, value in inner)], made)
    if any(map(is_compound, ancestors(roots))):
        return None
    borrow = [*(out.borrow for out in recipe.outputs), *(False for _ in apart)]
    flags = [flag for flag, some in zip(borrow, parts, strict=True) for _ in some]
    return replace(
        recipe, inputs=tuple(map(In, inputs)), keys=None, unpack="list",
        outputs=tuple(map(Out, roots[:count], flags)),
        updates=tuple((target, value) for (target, _), value in zip(inner, roots[count:], strict=True)),
        shared=tuple(v for v in recipe.shared if not is_compound(v)),
    )


def _parts_of(leaf: Variable, made: dict[Variable, Variable]) -> Sequence[Variable]:
    """The inputs that stand for a leaf; ``made`` says what takes the place of a compound one."""
    if not is_compound(leaf):
        return [leaf]
    parts = [kind.make_variable(f"{leaf}.{name}")
             for kind, name in zip(leaf.type.components, leaf.type.part_names, strict=True)]
    made[leaf] = leaf.type.compose(parts)
    return parts


def _without_pairs(roots: Sequence[Variable], made: dict[Variable, Variable]) -> list[Variable]:
    """The roots with the variables in ``made`` replaced, and no compound composed only to be taken apart."""
    for node in toposort(roots):
        inputs = [made.get(variable, variable) for variable in node.inputs]
        undone = getattr(node.op, "undoes", None)
        if undone is not None and inputs[0].owner is not None and isinstance(inputs[0].owner.op, undone):
            made.update(zip(node.outputs, inputs[0].owner.inputs, strict=True))
        elif any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            made.update(zip(node.outputs, node.clone_with(inputs).outputs, strict=True))
    return [made.get(root, root) for root in roots]
