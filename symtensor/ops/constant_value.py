"""The value of a scalar that is known while the graph is built."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.convert import NotScalarConstantError, as_tensor_variable

__all__ = ["get_scalar_constant_value"]

_MAX_NODES = 1000
_FILLED = ("Alloc", "DimShuffle")
"""Ops whose output holds, everywhere, the elements of their first input."""


def get_scalar_constant_value(orig_v: Any, elemwise: bool = True, only_process_constants: bool = False,
                              max_recur: int = 10) -> np.ndarray[Any, Any]:
    """The value of ``orig_v`` as a 0-d array (Theano's name; the arguments that bound Theano's search change nothing).

    It is a number, or a variable all of whose elements equal one value that follows from constants and
    from dimensions in types. NotScalarConstantError where it does not.

    >>> int(get_scalar_constant_value(as_tensor_variable(2) * 3))
    6
    """
    variable: Variable = as_tensor_variable(orig_v)
    while variable.owner is not None and type(variable.owner.op).__name__ in _FILLED:
        variable = variable.owner.inputs[0]
    data = variable.data if isinstance(variable, Constant) else _computed(variable)
    if data.size == 0 or ((data != data.flat[0]).any() and not np.isnan(data).all()):
        raise NotScalarConstantError(f"{orig_v} holds several values")
    return np.array(data.flat[0])


def _computed(variable: Variable) -> np.ndarray[Any, Any]:
    order = toposort([variable])
    if not order or len(order) > _MAX_NODES:
        raise NotScalarConstantError(f"{variable} has no value that is known while the graph is built")
    values: dict[Variable, Any] = {}
    for node in order:
        known = _from_type(node)
        if known is None:
            known = [[None] for _ in node.outputs]
            node.op.perform(node, [_value(x, values) for x in node.inputs], known)
        values.update(zip(node.outputs, (storage[0] for storage in known), strict=True))
    return np.asarray(values[variable])


def _from_type(node: Any) -> list[list[Any]] | None:
    """The outputs of a node that asks for dimensions its input's type knows."""
    name = type(node.op).__name__
    if name not in ("Shape", "Shape_i"):
        return None
    dims = node.inputs[0].type.shape
    if name == "Shape_i":
        dims = dims[node.op.i]
        return None if dims is None else [[np.asarray(dims, "int64")]]
    return None if None in dims else [[np.asarray(dims, "int64")]]


def _value(variable: Variable, values: dict[Variable, Any]) -> Any:
    if variable in values:
        return values[variable]
    if isinstance(variable, Constant) and isinstance(variable.type, TensorType):
        return variable.data
    raise NotScalarConstantError(f"the value depends on {variable}, which is not known while the graph is built")
