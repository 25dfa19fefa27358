"""The ops of ``theano.tensor.subtensor``: reading, setting and increasing parts of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops.index import AdvancedSubtensor, AdvancedSubtensor1, Subtensor, getitem
from symtensor.ops.index_advanced import take
from symtensor.ops.index_set import (
    AdvancedIncSubtensor,
    AdvancedIncSubtensor1,
    IncSubtensor,
    inc_subtensor,
    set_subtensor,
)

__all__ = ["AdvancedIncSubtensor", "AdvancedIncSubtensor1", "AdvancedSubtensor", "AdvancedSubtensor1", "IncSubtensor",
           "Subtensor", "advanced_inc_subtensor", "advanced_inc_subtensor1", "advanced_set_subtensor",
           "advanced_set_subtensor1", "advanced_subtensor", "advanced_subtensor1", "get_idx_list", "inc_subtensor",
           "set_subtensor", "take"]

advanced_subtensor1 = AdvancedSubtensor1()
advanced_inc_subtensor1 = AdvancedIncSubtensor1()
advanced_set_subtensor1 = AdvancedIncSubtensor1(set_instead_of_inc=True)


def advanced_subtensor(x: Any, *key: Any) -> Variable:
    """``x[key]`` (Theano's name)."""
    return getitem(x, key)


def advanced_inc_subtensor(x: Any, y: Any, *key: Any) -> Variable:
    """``x`` with ``y`` added to ``x[key]`` (Theano's name)."""
    return inc_subtensor(getitem(x, key), y)


def advanced_set_subtensor(x: Any, y: Any, *key: Any) -> Variable:
    """``x`` with ``x[key]`` set to ``y`` (Theano's name)."""
    return set_subtensor(getitem(x, key), y)


def get_idx_list(inputs: Sequence[Variable], idx_list: Sequence[Any]) -> tuple[Any, ...]:
    """The key of a `Subtensor` node, from its inputs and its op's ``idx_list`` (Theano's name).

    >>> from symtensor import tensor as T
    >>> node = T.dmatrix("x")[T.lscalar("i"), 1:].owner
    >>> get_idx_list(node.inputs, node.op.idx_list)
    (i, slice(TensorConstant{1}, None, None))
    """
    parts = Subtensor(idx_list).split(inputs[1:])
    return tuple(part[0] if slot == "i" else slice(*part) for slot, part in zip(idx_list, parts, strict=True))
