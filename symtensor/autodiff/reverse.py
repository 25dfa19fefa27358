"""The reverse sweep: cotangents from outputs back to the variables asked for.

It is iterative and keeps no state, so gradients of gradients are plain repetition. Only nodes on a path of
float or complex variables between the outputs and the variables asked for are differentiated.

What an op's `L_op` (or `grad`) is given: the node's inputs, its outputs, and one cotangent for each output.
An output no cotangent reached has zeros; ops that define `connection_pattern` get a variable of
`DisconnectedType` there instead. What it may return for an input: a cotangent, None (zero), or a variable of
`DisconnectedType` or `NullType`. Cotangents are cast to the input's dtype; those of ops that broadcast are
summed back to its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symtensor.autodiff.cotangents import Cotangents
from symtensor.autodiff.null import DisconnectedType, NullType, grad_not_implemented, is_disconnected, is_null
from symtensor.config import config
from symtensor.graph.errors import NullTypeGradError
from symtensor.graph.op import Op
from symtensor.graph.trace import describe_origin, made_at
from symtensor.graph.types import TensorType, is_complex, is_continuous
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.branch import IfElse, Path, paths, sides_of
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import pad_left

__all__ = [
    "apply_L_op", "call_L_op", "carries_gradient", "describe_node", "fit_dtype", "link_pattern",
    "pullback", "spread", "zeros_for",
]


def carries_gradient(variable: Variable) -> bool:
    """Whether the variable is float or complex; nothing flows through integers."""
    return is_continuous(getattr(variable.type, "dtype", ""))


def link_pattern(node: Apply) -> list[list[bool]] | None:
    """The op's connection pattern where it defines one: [input][output]; None: all are connected."""
    if type(node.op).connection_pattern is Op.connection_pattern:
        return None
    pattern = node.op.connection_pattern(node)
    if len(pattern) != len(node.inputs) or any(len(row) != len(node.outputs) for row in pattern):
        raise ValueError(f"{node.op}.connection_pattern: expected {len(node.inputs)} list(s) (inputs) of "
                         f"{len(node.outputs)} bool(s) (outputs), got {pattern}")
    return pattern


def describe_node(node: Apply) -> str:
    """The node and the user's line that made it, for messages."""
    place = describe_origin(node.origin)
    return f"{node}{f', made at {place}' if place else ''}"


def zeros_for(variable: Variable) -> Variable:
    """Zeros of the variable's shape, and of its dtype where that is float or complex, else of floatX."""
    from symtensor.ops.create import zeros_like

    if not isinstance(variable.type, TensorType):
        return variable.zeros_like()  # type: ignore[attr-defined, no-any-return]
    return zeros_like(variable, dtype=variable.type.dtype if carries_gradient(variable) else config.floatX)


def pullback(
    outputs: Sequence[Variable],
    cotangents: Sequence[Any],
    wrt: Sequence[Variable],
    *,
    stop: Iterable[Variable] = (),
    fixed: Mapping[Variable, Any] | None = None,
) -> list[Variable | None]:
    """The cotangent of each variable of ``wrt``, given those of ``outputs``.

    It is None where it is zero, a variable of `DisconnectedType` where no output depends on the variable, of
    `NullType` where it is undefined. The sweep does not go past ``stop``. The cotangents ``fixed`` replace
    those that the sweep would find (Theano's ``known_grads``).
    """
    fixed = fixed or {}
    roots = [*outputs, *fixed]
    barrier = set(stop)
    order = toposort(roots, barrier)
    patterns = {node: pattern for node in order if (pattern := link_pattern(node)) is not None}
    linked = _linked(order, roots, barrier, patterns)
    active = _active(order, wrt, barrier, patterns)
    branches = paths(order, roots, lambda node: node.inputs)
    found = Cotangents(fixed)
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if not is_disconnected(cotangent):
            found.add(output, cotangent)
    for node in reversed(order):
        if not any(variable in active for variable in node.inputs):
            continue
        path = branches.get(node, ())
        grads = [None if output in barrier else found.total(output, path) for output in node.outputs]
        if all(grad is None for grad in grads):
            continue
        if isinstance(node.op, IfElse):
            _enter(node, grads, active, path, found)
            continue
        for index, term in _input_terms(node, grads, active, patterns.get(node)):
            found.add(node.inputs[index], term, path)
    return [found.total(v) if v in linked else DisconnectedType().make_variable() for v in wrt]


