"""Test values: every new node computed at once on the values in ``x.tag.test_value``, so that shapes that do not fit
are errors of the line that wrote them (Theano's ``config.compute_test_value``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from symtensor.config import config
from symtensor.graph.shared import SharedVariable
from symtensor.graph.trace import describe_origin
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.link.errors import run_time_error
from symtensor.link.interpreter import perform_checked

__all__ = ["compute_test_value", "get_test_value", "without_test_values"]

_paused: ContextVar[bool] = ContextVar("test values paused", default=False)


@contextmanager
def without_test_values() -> Iterator[None]:
    """Nodes made in the block, in this thread, are not computed: those of the optimizer have no test values."""
    token = _paused.set(True)
    try:
        yield
    finally:
        _paused.reset(token)


def get_test_value(variable: Variable) -> Any:
    """The value in ``variable.tag.test_value``, that of a constant or shared variable, or what follows from those of
    the inputs (Theano's ``theano.gof.op.get_test_value``).

    AttributeError names the input that has none; TypeError where a value is not of its variable's type.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> x.tag.test_value = np.array([1.0, 2.0])
    >>> get_test_value(x * 2)
    array([2., 4.])
    """
    for node in toposort([variable]):
        if not all(map(_has_value, node.outputs)):
            _compute(node)
    return _value(variable)


def compute_test_value(node: Apply) -> None:
    """Store the test values of a node just made in the tags of its outputs.

    ``config.compute_test_value`` says what happens where an input has none: ValueError ('raise'), a warning ('warn'),
    nothing ('ignore'). What the op itself raises is raised in any case, with its inputs and the user's line.
    """
    if _paused.get():
        return
    try:
        for output in node.outputs:
            get_test_value(output)
    except AttributeError as error:
        if config.compute_test_value == "raise":
            raise ValueError(f"{node.op}: {error}") from None
        if config.compute_test_value == "warn":
            warnings.warn(f"{node.op}: {error}", stacklevel=4)


def _compute(node: Apply) -> None:
    arguments = [_value(variable) for variable in node.inputs]
    try:
        results = perform_checked(node, arguments)
    except Exception as error:
        raise run_time_error(error, node, arguments) from error
    for output, result in zip(node.outputs, results, strict=True):
        vars(output.tag)["test_value"] = result


def _has_value(variable: Variable) -> bool:
    return "test_value" in vars(variable.tag)


def _value(variable: Variable) -> Any:
    if _has_value(variable):
        return variable.type.filter(vars(variable.tag)["test_value"])
    if isinstance(variable, Constant):
        return variable.data
    if isinstance(variable, SharedVariable):
        return variable.get_value(borrow=True)
    place = describe_origin(variable._origin)
    raise AttributeError(f"no test value of {variable}" + (f", made at {place}" if place else "") +
                         "; set its tag.test_value, or config.compute_test_value='ignore'")
