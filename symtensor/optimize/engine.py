"""The rewriting engine: rules applied bottom-up, to a fixpoint, over interned nodes.

Every distinct node is visited once per step. What a rule makes is interned and rewritten in turn. The engine keeps
the dtype and the shape of what it replaces, and the place in the user's program it came from.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from symtensor.config import config
from symtensor.graph.errors import SymtensorError
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.record import Record
from symtensor.graph.trace import describe_origin, made_at
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.convert import BeyondMemory
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.infer import ShapeInference
from symtensor.optimize.operands import makers
from symtensor.optimize.pattern import Rule

__all__ = ["Facts", "Firing", "RewriteError", "RuleIndex", "Rewriter"]

_DEPTH = 60
_ROUNDS = 8


class RewriteError(SymtensorError, RuntimeError):
    """A rule broke its contract: rules undo each other, or a replacement has another rank. Names the rules."""


class Firing(Record):
    """One application of a rule or pass: what was replaced by what."""

    step: str
    rule: str
    place: str
    before: Variable
    after: Variable


class Facts:
    """What rules may ask about the graph that is being rewritten."""

    def __init__(self, graph: FunctionGraph, inference: ShapeInference | None = None) -> None:
        self.graph = graph
        self.interner = graph.interner
        self.inference = inference or ShapeInference.of(graph)
        self._users: dict[Variable, int] = {}
        self.look_at(graph)

    def look_at(self, graph: FunctionGraph) -> None:
        """Count clients in ``graph`` from now on."""
        self.graph = graph
        self._users = {variable: len(users) for variable, users in graph.clients.items()}

    def intern(self, variable: Variable) -> Variable:
        """The interned equal of an expression over interned variables."""
        return self.interner.intern((variable,))[0]

    def shape(self, variable: Variable) -> tuple[Variable, ...]:
        """The dimensions; equal ones are the same variable."""
        return self.inference.shape_of(variable)

    def same_shape(self, a: Variable, b: Variable) -> bool:
        """Whether two variables are known to have equal shapes."""
        return a is b or self.shape(self.intern(a)) == self.shape(self.intern(b))

    def covered(self, variable: Variable, others: Iterable[Variable]) -> bool:
        """Whether the broadcast of ``others`` (one exists) is known to have the shape of ``variable``."""
        dims: list[set[Variable]] = [set() for _ in range(variable.type.ndim)]
        for other in others:
            for axis, dim in enumerate(self.shape(self.intern(other)), variable.type.ndim - other.type.ndim):
                dims[axis].add(dim)
        return all(dim in met or self.inference.is_one(dim)
                   for dim, met in zip(self.shape(self.intern(variable)), dims, strict=True))

    def fits(self, node: Apply) -> bool:
        """Whether the operands of a matrix product are known, or may be taken, to fit: a rule that changes them would
        else change the words of the error."""
        a, b = node.inputs
        return self.inference.require_equal(self.shape(a)[-1], self.shape(b)[0], a.type.ndim - 1, node)

    def beside(self, kind: type, variable: Variable, index: int) -> Variable | None:
        """Output ``index`` of the node of op class ``kind`` that reads ``variable`` first, if the graph has one."""
        for node, position in self.graph.clients.get(variable, ()):
            if node is not None and position == 0 and type(node.op) is kind:
                return node.outputs[index]
        return None

    def clients(self, variable: Variable) -> int:
        """How many uses the variable has in the graph at the start of the round; 0 for what was made since."""
        return self._users.get(variable, 0)


class RuleIndex:
    """Rules by the ops and op classes they rewrite."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._found: dict[Any, tuple[Rule, ...]] = {}
        self._whole: dict[Any, tuple[Rule, ...]] = {}
        self.any_whole = any(rule.whole for rule in rules)

    def whole(self, op: Any) -> tuple[Rule, ...]:
        """Those of `of` that look at the whole graph."""
        if not self.any_whole:
            return ()
        key = op if op.__props__ is None else type(op)
        found = self._whole.get(key)
        if found is None:
            found = self._whole[key] = tuple(rule for rule in self.of(op) if rule.whole)
        return found

    def of(self, op: Any) -> tuple[Rule, ...]:
        """The rules to try on nodes of ``op``, in order."""
        key = op if op.__props__ is None else type(op)
        found = self._found.get(key)
        if found is None:
            kinds = type(op).__mro__
            found = tuple(rule for rule in self.rules if rule.heads is None or any(
                head in kinds if isinstance(head, type) else head == op for head in rule.heads))
            self._found[key] = found
        return found


