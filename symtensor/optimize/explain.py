"""What the optimizer did: the log of a pipeline, as a list and as text."""

from __future__ import annotations

from collections import Counter

from symtensor.graph.trace import describe_origin
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.optimize.engine import Firing
from symtensor.optimize.pattern import uniform_value

__all__ = ["Log", "brief"]

_DEPTH = 3


class Log(list[Firing]):
    """Every application of a rule or pass, in order. ``print(log)`` is what `symtensor.explain` shows."""

    def counts(self) -> dict[tuple[str, str], int]:
        """How often each (step, rule) was applied."""
        return dict(Counter((firing.step, firing.rule) for firing in self))

    def text(self, limit: int | None = None) -> str:
        """One line for each application: step, rule, its file and line, before and after; then counts."""
        lines = []
        for firing in self[:limit]:
            origin = describe_origin(firing.before.origin)
            lines.append(f"{firing.step:12s} {firing.rule} ({firing.place})")
            place = f"    [{origin}]" if origin else ""
            lines.append(f"    {brief(firing.before)}  ->  {brief(firing.after)}{place}")
        if limit is not None and len(self) > limit:
            lines.append(f"... and {len(self) - limit} more")
        lines.append(f"{len(self)} rewrites")
        lines += [f"{count:6d}  {step}: {rule}" for (step, rule), count in sorted(
            self.counts().items(), key=lambda item: (-item[1], item[0]))]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def brief(variable: Variable, depth: int = _DEPTH) -> str:
    """An expression as one line, cut below ``depth`` ops.

    >>> from symtensor import tensor as T
    >>> brief(T.exp(-T.dvector("x")) + 1)
    'exp(-x) + 1'
    """
    return _brief(variable, depth)[0]


def _brief(variable: Variable, depth: int) -> tuple[str, bool]:
    """The text, and whether it must stand in parentheses beside an operator."""
    node = variable.owner
    if isinstance(variable, Constant) and variable.name is None:
        value = uniform_value(variable)
        return (str(value) if value is not None else f"[{variable.type.shape}]"), False
    if node is None or variable.name is not None:
        return str(variable), False
    if isinstance(node.op, DimShuffle) and not node.inputs[0].type.ndim:
        return _brief(node.inputs[0], depth)
    if depth == 0:
        return "...", False
    parts = [_brief(v, depth - 1) for v in node.inputs]
    if isinstance(node.op, Elemwise) and node.op.symbol:
        texts = [f"({text})" if compound else text for text, compound in parts]
        return f"{node.op.symbol}{texts[0]}" if len(texts) == 1 else f" {node.op.symbol} ".join(texts), len(texts) > 1
    name = node.op.name if isinstance(node.op, Elemwise) else str(node.op)
    which = f".{variable.index}" if len(node.outputs) > 1 else ""
    return f"{name}({', '.join(text for text, _ in parts)}){which}", False
