"""Gradients as users ask for them: `grad`, `Lop`, `subgraph_grad`, `hessian_vector_product`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symtensor.autodiff.checks import (
    as_list,
    check_choice,
    check_cost,
    check_known,
    check_stop,
    check_wrt,
    fit_cotangent,
    format_as,
    refuse_null,
    settle,
)
from symtensor.autodiff.reverse import carries_gradient, pullback
from symtensor.graph.variable import Variable
from symtensor.graph.walk import toposort
from symtensor.ops.convert import constant
from symtensor.ops.elementwise import second

__all__ = ["Lop", "grad", "hessian_vector_product", "subgraph_grad"]

_POLICIES = ("raise", "warn", "ignore")


def grad(
    cost: Variable | None,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The symbolic gradient of a scalar cost (Theano's ``grad``), by reverse-mode differentiation.

    Parameters
    ----------
    cost : a variable of 0 dimensions, float or integer; None when ``known_grads`` starts the sweep.
    wrt : a float or complex variable, or a list or tuple of such; shared variables and results too.
    consider_constant : variables not to differentiate past.
    disconnected_inputs : what to do about a ``wrt`` that the cost does not depend on: 'raise', 'warn' or
        'ignore'.
    add_names : name the gradients of named variables ``(dcost/dx)``.
    known_grads : gradients of some variables that are given instead of computed.
    return_disconnected : the gradient of such a ``wrt``: 'zero', 'None', or 'Disconnected' (a
        `DisconnectedType`).
    null_gradients : an undefined gradient is an error ('raise'), or a variable of `NullType` ('return').

    Returns
    -------
    A variable of the shape and dtype of ``wrt``, or a list or tuple of them as ``wrt`` is one. For a complex
    variable x + iy it is dcost/dx + i dcost/dy.

    Raises
    ------
    TypeError for a cost that is not a scalar or is complex, and for integer ``wrt``; DisconnectedInputError;
    NullTypeGradError; ValueError for known gradients that do not fit.

    >>> from symtensor import grad, tensor as T
    >>> x = T.dvector("x")
    >>> grad((x ** 2).sum(), x).eval({x: [1.0, 2.0]})
    array([2., 4.])
    """
    check_choice("grad", "disconnected_inputs", disconnected_inputs, _POLICIES)
    check_choice("grad", "return_disconnected", return_disconnected, ("zero", "None", "Disconnected"))
    check_choice("grad", "null_gradients", null_gradients, ("raise", "return"))
    targets, stop, fixed = check_wrt("grad", wrt), check_stop(consider_constant), check_known(known_grads)
    found = _sweep(cost, targets, stop, fixed)
    settled: list[Variable | None] = []
    for variable, term in zip(targets, found, strict=True):
        if null_gradients == "raise":
            refuse_null("grad", variable, term)
        settled.append(settle("grad", variable, term, cost, disconnected_inputs, return_disconnected))
    if add_names and cost is not None and cost.name is not None:
        _add_names(cost, [cost, *fixed, *fixed.values()], targets, settled)
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), settled)


def _sweep(cost: Variable | None, targets: Sequence[Variable], stop: Sequence[Variable],
           fixed: Mapping[Variable, Any]) -> list[Variable | None]:
    """The pullback of 1 at the cost, and of what is known."""
    if cost is None and not fixed:
        raise ValueError("grad: there is neither a cost nor known_grads to start from")
    if cost is None or cost in fixed:
        return pullback([], [], targets, stop=stop, fixed=fixed)
    check_cost(cost)
    one = constant(1, dtype=cost.type.dtype if carries_gradient(cost) else "floatX")
    # The 1 is "of the shape of the cost": a function of the gradient needs all inputs of the cost, as in Theano.
    return pullback([cost], [second(cost, one)], targets, stop=stop, fixed=fixed)