def _linked(order: Sequence[Apply], roots: Iterable[Variable], barrier: set[Variable],
            patterns: Mapping[Apply, list[list[bool]]]) -> set[Variable]:
    """The variables that the roots depend on by way of connected inputs."""
    linked = set(roots)
    for node in reversed(order):
        reached = [output in linked and output not in barrier for output in node.outputs]
        if not any(reached):
            continue
        pattern = patterns.get(node)
        for index, variable in enumerate(node.inputs):
            if pattern is None or any(r and p for r, p in zip(reached, pattern[index], strict=True)):
                linked.add(variable)
    return linked


def _active(order: Sequence[Apply], wrt: Iterable[Variable], barrier: set[Variable],
            patterns: Mapping[Apply, list[list[bool]]]) -> set[Variable]:
    """The float and complex variables that depend on ``wrt`` through such alone, ``wrt`` included."""
    active = {variable for variable in wrt if carries_gradient(variable)}
    for node in order:
        sources = [index for index, variable in enumerate(node.inputs) if variable in active]
        if not sources:
            continue
        pattern = patterns.get(node)
        for at, output in enumerate(node.outputs):
            if carries_gradient(output) and output not in barrier and (
                    pattern is None or any(pattern[index][at] for index in sources)):
                active.add(output)
    return active


def _enter(node: Apply, grads: Sequence[Variable | None], active: set[Variable], path: Path,
           found: Cotangents) -> None:
    """Pass the cotangents of a branch to the values of both sides, each under the side's condition."""
    for side, values in zip((True, False), sides_of(node), strict=True):
        for value, grad in zip(values, grads, strict=True):
            if grad is not None and value in active:
                found.add(value, grad, (*path, (node.inputs[0], side)))


def _input_terms(node: Apply, grads: Sequence[Variable | None], active: set[Variable],
                 pattern: list[list[bool]] | None) -> list[tuple[int, Variable]]:
    """(input index, cotangent) for the active inputs that the outputs with a cotangent are connected to."""
    wanted = [
        index for index, variable in enumerate(node.inputs)
        if variable in active and (pattern is None or any(
            connected and grad is not None for connected, grad in zip(pattern[index], grads, strict=True)))
    ]
    if not wanted:
        return []
    null = next((grad for grad in grads if is_null(grad)), None)
    if null is not None:
        return [(index, null) for index in wanted]
    with made_at(node.origin):
        given = [_missing(output, pattern is not None) if grad is None else grad
                 for output, grad in zip(node.outputs, grads, strict=True)]
        terms = apply_L_op(node, given, wanted)
    return [(index, term) for index, term in terms.items() if term is not None]


def _missing(output: Variable, has_pattern: bool) -> Variable:
    """What an op is given for an output that no cotangent reached."""
    if has_pattern or not isinstance(output.type, TensorType):
        return DisconnectedType().make_variable()
    return zeros_for(output)


def apply_L_op(node: Apply, grads: Sequence[Variable], wanted: Iterable[int]) -> dict[int, Variable | None]:
    """The cotangents of the wanted inputs of a node, fitted to them; errors name the op."""
    returned = call_L_op(node, grads)
    return {index: _fit(returned[index], index, node) for index in wanted}