class Rewriter:
    """Rewrites a graph by one set of rules to a fixpoint.

    The nodes for which no rule fires are remembered: since nodes never change, only rules that look at clients are
    tried on them again in the next round.
    """

    def __init__(self, step: str, index: RuleIndex, facts: Facts, log: list[Firing]) -> None:
        self.step = step
        self.index = index
        self.facts = facts
        self.log = log
        self._settled: set[Apply] = set()
        self._normal: dict[Apply, tuple[Variable, ...]] = {}
        self._targets: dict[Apply, tuple[Variable, ...]] = {}
        self._chain: dict[Apply, tuple[str, ...]] = {}
        self._changed = False
        self._unions = 0

    def run(self, graph: FunctionGraph) -> FunctionGraph:
        """The graph after the rules."""
        for _ in range(_ROUNDS):
            self._changed = False
            if self._unions != self.facts.inference.unions:  # more dimensions are known to be equal
                self._unions = self.facts.inference.unions
                self._settled.clear()
            self.facts.look_at(graph)
            self._normal.clear()
            for node in toposort(graph.outputs):
                self._normalize(node)
            if not self._changed:
                break
            # What guards compare stays as it is: the equalities it may be simplified by are those it is to check.
            dims = [dim for guard in graph.guards for dim in (guard.left, guard.right)]
            graph = graph.with_roots([*map(self._form, graph.outputs), *dims])
            if not self.index.any_whole:
                break
        return graph

    def _form(self, variable: Variable) -> Variable:
        node = variable.owner
        return variable if node is None else self._normal[node][variable.index or 0]

    def _normalize(self, root: Apply) -> None:
        """Find the normal forms of a node's outputs. Iterative: a stack of nodes whose inputs or targets are due."""
        normal, targets = self._normal, self._targets
        stack = [root]
        waiting: set[Apply] = set()
        while stack:
            node = stack[-1]
            if node in normal:
                stack.pop()
                waiting.discard(node)
                continue
            target = targets.get(node)
            due = _due(node.inputs if target is None else target, normal)
            if due:
                if any(owner in waiting for owner in due):
                    self._stop(next(late for late in reversed(stack) if late in targets and late not in normal))
                    continue
                waiting.add(node)
                stack.extend(due)
                continue
            if target is None:
                target = self._step(node)
                if target is None:
                    normal[node] = node.outputs
                    stack.pop()
                else:
                    targets[node] = target
                continue
            normal[node] = tuple(self._form(variable) for variable in target)
            del targets[node]

    def _step(self, node: Apply) -> tuple[Variable, ...] | None:
        """What the node becomes when its inputs are in normal form and one rule is applied; None: it is normal."""
        inputs = [self._form(variable) for variable in node.inputs]
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            equal = self._with_inputs(node, inputs)
            if node in self._chain:
                self._chain.setdefault(equal, self._chain[node])
            if equal is not node:
                return equal.outputs
        return self._fire(node)

    def _with_inputs(self, node: Apply, inputs: Sequence[Variable]) -> Apply:
        """The node on other inputs. Their types may show that it cannot run: the error names the user's line. Types
        may follow from guards though, which a call need not satisfy: then the node stays, for its checks to fail."""
        try:
            return self.facts.interner.node(node, inputs)
        except (TypeError, ValueError, IndexError) as error:
            if self.facts.inference.guards:
                return node
            place = describe_origin(node.origin)
            raise type(error)(f"{error}{f' (made at {place})' if place else ''}") from None

    def _fire(self, node: Apply) -> tuple[Variable, ...] | None:
        rules = self.index.whole(node.op) if node in self._settled else self.index.of(node.op)
        if not rules:
            return None
        with made_at(node.origin):
            return self._first(node, rules)

    def _first(self, node: Apply, rules: Sequence[Rule]) -> tuple[Variable, ...] | None:
        """What the first rule that applies makes of the node."""
        met: set[Any] | None = None
        for rule in rules:
            if rule.needs:
                met = makers(node) if met is None else met
                if not rule.needs <= met:
                    continue
            try:
                result = rule.apply(node, self.facts)
            except BeyondMemory:
                continue  # no call can have such an array: its error will say so
            except (TypeError, ValueError, IndexError) as error:
                self._report(f"rule {rule.name} ({rule.place}) fails at {node}: {error}")
                continue
            if result is None:
                continue
            outputs = self._fitted(rule, node, result)
            if outputs is None or all(new is old for new, old in zip(outputs, node.outputs, strict=True)):
                continue
            chain = (*self._chain.get(node, ()), rule.name)
            if len(chain) > _DEPTH:
                self._report(f"the rules {', '.join(sorted(set(chain[-12:])))} rewrite {node} without end")
                return None
            for old, new in zip(node.outputs, outputs, strict=True):
                if new is not old:
                    self._changed = True
                    self._mark(new, node, chain)
                    if not (isinstance(new, Constant) and isinstance(node.op, DimShuffle)):  # padding is no news
                        self.log.append(Firing(rule.step, rule.name, rule.place, old, new))
            return outputs
        self._settled.add(node)
        return None

    def _mark(self, new: Variable, node: Apply, chain: tuple[str, ...]) -> None:
        """The nodes a rule made remember the rules that led to them."""
        pending, barrier = [new.owner], set(node.inputs)
        while pending:
            owner = pending.pop()
            if owner is None or owner in self._chain or owner in self._normal or owner is node:
                continue
            self._chain[owner] = chain
            pending.extend(variable.owner for variable in owner.inputs if variable not in barrier)

    # -- contracts ---------------------------------------------------------------------------------------------------

    def _fitted(self, rule: Rule, node: Apply, result: Any) -> tuple[Variable, ...] | None:
        """The replacement with the dtypes and shapes of the node's outputs; None where it would know less."""
        given = list(result) if isinstance(result, (list, tuple)) else [result]
        if len(given) != len(node.outputs):
            raise RewriteError(f"rule {rule.name} ({rule.place}) gives {len(given)} output(s) for the "
                               f"{len(node.outputs)} of {node.op}")
        fitted = []
        for old, new in zip(node.outputs, given, strict=True):
            value = old if new is None else self.facts.intern(new)
            if value is not old and isinstance(old.type, TensorType):
                fit = self._fit(rule, old, value)
                if fit is None:
                    return None
                value = fit
            fitted.append(value)
        return tuple(fitted)

    def _fit(self, rule: Rule, old: Variable, new: Variable) -> Variable | None:
        from symtensor.ops.create import alloc
        from symtensor.ops.elementwise import cast

        if new.type.ndim > old.type.ndim:
            raise RewriteError(f"rule {rule.name} ({rule.place}) replaces {old.type} by {new.type}")
        if new.type.dtype != old.type.dtype:
            new = self.facts.intern(cast(new, old.type.dtype))
        if new.type == old.type and not old.type.shape:
            return new
        if new.type.ndim != old.type.ndim or not all(
                a is b or (b.owner is not None and old in b.owner.inputs)  # only the old value would tell: it is this
                for a, b in zip(self.facts.shape(new), self.facts.shape(old), strict=True)):
            new = self.facts.intern(alloc(new, *self.facts.shape(old)))
        knows_less = any(a is None and b is not None for a, b in zip(new.type.shape, old.type.shape, strict=True))
        return None if knows_less else new

    def _stop(self, node: Apply) -> None:
        """A rule led from ``node`` back to it: keep it as it is."""
        names = {*self._chain.get(node, ()), *(firing.rule for firing in self.log[-4:])}
        self._report(f"the rules {', '.join(sorted(names))} undo each other at {node}")
        del self._targets[node]
        self._normal[node] = node.outputs

    @staticmethod
    def _report(problem: str) -> None:
        """A fault of the rules, not of the user's graph: development sees an error, others a warning and a graph that
        is right but less optimized."""
        text = f"optimizer: {problem}; please report this. optimizer_excluding=<rule> turns a rule off"
        if config.check_pipeline:
            raise RewriteError(text)
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _due(variables: Iterable[Variable], normal: dict[Apply, Any]) -> list[Apply]:
    return [v.owner for v in variables if v.owner is not None and v.owner not in normal]

