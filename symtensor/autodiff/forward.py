"""Forward mode: tangents from the variables asked for to the outputs.

Each node is pushed through by the first that applies: the op's own `R_op`; for elementwise ops on reals their
record (the cotangent of an input is the derivative times g, so g = the tangent gives the tangent's share);
else two pullbacks. The pullback is linear in its cotangent u, so the derivative of <L_op(u), v> with respect
to u is the tangent of the outputs, whatever u is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.autodiff.checks import (
    as_list,
    check_choice,
    check_wrt,
    fit_cotangent,
    format_as,
    settle_disconnected,
)
from symtensor.autodiff.null import DisconnectedType, is_disconnected, is_null
from symtensor.autodiff.reverse import (
    apply_L_op,
    call_L_op,
    carries_gradient,
    describe_node,
    fit_dtype,
    link_pattern,
    pullback,
    spread,
    zeros_for,
)
from symtensor.graph.errors import NullTypeGradError
from symtensor.graph.trace import describe_origin, made_at
from symtensor.graph.types import TensorType, is_complex
from symtensor.graph.variable import Apply, Variable
from symtensor.graph.walk import clone_replace, toposort
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.create import fill
from symtensor.ops.dimshuffle import pad_left
from symtensor.ops.elemwise import Elemwise

__all__ = ["Rop", "pushforward"]

Tangent = Variable | None


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """The Jacobian-vector product: the Jacobian of ``f`` by ``wrt`` times ``eval_points`` (Theano's name).

    Parameters
    ----------
    f : a variable, or a list or tuple of them.
    wrt, eval_points : a variable each, or lists of equal length; the shapes of each pair are equal. An
        evaluation point of None is zero.
    disconnected_outputs : what to do about an output that does not depend on ``wrt``: 'raise', 'warn' or
        'ignore'.
    return_disconnected : its derivative then: 'zero', 'None', or 'Disconnected'.

    Returns
    -------
    Variables shaped as ``f``, in a list or tuple where ``f`` is one.

    >>> from symtensor import Rop, tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> Rop(x ** 2, x, v).eval({x: [1.0, 2.0], v: [1.0, 10.0]})
    array([ 2., 40.])
    """
    check_choice("Rop", "disconnected_outputs", disconnected_outputs, ("raise", "warn", "ignore"))
    check_choice("Rop", "return_disconnected", return_disconnected, ("zero", "None", "Disconnected"))
    outputs, targets, values = as_list(f), check_wrt("Rop", wrt), as_list(eval_points)
    if len(targets) != len(values):
        raise ValueError(f"Rop: {len(targets)} variable(s) in wrt but {len(values)} evaluation point(s); one "
                         "for each is needed")
    for output in outputs:
        if not isinstance(output, Variable):
            raise TypeError(f"Rop: f holds {output!r}, which is no symbolic variable")
    if len(set(targets)) != len(targets):
        raise ValueError("Rop: wrt holds a variable twice; give it once, with the sum of both points")
    given = {v: _in_shape_of(v, fit_cotangent("Rop", v, value)) for v, value in zip(targets, values, strict=True)}
    linked, found = pushforward(outputs, given)
    results: list[Variable | None] = []
    for output in outputs:
        tangent = found.get(output)
        if is_null(tangent):
            raise NullTypeGradError(f"Rop: the derivative of {output} is undefined: "
                                    f"{tangent.type.why_null}")  # type: ignore[union-attr]
        if tangent is None:
            policy = "ignore" if output in linked else disconnected_outputs
            place = describe_origin(output.origin)
            tangent = settle_disconnected(
                output, f"Rop: the output {output}{f', made at {place}' if place else ''} does not depend on "
                "wrt, or only in ways that carry no derivative; take it out of f, or pass "
                "disconnected_outputs='ignore'", policy, "zero" if output in linked else return_disconnected)
        results.append(tangent)
    return format_as(isinstance(f, list), isinstance(f, tuple), results)


def _in_shape_of(target: Variable, value: Any) -> Any:
    """``value``, of the shape of ``target`` also where nothing else checks it: where ``f`` is linear the result does
    not need the target, which is an input of the function all the same."""
    plain = isinstance(value, Variable) and isinstance(value.type, TensorType) and isinstance(target.type, TensorType)
    return fill(target, value) if plain else value


def pushforward(outputs: Sequence[Variable],
                given: dict[Variable, Tangent]) -> tuple[set[Variable], dict[Variable, Variable]]:
    """What of ``outputs`` and their ancestors depends on the keys of ``given``, and the tangents of what does
    so through float and complex variables. A missing tangent is zero."""
    linked = set(given)
    tangents = {v: t for v, t in given.items() if t is not None and not is_disconnected(t)}
    for node in toposort(outputs):
        reached = [index for index, variable in enumerate(node.inputs) if variable in linked]
        if not reached:
            continue
        pattern = link_pattern(node)
        connected = [pattern is None or any(pattern[index][at] for index in reached)
                     for at in range(len(node.outputs))]
        linked.update(output for output, yes in zip(node.outputs, connected, strict=True) if yes)
        moving = [tangents.get(variable) for variable in node.inputs]
        wanted = [at for at, output in enumerate(node.outputs)
                  if connected[at] and carries_gradient(output) and output not in given]
        if not wanted or all(tangent is None for tangent in moving):
            continue
        for at, tangent in zip(wanted, _push(node, moving, wanted), strict=True):
            if tangent is not None:
                tangents[node.outputs[at]] = tangent
    return linked, tangents


def _push(node: Apply, tangents: Sequence[Tangent], wanted: Sequence[int]) -> list[Tangent]:
    """The tangents of the wanted outputs of a node."""
    null = next((tangent for tangent in tangents if is_null(tangent)), None)
    if null is not None:
        return [null] * len(wanted)
    with made_at(node.origin):
        if node.op.R_op is not None:
            return _by_R_op(node, tangents, wanted)
        real = not any(is_complex(v.type.dtype) for v in (*node.inputs, *node.outputs) if carries_gradient(v))
        if isinstance(node.op, Elemwise) and real:
            return [_by_record(node, tangents)]
        return _by_two_pullbacks(node, tangents, wanted)


def _by_R_op(node: Apply, tangents: Sequence[Tangent], wanted: Sequence[int]) -> list[Tangent]:
    try:
        returned = node.op.R_op(list(node.inputs), list(tangents))  # type: ignore[misc]
    except Exception as error:
        error.add_note(f"in R_op of {describe_node(node)}")
        raise
    if not isinstance(returned, (list, tuple)) or len(returned) != len(node.outputs):
        raise ValueError(f"{node.op}.R_op must return a list with a term for each of its {len(node.outputs)} "
                         f"output(s), got {returned!r}")
    return [_fit(returned[at], node, at) for at in wanted]


def _fit(term: Any, node: Apply, at: int) -> Tangent:
    """A term as a tangent of output ``at``: of its rank and dtype; None for zero."""
    output = node.outputs[at]
    if is_disconnected(term):
        return None
    if is_null(term) or not isinstance(output.type, TensorType):
        return term  # type: ignore[no-any-return]
    term = as_tensor_variable(term)
    if term.type.ndim != output.type.ndim:
        raise ValueError(f"{node.op}: its derivative of output {at} has {term.type.ndim} dimension(s), but "
                         f"the output has {output.type.ndim} (node {describe_node(node)})")
    return fit_dtype(term, output.type.dtype)


def _by_record(node: Apply, tangents: Sequence[Tangent]) -> Tangent:
    """The sum over the inputs of derivative times tangent, from an elementwise op's record."""
    from symtensor.ops.elementwise import add

    output = node.outputs[0]
    shares: list[Variable] = []
    moving: set[Variable] = set()
    for index, tangent in enumerate(tangents):
        if tangent is None:
            continue
        share = call_L_op(node, [tangent])[index]
        if is_null(share):
            return share  # type: ignore[no-any-return]
        if not is_disconnected(share):
            shares.append(as_tensor_variable(share))
            moving.add(node.inputs[index])
    if not shares:
        return None
    total = pad_left(shares[0] if len(shares) == 1 else add(*shares), output.type.ndim)
    still = [v for v in node.inputs if v not in moving]
    stretched = any(
        got != want or (got is None and any(v.type.shape[axis] != 1 for v in still))
        for axis, (got, want) in enumerate(zip(total.type.shape, output.type.shape, strict=True))
    )
    return fit_dtype(spread(total, output) if stretched else total, output.type.dtype)


def _by_two_pullbacks(node: Apply, tangents: Sequence[Tangent], wanted: Sequence[int]) -> list[Tangent]:
    """The derivative of <L_op(u), tangents> with respect to u; what is left of u in it is only its shape."""
    moving = [index for index, tangent in enumerate(tangents) if tangent is not None]
    duals = [output.type.make_variable() if carries_gradient(output) else None for output in node.outputs]
    given = [_no_dual(output, node) if dual is None else dual
             for dual, output in zip(duals, node.outputs, strict=True)]
    terms = apply_L_op(node, given, moving)
    null = next((term for term in terms.values() if is_null(term)), None)
    if null is not None:
        return [null] * len(wanted)
    pairs = [(term, tangents[index]) for index, term in terms.items() if term is not None]
    border = [*node.inputs, *node.outputs, *(tangent for tangent in tangents if tangent is not None)]
    chosen: list[Any] = [duals[at] for at in wanted]
    found = pullback([term for term, _ in pairs], [value for _, value in pairs], chosen, stop=border)
    keep: dict[Variable, Variable] = {variable: variable for variable in border}
    keep.update((dual, output) for dual, output in zip(duals, node.outputs, strict=True) if dual is not None)
    live = [None if term is None or is_disconnected(term) or is_null(term) else term for term in found]
    replaced = iter(clone_replace([term for term in live if term is not None], keep))
    return [term if is_null(term) else None if alive is None else _fit(next(replaced), node, at)
            for term, alive, at in zip(found, live, wanted, strict=True)]


def _no_dual(output: Variable, node: Apply) -> Variable:
    return zeros_for(output) if link_pattern(node) is None and isinstance(output.type, TensorType) else (
        DisconnectedType().make_variable())
