"""`loop`: a loop over a state of any shape, nested tuples and dicts of variables, in the manner of JAX's ``lax.scan``.

It is the same `Loop` node that `scan` makes; this page only takes nests apart and puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import cast
from symtensor.ops.index import getitem
from symtensor.ops.loop_build import as_count
from symtensor.ops.scan import Output, Step, build_scan, fed_back, until, walked, widened

__all__ = ["Looped", "loop"]


@dataclass
class Looped:
    """What `loop` gives; ``state, outputs = loop(...)`` takes the first two.

    state : after the last step, in the nest that was given. outputs : all steps of what the step put out, in its nest.
    updates : of shared variables, for `symtensor.function`: random streams used inside the step move on by them.
    """

    state: Any
    outputs: Any
    updates: dict[SharedVariable, Variable]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.state, self.outputs))

    def __getitem__(self, k: int) -> Any:
        return (self.state, self.outputs)[k]

    def __len__(self) -> int:
        return 2


def loop(step: Callable[..., Any], init: Any, xs: Any = None, n_steps: Any = None, *,
         name: str | None = None) -> Looped:
    """Carry a state through a loop inside the compiled program.

    Parameters
    ----------
    step : ``step(state, x) -> (state, output)``, or ``step(state)`` without ``xs``; called once, with symbolic
        variables. A third item may be `until` a condition, which ends the loop after that step. ``output`` may be None.
    init : the first state: a variable or number, or tuples, lists and dicts of such, nested at will. Each step gives a
        state of the same nest, dtypes and shapes.
    xs : what is walked along its first axis, in a nest too; all are cut to the shortest.
    n_steps : an int or integer scalar; by default the length of ``xs``.

    Returns
    -------
    The last state and the outputs of all steps (along a new first axis), in the nests that ``init`` and ``output``
    have: an output dict names them. ValueError where the step's state has another nest; TypeError for another dtype.

    >>> import numpy as np
    >>> from symtensor import loop, tensor as T
    >>> x = T.dvector("x")
    >>> def step(state, x):
    ...     mean = state["mean"] + (x - state["mean"]) / (state["count"] + 1)
    ...     return {"mean": mean, "count": state["count"] + 1}, {"distance": abs(x - mean)}
    >>> state, outputs = loop(step, {"mean": 0.0, "count": 0.0}, x)
    >>> state["mean"].eval({x: np.array([1.0, 2.0, 6.0])})
    array(3.)
    >>> outputs["distance"].eval({x: np.array([1.0, 2.0, 6.0])})
    array([0. , 0.5, 3. ])
    """
    where = f"loop {name!r}" if name else "loop"
    pairs, length = walked(where, [value for _, value in _leaves(xs)], False)
    steps = length if n_steps is None else as_count(where, n_steps)
    if steps is None:
        raise ValueError(f"{where}: give xs or n_steps; without either the number of steps is not known")
    if isinstance(steps, Constant) and int(steps.data) < 0:
        raise ValueError(f"{where}: the number of steps is {int(steps.data)}; it must be 0 or more")
    first = [value for _, value in _leaves(init)]
    states = [fed_back(where, k, as_tensor_variable(value)) for k, value in enumerate(first)]
    before = _like(init, iter([state.inner[-1] for state in states]))
    arguments = [before] if xs is None else [before, _like(xs, iter([inner for inner, _ in pairs]))]
    after, put_out, condition = _parts(where, step(*arguments))
    new = list(_matching(where, init, after, "state"))
    wider = [widened(value, to) for value, to in zip(first, new, strict=True)]
    if any(a is not b for a, b in zip(wider, first, strict=True)):
        return loop(step, _like(init, iter(wider)), xs, n_steps, name=name)
    for state in states:
        state.last = True
    rows = [as_tensor_variable(value) for _, value in _leaves(put_out)]
    found, updates = build_scan(
        where, steps, [(inner, getitem(outer, slice(None, steps))) for inner, outer in pairs],
        Step([*states, *(Output(None) for _ in rows)], [*new, *rows], {}, condition), -1, name, True)
    values = iter(found or ())
    return Looped(_like(init, values), _like(put_out, values), updates)


def _parts(where: str, returned: Any) -> tuple[Any, Any, Variable | None]:
    """State, output and condition of what a step returned."""
    if not isinstance(returned, tuple) or len(returned) not in (2, 3):
        raise TypeError(f"{where}: the step must return (state, output), the output None where there is none; it "
                        f"returned {returned!r}")
    condition = returned[2] if len(returned) == 3 else None
    if condition is None:
        return returned[0], returned[1], None
    if not isinstance(condition, until):
        raise TypeError(f"{where}: the third item that the step returns must be until(condition), got {condition!r}")
    return returned[0], returned[1], cast(condition.condition, "bool")


def _items(tree: Any) -> list[tuple[Any, Any]] | None:
    """The keys and values of one level; None for a leaf."""
    if isinstance(tree, Mapping):
        return list(tree.items())
    if isinstance(tree, (tuple, list)):
        return list(enumerate(tree))
    return [] if tree is None else None


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) for each leaf, in order."""
    items = _items(tree)
    if items is None:
        yield path, tree
    for key, value in items or ():
        yield from _leaves(value, f"{path}[{key!r}]")


def _like(tree: Any, values: Iterator[Any]) -> Any:
    """The nest with other leaves."""
    items = _items(tree)
    if items is None:
        return next(values)
    made = [_like(value, values) for _, value in items]
    if isinstance(tree, Mapping):
        return dict(zip((key for key, _ in items), made, strict=True))
    if tree is None:
        return None
    return tree._make(made) if hasattr(tree, "_make") else type(tree)(made)


def _matching(where: str, tree: Any, new: Any, path: str) -> Iterator[Variable]:
    """The leaves of ``new``, which must have the nest of ``tree``, in the order of ``tree``."""
    items, mine = _items(tree), _items(new)
    if items is None:
        if mine is not None:
            raise ValueError(f"{where}: {path} is one variable at first, the step gives {new!r} for it")
        yield as_tensor_variable(new)
        return
    given = None if mine is None else dict(mine)
    named = isinstance(tree, Mapping), isinstance(new, Mapping)
    if given is None or set(given) != {key for key, _ in items} or named[0] != named[1]:
        raise ValueError(f"{where}: {path} has the keys {[key for key, _ in items]} at first, the step gives "
                         f"{'one value' if given is None else list(given)}; a state keeps its nest from step to step")
    for key, value in items:
        yield from _matching(where, value, given[key], f"{path}[{key!r}]")
