"""From the arguments of `function` to one resolved graph: givens replaced, updates checked, shared variables
found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symtensor.compile.io import In, Out, as_in, as_out
from symtensor.config import config
from symtensor.graph.errors import UnusedInputError
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.shared import Container, SharedVariable
from symtensor.graph.trace import describe_origin
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import ancestors, clone_replace
from symtensor.ops.convert import as_tensor_variable

__all__ = ["Recipe", "resolve"]


@dataclass(frozen=True)
class Recipe:
    """A function before compilation: everything is a leaf or an expression of leaves.

    inputs : what callers may pass, in order; their variables have no owner.
    outputs : results, in order.
    keys : the keys of the dict that calls return, or None.
    unpack : what calls return: "list", "single", "none" or "dict".
    updates : (input variable or shared variable, its new value).
    shared : the shared variables the graph reads or updates, one for each container.
    """

    inputs: tuple[In, ...]
    outputs: tuple[Out, ...]
    keys: tuple[str, ...] | None
    unpack: str
    updates: tuple[tuple[Variable, Variable], ...]
    shared: tuple[SharedVariable, ...]
    name: str | None

    @property
    def explicit(self) -> list[In]:
        """The inputs whose values come with each call."""
        return [spec for spec in self.inputs if not stateful(spec)]

    @property
    def states(self) -> list[In]:
        """The inputs with a value of their own that lives between calls."""
        return [spec for spec in self.inputs if stateful(spec)]

    def graph(self) -> FunctionGraph:
        """From explicit inputs, states and shared variables to results and update values."""
        leaves = [spec.variable for spec in (*self.explicit, *self.states)]
        roots = [*(out.variable for out in self.outputs), *(value for _, value in self.updates)]
        return FunctionGraph.build([*leaves, *self.shared], roots)

    def update_inputs(self, graph: FunctionGraph) -> dict[int, int]:
        """For each output of `graph` that is an update value the input that it replaces."""
        place = {variable: index for index, variable in enumerate(graph.inputs)}
        return {len(self.outputs) + at: place[target] for at, (target, _) in enumerate(self.updates)}

    def without_updates(self) -> Recipe:
        """The recipe with shared variables left as they are."""
        kept = tuple((t, v) for t, v in self.updates if not isinstance(t, SharedVariable))
        used = set(ancestors([*(o.variable for o in self.outputs), *(v for _, v in kept)]))
        return replace(self, updates=kept, shared=tuple(v for v in self.shared if v in used))

    def swapped(self, swap: Mapping[Variable, SharedVariable]) -> Recipe:
        """The recipe on other shared variables of the same types."""
        roots = [*(o.variable for o in self.outputs), *(v for _, v in self.updates)]
        new = clone_replace(roots, swap)
        count = len(self.outputs)
        outputs = tuple(Out(v, o.borrow) for v, o in zip(new[:count], self.outputs, strict=True))
        updates = tuple((swap.get(t, t), v) for (t, _), v in zip(self.updates, new[count:], strict=True))
        return replace(
            self, outputs=outputs, updates=updates, shared=tuple(swap.get(v, v) for v in self.shared)
        )


def stateful(spec: In) -> bool:
    """Whether the input's value lives in a container between calls."""
    return spec.update is not None or spec.shared or spec.implicit


def resolve(inputs: Any, outputs: Any, updates: Any, givens: Any, no_default_updates: Any,
            rebuild_strict: bool, allow_input_downcast: bool | None, name: str | None,
            on_unused_input: str | None) -> Recipe:
    """The recipe that the arguments of `function` describe; TypeError, ValueError, UnusedInputError where
    they do not fit together."""
    given_specs = _inputs(inputs, allow_input_downcast)
    leaves = {spec.variable: spec.variable.clone() for spec in given_specs if spec.variable.owner is not None}
    specs = [spec.replaced(variable=leaves.get(spec.variable, spec.variable)) for spec in given_specs]
    outs, keys, unpack = _outputs(outputs)
    replaced = _givens(givens, rebuild_strict)

    def substituted(expressions: Sequence[Variable]) -> list[Variable]:
        return clone_replace(clone_replace(expressions, replaced), leaves)

    pairs: list[tuple[Variable, Variable]] = [*_updates(updates, [spec.variable for spec in given_specs])]
    pairs += [(spec.variable, stored("function: update of input", spec.variable, spec.update))
              for spec in specs if spec.update is not None]
    targets = [target for target, _ in pairs]
    roots = substituted([*(out.variable for out in outs), *(value for _, value in pairs)])
    _add_default_updates(targets, roots, substituted, no_default_updates)
    roots, targets, shared = _shared(roots, targets, specs)
    _check_unused(specs, roots, on_unused_input)
    count = len(outs)
    return Recipe(
        inputs=tuple(specs),
        outputs=tuple(Out(root, out.borrow) for root, out in zip(roots[:count], outs, strict=True)),
        keys=keys,
        unpack=unpack,
        updates=tuple(zip(targets, roots[count:], strict=True)),
        shared=shared,
        name=name,
    )


