"""`pp`: a graph as the expression a person would write."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.printing.targets import outputs_of

__all__ = ["pp", "pprint"]

LONGEST = 20_000
"""Characters after which a shared subexpression is not repeated: a graph's expression can be exponentially long."""


def pp(variable: Any) -> str:
    """A variable's expression on one line (Theano's name); for a compiled function that of its optimized outputs.

    >>> from symtensor import tensor as T
    >>> x, y = T.dmatrices("x", "y")
    >>> pp(x + y)
    '(x + y)'
    """
    targets = outputs_of(variable)
    text: dict[Variable, str] = {}
    for node in toposort(targets):
        for output in node.outputs:
            text[output] = output.name if output.name is not None else _shorten(_node_text(node, output, text))
    found = [text[v] if v in text else str(v) for v in targets]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


pprint = pp


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}...)"


def _node_text(node: Apply, output: Variable, text: dict[Variable, str]) -> str:
    args = [text[v] if v in text else str(v) for v in node.inputs]
    op = node.op
    if isinstance(op, Elemwise):
        return _elementwise_text(op, args)
    if isinstance(op, DimShuffle):
        return _dimshuffle_text(op, node, args[0])
    spelled = getattr(op, "expression", None)  # ops that print as more than name(arguments)
    body = spelled(args) if spelled is not None else f"{op}({', '.join(args)})"
    return body if len(node.outputs) == 1 else f"{body}.{output.index}"


def _elementwise_text(op: Elemwise, args: list[str]) -> str:
    if op.symbol and len(args) >= 2:
        return f"({f' {op.symbol} '.join(args)})"
    if op.symbol and len(args) == 1:
        return f"({op.symbol}{args[0]})"
    name = "fill" if op.name == "second" else op.name  # its name in the language
    return f"{name}({', '.join(args)})"


def _dimshuffle_text(op: DimShuffle, node: Apply, arg: str) -> str:
    kept = [axis for axis in op.order if axis != "x"]
    if kept == list(range(op.ndim)) and op.order[len(op.order) - op.ndim:] == tuple(range(op.ndim)):
        return arg  # only padded on the left: broadcasting does the same
    if isinstance(node.inputs[0], Constant) and not kept:
        return arg
    if op.order == tuple(range(op.ndim))[::-1]:
        return f"{arg}.T"
    return f"{op}({arg})"