def _add_names(cost: Variable, made_before: Sequence[Any], targets: Sequence[Variable],
               grads: Sequence[Variable | None]) -> None:
    """Names for the new variables among the gradients; what the user made before keeps its own."""
    old = set(toposort([variable for variable in made_before if isinstance(variable, Variable)]))
    for variable, term in zip(targets, grads, strict=True):
        if term is None or variable.name is None or term.name is not None:
            continue
        if term.owner is not None and term.owner not in old:
            term.name = f"(d{cost.name}/d{variable.name})"


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The vector-Jacobian product: ``eval_points`` times the Jacobian of ``f`` by ``wrt`` (Theano's name).

    ``f`` and ``eval_points`` are a variable each, or lists of equal length; the shapes of each pair are
    equal. The result is shaped as ``wrt``. Errors as those of `grad`.

    >>> from symtensor import Lop, tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> Lop(x ** 2, x, v).eval({x: [1.0, 2.0], v: [1.0, 10.0]})
    array([ 2., 40.])
    """
    check_choice("Lop", "disconnected_inputs", disconnected_inputs, _POLICIES)
    outputs, values = as_list(f), as_list(eval_points)
    if len(outputs) != len(values):
        raise ValueError(f"Lop: {len(outputs)} output(s) but {len(values)} evaluation point(s); one for each "
                         "is needed")
    cotangents = [fit_cotangent("Lop", output, value) for output, value in zip(outputs, values, strict=True)]
    targets = check_wrt("Lop", wrt)
    found = pullback(outputs, cotangents, targets, stop=check_stop(consider_constant))
    settled: list[Variable | None] = []
    for variable, term in zip(targets, found, strict=True):
        refuse_null("Lop", variable, term)
        settled.append(settle("Lop", variable, term, outputs[0], disconnected_inputs, "zero"))
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), settled)


def subgraph_grad(
    wrt: Sequence[Variable],
    end: Sequence[Variable],
    start: Mapping[Variable, Any] | None = None,
    cost: Variable | None = None,
    details: bool = False,
) -> tuple[Any, ...]:
    """Back-propagation through a part of a graph (Theano's name): from ``start`` (known gradients) and
    ``cost`` down to the variables ``end``, not past them, collecting the gradients of ``wrt`` on the way.

    Returns the gradients of ``wrt`` and of ``end``; chained calls pass the latter as ``start`` of the next
    part. With ``details`` also what came from ``start`` and from ``cost`` alone, for ``wrt`` then ``end``.
    """
    if start is None and cost is None:
        raise ValueError("subgraph_grad: there is neither a cost nor a start to begin from")
    params = list(dict.fromkeys([*wrt, *end]))
    options: dict[str, Any] = {"consider_constant": list(end), "disconnected_inputs": "ignore"}
    from_start = grad(None, params, known_grads=start, **options) if start is not None else None
    from_cost = grad(cost, params, **options) if cost is not None else None
    total: list[Variable] = from_start or from_cost or []
    if from_start is not None and from_cost is not None:
        from symtensor.ops.elementwise import add

        total = [add(a, b) for a, b in zip(from_start, from_cost, strict=True)]
    of = dict(zip(params, total, strict=True))
    result = [of[variable] for variable in wrt], [of[variable] for variable in end]
    return (*result, from_start, from_cost) if details else result


def hessian_vector_product(cost: Variable, wrt: Any, p: Any, **options: Any) -> Any:
    """The Hessian of ``cost`` with respect to ``wrt`` times ``p``, without making the Hessian.

    ``p`` is shaped as ``wrt``: a variable, or a list where ``wrt`` is one. ``options`` are those of `grad`.

    >>> from symtensor import tensor as T
    >>> x, p = T.dvectors("x", "p")
    >>> hessian_vector_product((x ** 3).sum(), x, p).eval({x: [1.0, 2.0], p: [1.0, 1.0]})
    array([ 6., 12.])
    """
    targets, vectors = as_list(wrt), as_list(p)
    if len(targets) != len(vectors):
        raise ValueError(f"hessian_vector_product: {len(targets)} variable(s) but {len(vectors)} vector(s)")
    first = grad(cost, targets, **options)
    product = Lop(first, targets, vectors, options.get("consider_constant"), disconnected_inputs="ignore")
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), product)
