"""`scan`: loops as users write them, with Theano's meaning.

The step function is called once, with symbolic variables for one step; what it returns becomes the inner graph of a
`Loop` node. Shared variables and outer expressions that it uses are found by themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symtensor.graph.op import _as_variable as as_variable
from symtensor.graph.shared import SharedVariable
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import ancestors, clone_replace, graph_inputs
from symtensor.ops.convert import as_tensor_variable, constant
from symtensor.ops.elementwise import add, cast, maximum, minimum
from symtensor.ops.index import getitem
from symtensor.ops.loop_build import Carried, as_count, build_loop, stand_in

__all__ = ["OrderedUpdates", "scan", "until"]


class until:
    """What a step returns, last, to end the loop after the step in which ``condition`` is true (Theano's name).
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.type.ndim:
            raise TypeError(f"until: the condition must be a scalar, got {self.condition} of type "
                            f"{self.condition.type}")


@dataclass
class Output:
    """One entry of ``outputs_info``: ``initial`` None for a value that is not fed back."""

    initial: Variable | None
    taps: tuple[int, ...] = ()
    inner: dict[int, Variable] = field(default_factory=dict)
    last: bool = False  # whether only its value after the last step is wanted

    @property
    def depth(self) -> int:
        """How many initial rows there are."""
        return 0 if self.initial is None else max(1, -min(self.taps))


@dataclass
class Step:
    """What a step function was given and returned."""

    outputs: list[Output]
    results: list[Variable]
    updates: dict[SharedVariable, Variable]
    condition: Variable | None = None
    others: list[Variable] = field(default_factory=list)  # the non-sequences
    arguments: list[Variable] = field(default_factory=list)

    def parts(self, where: str) -> tuple[list[Carried], list[Variable], Variable | None]:
        """What is carried, outputs first, then shared variables; the rows to stack; the condition."""
        updates, carried, rows = self.updates, [], []
        for k, (output, value) in enumerate(zip(self.outputs, self.results, strict=True)):
            if output.initial is None:
                rows.append(value)
            else:
                value = _fitted(where, k, output, value)
                carried.append(Carried(output.inner, output.initial, value, depth=output.depth))
        ends = [self.condition] if self.condition is not None else []
        fixed = [value for value in self.others if not isinstance(value, SharedVariable)]
        for shared in graph_inputs([*(state.new for state in carried), *rows, *updates.values(), *ends], fixed):
            if isinstance(shared, SharedVariable) and shared.default_update is not None and shared not in updates:
                updates[shared] = shared.default_update  # random streams and the like
        inner: dict[Variable, Variable] = dict(zip(fixed, fixed, strict=True))
        inner.update((shared, stand_in(shared)) for shared in updates)
        new = iter(clone_replace([*(state.new for state in carried), *updates.values(), *rows, *ends], inner))
        for state in carried:
            state.new = next(new)
        for shared in updates:
            first = shared.dimshuffle("x", *range(shared.type.ndim))  # type: ignore[attr-defined]
            carried.append(Carried({-1: inner[shared]}, first, next(new)))
        rows = [next(new) for _ in rows]
        return carried, rows, next(new) if ends else None


class OrderedUpdates(dict[SharedVariable, Variable]):
    """Updates of shared variables, to be passed to `symtensor.function`; ``a + b`` has those of both (Theano's name).

    ValueError where both have one variable, with different values.
    """

    def __add__(self, other: Mapping[SharedVariable, Variable]) -> OrderedUpdates:
        for shared, value in other.items():
            if self.get(shared, value) is not value:
                raise ValueError(f"the updates of {shared} in both operands differ: {self[shared]} and {value}")
        return OrderedUpdates({**self, **other})

    def __radd__(self, other: Mapping[SharedVariable, Variable]) -> OrderedUpdates:
        return OrderedUpdates(other) + self


def scan(fn: Callable[..., Any], sequences: Any = None, outputs_info: Any = None, non_sequences: Any = None,
         n_steps: Any = None, truncate_gradient: int = -1, go_backwards: bool = False, mode: Any = None,
         name: str | None = None, profile: Any = False, allow_gc: bool | None = None, strict: bool = False,
         return_list: bool = False) -> tuple[Any, OrderedUpdates]:
    """Call ``fn`` for each step of a loop inside the compiled program (Theano's name and meaning).

    Parameters
    ----------
    fn : the step. It is given, in this order: the taps of each sequence; the taps of each output that is fed back (in
        the order in which ``taps`` has them); the non-sequences. It returns the outputs (one, or a list), or updates of
        shared variables (a dict or a list of pairs), or `until` a condition, or several of these.
    sequences : what is walked along its first axis: variables, or ``dict(input=x, taps=[-1, 0, 1])``. Several are
        cut to the shortest.
    outputs_info : for each output None (not fed back), its initial value, or ``dict(initial=x0, taps=[-2, -1])``
        with one row of ``initial`` for each step before the first that the taps reach.
    non_sequences : further arguments, the same in every step.
    n_steps : an int or integer scalar; by default the length of the shortest sequence. A negative one goes backwards.
    truncate_gradient : how many of the last steps gradients go back through; -1: all.
    go_backwards : walk the sequences from their end. return_list : one output is returned in a list too.
    strict : whether a step may use only what it is given (and constants).
    mode, profile, allow_gc : accepted for Theano's programs; the loop is part of the program that holds it.

    Returns
    -------
    (outputs, updates): one variable (or a list) with the values of all steps along a new first axis, and a dict of
    updates of shared variables (random streams too), to be passed to `symtensor.function`.

    >>> from symtensor import scan, tensor as T
    >>> k, a = T.iscalar("k"), T.dvector("a")
    >>> powers, updates = scan(lambda before, a: before * a, outputs_info=T.ones_like(a), non_sequences=a, n_steps=k)
    >>> powers[-1].eval({k: 3, a: [1.0, 2.0]})
    array([1., 8.])
    """
    where = f"scan {name!r}" if name else "scan"
    pairs, length = walked(where, as_list(sequences), go_backwards)
    steps = length if n_steps is None else as_count(where, n_steps)
    if steps is None:
        raise ValueError(f"{where}: give sequences or n_steps; without either the number of steps is not known")
    if not isinstance(truncate_gradient, (int, np.integer)) or truncate_gradient < -1:
        raise ValueError(f"{where}: truncate_gradient is a number of steps, or -1 for all, got {truncate_gradient!r}")
    if isinstance(steps, Constant) and int(steps.data) < 0:
        return scan(fn, sequences, outputs_info, non_sequences, -int(steps.data), truncate_gradient, not go_backwards,
                    mode, name, profile, allow_gc, strict, return_list)
    step = traced(where, fn, pairs, outputs_info, non_sequences)
    if strict:
        ends = [step.condition] if step.condition is not None else []
        _check_strict(where, [*step.results, *step.updates.values(), *ends], [*step.arguments, *step.others])
    return build_scan(where, steps, [(inner, getitem(outer, slice(None, steps))) for inner, outer in pairs], step,
                      truncate_gradient, name, return_list)


def traced(where: str, fn: Callable[..., Any], pairs: list[tuple[Variable, Variable]], outputs_info: Any,
           non_sequences: Any) -> Step:
    """What a step function computes from a row of each sequence, the taps of its outputs and the non-sequences."""
    specs = as_list(outputs_info)
    outputs = [fed_back(where, k, spec) for k, spec in enumerate(specs)]
    others = [as_variable(value) for value in as_list(non_sequences)]
    arguments = [*(inner for inner, _ in pairs), *(out.inner[tap] for out in outputs for tap in out.taps)]
    _note_test_values(pairs, outputs)
    _check_call(where, fn, len(pairs), len(arguments) - len(pairs), len(others))
    results, updates, condition = _results(where, fn(*arguments, *others))
    outputs = outputs if outputs_info is not None else [Output(None) for _ in results]
    if len(results) != len(outputs):
        raise ValueError(f"{where}: the step returns {len(results)} output(s), but outputs_info describes "
                         f"{len(outputs)}; give one entry for each, None where a value is not fed back")
    wider = [widened(spec, value) for spec, value in zip(specs, results, strict=False)]
    if any(new is not old for new, old in zip(wider, specs, strict=False)):
        return traced(where, fn, pairs, wider, non_sequences)
    return Step(outputs, results, updates, condition, others, arguments)


def _check_call(where: str, fn: Callable[..., Any], rows: int, taps: int, others: int) -> None:
    """TypeError where the step function does not take what it would be given."""
    try:
        takes = inspect.signature(fn)
    except (TypeError, ValueError):  # some built-in functions do not say
        return
    try:
        takes.bind(*range(rows + taps + others))
    except TypeError as error:
        raise TypeError(f"{where}: the step takes {takes}, but is given {rows} row(s) of sequences, {taps} earlier "
                        f"value(s) of outputs (as outputs_info says) and {others} non-sequence(s): {error}") from None


def _note_test_values(pairs: list[tuple[Variable, Variable]], outputs: list[Output]) -> None:
    """Give the step's variables the first test values of what they are rows of (config.compute_test_value)."""
    rows = [(inner, outer, 0) for inner, outer in pairs]
    rows += [(out.inner[tap], out.initial, tap + out.depth) for out in outputs if out.initial is not None
             for tap in out.taps]
    for inner, outer, at in rows:
        value = getattr(outer.tag, "test_value", None)
        if value is not None and len(value) > at:
            setattr(inner.tag, "test_value", np.asarray(value)[at])  # noqa: B010


def build_scan(where: str, steps: Variable, sequences: list[tuple[Variable, Variable]], step: Step, truncate: int,
               name: str | None, return_list: bool) -> tuple[Any, OrderedUpdates]:
    """The loop node, and what `scan` returns."""
    carried, rows, condition = step.parts(where)
    found = build_loop(steps, sequences, carried, rows, others={v: v for v in step.others}, condition=condition,
                       truncate=None if truncate == -1 else truncate, name=name)
    traces, stacked = iter(found.traces), iter(found.rows)
    given = []
    for output in step.outputs:
        depth = output.depth
        value = next(stacked) if output.initial is None else next(traces)
        if output.last:
            given.append(getitem(value, -1 if found.steps is None else add(found.steps, depth - 1)))
            continue
        stop = None if found.steps is None else add(found.steps, depth)
        given.append(value if not depth and stop is None else getitem(value, slice(depth or None, stop)))
    last = OrderedUpdates()
    for shared in step.updates:
        trace = next(traces)
        last[shared] = getitem(trace, -1 if found.steps is None else found.steps)
    return (given if return_list or len(given) != 1 else given[0]) if given else None, last


def _tensor(where: str, what: str, value: Any) -> Variable:
    """``value`` as a variable that a loop can walk, carry or stack."""
    if isinstance(value, Variable) and not isinstance(value.type, TensorType):
        raise TypeError(f"{where}: {what} is {value} of type {value.type}, but loops walk, carry and stack tensors "
                        "alone; pass it as a non-sequence, or its dense value")
    return as_tensor_variable(value)


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def walked(where: str, specs: list[Any], go_backwards: bool) -> tuple[list[tuple[Variable, Variable]],
                                                                         Variable | None]:
    """(inner variable, outer rows) for each tap of each sequence, and the number of steps they allow."""
    pairs: list[tuple[Variable, Variable]] = []
    lengths: list[Variable] = []
    for k, spec in enumerate(specs):
        given = dict(spec) if isinstance(spec, Mapping) else {"input": spec}
        unknown = set(given) - {"input", "taps"}
        if unknown or "input" not in given:
            raise ValueError(f"{where}: sequence {k} is a variable or dict(input=, taps=), got the key(s) "
                             f"{', '.join(repr(key) for key in unknown) or 'without input'}")
        outer: Any = _tensor(where, f"sequence {k}", given["input"])
        if not outer.type.ndim:
            raise TypeError(f"{where}: sequence {k}, {outer} of type {outer.type}, is a scalar; pass it as a "
                            "non-sequence, or with n_steps alone")
        taps = _taps(given, 0)
        low, high = min(0, *taps), max(0, *taps)
        usable = outer.shape[0] if low == high else maximum(outer.shape[0] - (high - low), 0)
        if go_backwards:
            outer = getitem(outer, slice(None, None, -1))
        for tap in taps:
            start, cut = tap - low, high - tap
            if go_backwards:
                start, cut = cut, start
            part = outer if low == high else getitem(outer, slice(start, -cut if cut else None))
            inner = TensorType(outer.type.dtype, outer.type.shape[1:]).make_variable(
                f"{outer.name}[t{f'{tap:+d}' if tap else ''}]" if outer.name else None)
            pairs.append((inner, part))
            lengths.append(usable)
    if not lengths:
        return pairs, None
    distinct = list(dict.fromkeys(lengths))
    length = distinct[0]
    for other in distinct[1:]:
        length = minimum(length, other)
    return pairs, length


def _taps(given: Mapping[str, Any], usual: int) -> tuple[int, ...]:
    """The steps that are read, in the order in which the step function gets them."""
    taps = given.get("taps")
    return tuple(int(tap) for tap in as_list(usual if taps is None else taps))


def fed_back(where: str, k: int, spec: Any) -> Output:
    given = dict(spec) if isinstance(spec, Mapping) else {"initial": spec}
    unknown = set(given) - {"initial", "taps", "inplace"}
    if unknown:
        raise ValueError(f"{where}: output {k} is None, a variable or dict(initial=, taps=), got the key(s) "
                         f"{', '.join(repr(key) for key in sorted(unknown))}"
                         + "; select steps of the result instead: outputs[-n:]" * ("return_steps" in unknown))
    if given.get("initial") is None:
        if given.get("taps") is not None:
            raise ValueError(f"{where}: output {k} has taps {given['taps']} but no initial value to start from")
        return Output(None)
    initial: Any = _tensor(where, f"the initial value of output {k}", given["initial"])
    taps = _taps(given, -1)
    if not taps or max(taps) >= 0:
        raise ValueError(f"{where}: output {k} has taps {list(taps)}; those of outputs are negative (earlier steps)")
    depth = -min(taps)
    if taps == (-1,):
        row = initial.type
        first = initial.dimshuffle("x", *range(row.ndim))
    else:
        if not initial.type.ndim:
            raise TypeError(f"{where}: output {k} with taps {list(taps)} needs {depth} initial rows; "
                            f"{initial} is a scalar")
        have = initial.type.shape[0]
        if have is not None and have < depth:
            raise ValueError(f"{where}: output {k} with taps {list(taps)} needs {depth} initial rows, "
                             f"{initial} has {have}")
        row = TensorType(initial.type.dtype, initial.type.shape[1:])
        first = getitem(initial, slice(None, depth))
    inner = {tap: row.make_variable(f"{initial.name}[t{tap:+d}]" if initial.name else None) for tap in taps}
    return Output(first, taps, inner)


def widened(spec: Any, value: Variable) -> Any:
    """The entry of ``outputs_info`` with a constant initial value in the dtype of what the step returns, where that
    holds it exactly (``T.constant(0.0)`` is float32)."""
    initial = spec.get("initial") if isinstance(spec, Mapping) else spec
    if initial is None or (isinstance(initial, Variable) and not isinstance(initial, Constant)):
        return spec
    first = as_tensor_variable(initial)
    if first.type.dtype == value.type.dtype or not np.can_cast(first.type.dtype, value.type.dtype, "safe"):
        return spec
    wide = constant(first.data.astype(value.type.dtype))  # type: ignore[attr-defined]
    return {**spec, "initial": wide} if isinstance(spec, Mapping) else wide


def _results(where: str, returned: Any) -> tuple[list[Variable], dict[SharedVariable, Variable], Variable | None]:
    """Outputs, updates and condition of what a step returned."""
    parts = list(returned) if isinstance(returned, (list, tuple)) and not _are_updates(returned) else [returned]
    condition = None
    updates: dict[SharedVariable, Variable] = {}
    outputs: list[Variable] = []
    for part in parts:
        if isinstance(part, until):
            if condition is not None:
                raise ValueError(f"{where}: the step returns until() twice; combine the conditions by T.or_")
            condition = part.condition
        elif _are_updates(part):
            for shared, value in part.items() if isinstance(part, Mapping) else part:
                if not isinstance(shared, SharedVariable):
                    raise TypeError(f"{where}: a dict that the step returns has the updates of shared variables, but "
                                    f"{shared!r} is none; return outputs as a list (symtensor.loop has named ones)")
                what = f"the update of {shared}"
                updates[shared] = _cast(where, what, _tensor(where, what, value), shared.type)
        elif part is not None:
            outputs += [_tensor(where, "an output of the step", value)
                        for value in (part if isinstance(part, (list, tuple)) else [part])]
    if not outputs and not updates:
        raise ValueError(f"{where}: the step returned {returned!r}: neither outputs nor updates of shared variables")
    if condition is not None and condition.type.dtype != "bool":
        condition = cast(condition, "bool")
    return outputs, updates, condition


def _are_updates(part: Any) -> bool:
    if isinstance(part, Mapping):
        return True
    return isinstance(part, (list, tuple)) and bool(part) and all(
        isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], SharedVariable) for item in part)