def call_L_op(node: Apply, grads: Sequence[Variable]) -> Sequence[Any]:
    """What the op's gradient returns, one term for each input; errors name the op."""
    try:
        returned = node.op.L_op(list(node.inputs), list(node.outputs), list(grads))
    except NullTypeGradError as error:
        return [NullType(f"{error} (needed for {describe_node(node)})").make_variable()] * len(node.inputs)
    except Exception as error:
        error.add_note(f"while taking the gradient of {describe_node(node)}")
        raise
    if not isinstance(returned, (list, tuple)):
        raise TypeError(f"{node.op}: its gradient must return a list with a term for each input, "
                        f"got {returned!r}")
    if len(returned) != len(node.inputs):
        raise ValueError(f"{node.op}: its gradient returned {len(returned)} term(s) for {len(node.inputs)} "
                         "input(s), one for each is needed (None where there is none)")
    return [grad_not_implemented(node.op, index, node.inputs[index]) if term is NotImplemented else term
            for index, term in enumerate(returned)]


def _fit(term: Any, index: int, node: Apply) -> Variable | None:
    """The term as a cotangent of input ``index``: of its rank, shape and dtype; None for zero."""
    variable = node.inputs[index]
    if is_disconnected(term):
        return None
    if is_null(term) or not isinstance(variable.type, TensorType):
        return term  # type: ignore[no-any-return]
    try:
        term = as_tensor_variable(term)
    except TypeError as error:
        raise TypeError(f"{node.op}: its gradient for input {index} is no tensor: {error}") from None
    if isinstance(term, Constant) and not term.data.any():
        return None
    missing = variable.type.ndim - term.type.ndim
    if missing < 0 or (missing > 0 and not node.op.broadcasts):
        raise ValueError(f"{node.op}: its gradient for input {index} has {term.type.ndim} dimension(s), but "
                         f"the input {variable} of type {variable.type} has {variable.type.ndim} "
                         f"(node {describe_node(node)})")
    if node.op.broadcasts:
        term = _sum_back(term, variable, node)
    for axis, (got, want) in enumerate(zip(term.type.shape, variable.type.shape, strict=True)):
        if got is not None and want is not None and got != want:
            raise ValueError(f"{node.op}: its gradient for input {index} has shape {term.type.shape}, but "
                             f"the input {variable} has shape {variable.type.shape}: dimension {axis} "
                             f"differs (node {describe_node(node)})")
    return fit_dtype(term, variable.type.dtype)


def fit_dtype(term: Variable, dtype: str) -> Variable:
    """``term`` as a (co)tangent of a variable of this dtype: the real part where that is real."""
    if term.type.dtype == dtype:
        return term
    from symtensor.ops.elementwise import cast
    from symtensor.ops.elementwise_complex import real

    return cast(real(term) if is_complex(term.type.dtype) and not is_complex(dtype) else term, dtype)


def _sum_back(term: Variable, variable: Variable, node: Apply) -> Variable:
    """A term of the broadcast shape, summed to the shape of the input it belongs to.

    A dimension that is not known to be 1 needs no care where nothing else could have stretched it.
    """
    from symtensor.ops.reduce import sum as reduce_sum
    from symtensor.ops.reduce import sum_to_shape

    shape = variable.type.shape
    term = pad_left(term, len(shape))
    if any(got == 1 and want != 1 for got, want in zip(term.type.shape, shape, strict=True)):
        term = spread(term, node.outputs[0])  # a term that does not vary along some axis
    others = [v for v in node.inputs if v is not variable]
    if any(size is None and any(v.type.shape[axis] != 1 for v in others) for axis, size in enumerate(shape)):
        return sum_to_shape(term, variable)
    axes = [axis for axis, size in enumerate(shape) if size == 1 and term.type.shape[axis] != 1]
    return reduce_sum(term, axis=axes, keepdims=True) if axes else term


def spread(value: Variable, like: Variable) -> Variable:
    """``value`` broadcast to the shape of ``like``."""
    from symtensor.ops.create import alloc
    from symtensor.ops.shape import shape_of

    return alloc(value, *shape_of(like))