def _inputs(inputs: Any, allow_input_downcast: bool | None) -> list[In]:
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(
            f"function: the inputs are a list, also of one: [{inputs}]; got a {type(inputs).__name__}"
        )
    if allow_input_downcast is None and config.allow_input_downcast:
        allow_input_downcast = True
    specs = [as_in(item) for item in inputs]
    first: dict[Variable, int] = {}
    for index, spec in enumerate(specs):
        if spec.variable in first:
            raise ValueError(
                f"function: {spec.variable} is input {first[spec.variable]} and input {index}; what is "
                "passed for one of them would be lost. Leave one out"
            )
        first[spec.variable] = index
    return [spec if spec.allow_downcast is not None or allow_input_downcast is None
            else spec.replaced(allow_downcast=allow_input_downcast) for spec in specs]


def _outputs(outputs: Any) -> tuple[list[Out], tuple[str, ...] | None, str]:
    if outputs is None:
        return [], None, "list"
    if isinstance(outputs, Mapping):
        for key in outputs:
            if not isinstance(key, str):
                raise TypeError(f"function: the keys of an outputs dict are str, got {key!r}")
        return [as_out(value) for value in outputs.values()], tuple(outputs), "dict"
    if isinstance(outputs, (list, tuple)):
        return [as_out(item) for item in outputs], None, "list"
    return [as_out(outputs)], None, "single"