def _cast(where: str, what: str, value: Variable, want: Any) -> Variable:
    have = value.type
    if have.ndim != want.ndim:
        raise TypeError(f"{where}: {what} has {have.ndim} dimension(s) ({have}), the value before has {want.ndim} "
                        f"({want}); a state keeps its shape from step to step")
    if have.dtype != want.dtype:
        if not np.can_cast(have.dtype, want.dtype, "same_kind"):
            raise TypeError(f"{where}: {what} is {have.dtype}, the value before is {want.dtype}; cast one of them: "
                            f"x.astype({want.dtype!r}), or give an initial value of dtype {have.dtype}")
        if np.dtype(have.dtype).itemsize > np.dtype(want.dtype).itemsize:
            raise TypeError(f"{where}: {what} is {have.dtype}, the value before is {want.dtype}, which would lose "
                            f"digits at every step; cast it: x.astype({want.dtype!r}), or give an initial value of "
                            f"dtype {have.dtype}")
        value = cast(value, want.dtype)
    return value


def _fitted(where: str, k: int, output: Output, value: Variable) -> Variable:
    """The new value of output ``k`` in the type of its taps."""
    want = next(iter(output.inner.values())).type
    value = _cast(where, f"output {k}", value, want)
    for axis, (have, need) in enumerate(zip(value.type.shape, want.shape, strict=True)):
        if have is not None and need is not None and have != need:
            raise ValueError(f"{where}: output {k} has shape {value.type.shape}, but its initial value has shape "
                             f"{want.shape}: dimension {axis} differs. A state keeps its shape from step to step; give "
                             "an initial value of the full shape")
    return value


def _check_strict(where: str, roots: Sequence[Variable], given: Sequence[Variable]) -> None:
    for leaf in ancestors(roots, given):
        if leaf.owner is None and leaf not in given and not isinstance(leaf, Constant):
            raise ValueError(f"{where}: strict=True, but the step uses {leaf}, which is not among its arguments; add "
                             "it to non_sequences")
