"""Where a function's time goes: `Profile`, filled by functions compiled with ``profile=True``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from symtensor.graph.lock import Lock
from symtensor.graph.trace import describe_origin
from symtensor.graph.variable import Apply

__all__ = ["Profile"]


class Profile:
    """Times of calls, of compile phases and, on the interpreter, of nodes (Theano's ``ProfileStats``).

    A native program is one piece of code: it has times of whole calls. To see nodes compile with
    ``mode=Mode('py')``.
    """

    def __init__(self, name: str = "", events: Sequence[Any] = ()) -> None:
        self.name = name
        self.calls = 0
        self.call_seconds = 0.0
        self.events = list(events)
        self.nodes: dict[Apply, list[float]] = {}
        self._lock = Lock()

    def add_call(self, seconds: float) -> None:
        """One call took this long."""
        with self._lock:
            self.calls += 1
            self.call_seconds += seconds

    def add_node(self, node: Apply, seconds: float) -> None:
        """One run of ``node`` took this long."""
        with self._lock:
            entry = self.nodes.setdefault(node, [0, 0.0])
            entry[0] += 1
            entry[1] += seconds

    def op_times(self) -> list[tuple[str, int, int, float]]:
        """(op, nodes, runs, seconds) of each op, slowest first."""
        table: dict[str, list[float]] = {}
        for node, (runs, seconds) in self.nodes.items():
            row = table.setdefault(str(node.op), [0, 0, 0.0])
            row[0] += 1
            row[1] += runs
            row[2] += seconds
        rows = [(op, int(count), int(runs), seconds) for op, (count, runs, seconds) in table.items()]
        return sorted(rows, key=lambda row: -row[3])

    def summary(
        self, file: TextIO | None = None, n_ops_to_print: int = 20, n_apply_to_print: int = 15
    ) -> None:
        """Print the tables: compile phases, calls, ops, nodes."""
        print(self.text(n_ops_to_print, n_apply_to_print), file=file if file is not None else sys.stderr)

    def text(self, ops: int = 20, nodes: int = 15) -> str:
        """What `summary` prints."""
        mean = self.call_seconds / self.calls if self.calls else 0.0
        lines = [f"Profile of {self.name or 'a function'}",
                 f"  calls {self.calls}, total {self.call_seconds:.6f} s, mean {mean * 1e6:.1f} us"]
        if self.events:
            lines += ["Compilation", *(f"  {event}" for event in self.events)]
        if self.nodes:
            lines += self._op_lines(ops) + self._node_lines(nodes)
        elif self.calls:
            lines.append("  (native code runs as one piece; mode=Mode('py') has times per op)")
        return "\n".join(lines)

    def _op_lines(self, limit: int) -> list[str]:
        total = sum(seconds for _, seconds in self.nodes.values()) or 1.0
        lines = ["Ops", f"  {'time':>6}  {'seconds':>10}  {'per run':>10}  {'runs':>7}  {'nodes':>5}  op"]
        for op, count, runs, seconds in self.op_times()[:limit]:
            lines.append(
                f"  {seconds / total:6.1%}  {seconds:10.6f}  {seconds / runs * 1e6:7.1f} us  {runs:7d}  "
                f"{count:5d}  {op}"
            )
        return lines

    def _node_lines(self, limit: int) -> list[str]:
        total = sum(seconds for _, seconds in self.nodes.values()) or 1.0
        ranked = sorted(self.nodes.items(), key=lambda item: -item[1][1])[:limit]
        lines = ["Nodes", f"  {'time':>6}  {'seconds':>10}  {'runs':>7}  node"]
        for node, (runs, seconds) in ranked:
            place = describe_origin(node.origin)
            lines.append(f"  {seconds / total:6.1%}  {seconds:10.6f}  {int(runs):7d}  {node}"
                         f"{f'  ({place})' if place else ''}")
        return lines