def _pairs(what: str, given: Any) -> list[tuple[Any, Any]]:
    """The (key, value) pairs of a dict or a list of pairs."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return list(given.items())
    if not isinstance(given, Iterable) or isinstance(given, (str, Variable)):
        raise TypeError(f"function: {what} is a dict or a list of (variable, value) pairs, got {given!r}")
    found: list[tuple[Any, Any]] = []
    for item in given:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise TypeError(
                f"function: {what} is a dict or a list of (variable, value) pairs, got the item {item!r}"
            )
        found.append((item[0], item[1]))
    return found


def _givens(givens: Any, rebuild_strict: bool) -> dict[Variable, Variable]:
    replaced: dict[Variable, Variable] = {}
    for key, value in _pairs("givens", givens):
        if not isinstance(key, Variable):
            raise TypeError(
                f"function: givens replaces variables, got the key {key!r} ({type(key).__name__})"
            )
        if key in replaced:
            raise ValueError(f"function: givens replaces {key} twice")
        if rebuild_strict or not isinstance(value, Variable):
            value = stored("function: givens for", key, value)
        replaced[key] = value
    return replaced


def _updates(updates: Any, inputs: Sequence[Variable]) -> list[tuple[Variable, Variable]]:
    found: list[tuple[Variable, Variable]] = []
    seen: set[Container] = set()
    for key, value in _pairs("updates", updates):
        if not isinstance(key, SharedVariable):
            if isinstance(key, Variable) and key in inputs:
                raise TypeError(f"function: updates are for shared variables, {key} is an input; "
                                f"write In({key}, value=..., update=...)")
            raise TypeError(
                f"function: updates are for shared variables, got {key!r} ({type(key).__name__}); make it "
                "with shared(value)"
            )
        if key.container in seen:
            raise ValueError(f"function: updates has two new values for {key}; keep one of them")
        seen.add(key.container)
        found.append((key, stored("function: update of", key, value)))
    return found


def stored(what: str, target: Variable, value: Any) -> Variable:
    """``value`` as a variable that can stand where ``target`` does; TypeError naming both where it cannot."""
    kind = target.type
    if not isinstance(value, Variable):
        if isinstance(value, (list, tuple)):
            try:
                value = as_tensor_variable(value)
            except TypeError as error:
                raise TypeError(f"{what} {target}: {error}") from None
        if not isinstance(value, Variable) or isinstance(value, Constant):
            try:
                return kind.make_constant(kind.filter(value.data if isinstance(value, Constant) else value))
            except TypeError as error:
                raise TypeError(f"{what} {target} of type {kind}: {error}") from None
    if value.type == kind or kind.accepts(value.type):
        return value
    if isinstance(kind, TensorType) and isinstance(value.type, TensorType):
        return _fitted(what, target, value)
    raise TypeError(f"{what} {target} of type {kind}: got {value} of type {value.type}")


def _fitted(what: str, target: Variable, value: Variable) -> Variable:
    """A tensor of the right dtype and rank, with the dimensions that ``target`` fixes checked at run time."""
    kind, given = target.type, value.type
    remedy = ""
    if given.dtype != kind.dtype:
        remedy = f"; convert it with .astype({kind.dtype!r})"
    elif given.ndim != kind.ndim:
        remedy = (
            f": it has {given.ndim} dimension(s), not {kind.ndim}; use reshape, dimshuffle, or a reduction"
        )
    elif given.device != kind.device:
        remedy = f"; move it with .transfer({kind.device!r})"
    elif any(None not in (a, b) and a != b for a, b in zip(given.shape, kind.shape, strict=True)):
        remedy = f": its shape is {given.shape}, not {kind.shape} (None: any)"
    if not remedy:
        from symtensor.ops.shape import specify_shape

        return specify_shape(value, kind.shape)
    place = describe_origin(value.origin)
    raise TypeError(f"{what} {target} of type {kind}: got {value} of type {given}"
                    f"{f', made at {place}' if place else ''}{remedy}")


def _add_default_updates(targets: list[Variable], roots: list[Variable],
                         substituted: Callable[[Sequence[Variable]], list[Variable]], excluded: Any) -> None:
    """Append the default updates of the shared variables that the graph reads, and of those that these
    read."""
    if excluded is True:
        return
    if not isinstance(excluded, (list, tuple, set, frozenset)) and excluded is not False:
        raise TypeError(
            f"function: no_default_updates is a bool or a list of shared variables, got {excluded!r}"
        )
    for variable in excluded or ():
        if not isinstance(variable, SharedVariable):
            raise TypeError(f"function: no_default_updates lists shared variables, got {variable!r}")
    done = {v.container for v in (*targets, *(excluded or ())) if isinstance(v, SharedVariable)}
    while True:
        pending = {leaf.container: leaf for leaf in ancestors(roots)
                   if isinstance(leaf, SharedVariable) and leaf.default_update is not None
                   and leaf.container not in done}
        if not pending:
            return
        for container, leaf in pending.items():
            done.add(container)
            targets.append(leaf)
            roots += substituted([stored("function: default_update of", leaf, leaf.default_update)])


def _shared(roots: list[Variable], targets: list[Variable],
            specs: Sequence[In]) -> tuple[list[Variable], list[Variable], tuple[SharedVariable, ...]]:
    """Roots and targets with one variable for each container, and these variables.

    Two variables over one container would be two inputs on one memory, which the planner must not see.
    """
    owners: dict[Container, Variable] = {}
    for spec in specs:
        if spec.shared:
            owners[spec.value if isinstance(spec.value, Container) else spec.value.container] = spec.variable
    leaves = [v for v in (*ancestors(roots), *targets) if isinstance(v, SharedVariable)]
    replaced: dict[Variable, Variable] = {}
    for leaf in dict.fromkeys(leaves):
        owner = owners.setdefault(leaf.container, leaf)
        if owner is not leaf:
            replaced[leaf] = owner
    if replaced:
        roots = clone_replace(roots, replaced)
        targets = [replaced.get(target, target) for target in targets]
        if len(set(targets)) != len(targets):
            raise ValueError(
                "function: an input and a shared variable with the same container are both updated"
            )
    shared = tuple(v for v in owners.values() if isinstance(v, SharedVariable))
    return roots, targets, shared


def _check_unused(specs: Sequence[In], roots: Sequence[Variable], on_unused_input: str | None) -> None:
    choice = config.on_unused_input if on_unused_input is None else on_unused_input
    if choice not in ("raise", "warn", "ignore"):
        raise ValueError(f"function: on_unused_input is 'raise', 'warn' or 'ignore', got {choice!r}")
    if choice == "ignore":
        return
    used = set(ancestors(roots))
    for index, spec in enumerate(specs):
        if spec.variable in used or spec.update is not None:
            continue
        text = (
            f"function: input {index} ({spec.variable} of type {spec.variable.type}) is not needed for any "
            "output or update. Leave it out, or pass on_unused_input='ignore'"
        )
        if choice == "raise":
            raise UnusedInputError(text)
        warnings.warn(text, stacklevel=4)
