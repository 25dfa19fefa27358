"""Fusion: elementwise nodes over the same loop dimensions, and reductions of their results, become one `Fused` node.

A node joins the group of a producer when both loop over the same dimensions, and when no path leads from the group
through another node back into it (the group stays convex, so the graph stays acyclic). Nothing is computed twice: a
value that others need too becomes one more output of its group. Scalars stay single nodes: they are inline code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.trace import made_at
from symtensor.graph.types import is_complex
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.branch import Path, paths
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.fused import Fused, Literal, ScalarProgram, Step
from symtensor.ops.reduction import Reduction
from symtensor.optimize.engine import Facts, Firing
from symtensor.optimize.row_fusion import Cluster, RowGrouping

__all__ = ["fuse"]

_INPUTS, _STEPS = 48, 128
"""Limits of one loop: beyond them a C compiler spills registers and takes long."""
_SEARCH = 400  # loops and nodes looked at for a way between two groups


class Group:
    """Nodes that become one loop. ``first`` and ``last`` are positions in the order of the graph.

    All run under the same conditions (``path``): none runs for the sake of another in a branch that is not taken.
    """

    __slots__ = ("again", "dims", "first", "last", "nodes", "path", "reductions", "sources")

    def __init__(self, dims: tuple[Variable, ...], path: Path, at: int) -> None:
        self.dims = dims
        self.path = path
        self.first = self.last = at
        self.nodes: list[Apply] = []
        self.reductions: list[Apply] = []
        self.again: list[Apply] = []  # nodes of a cluster that the loop computes again, for its reductions alone
        self.sources: dict[Variable, None] = {}


def fuse(graph: FunctionGraph, facts: Facts, log: list[Firing]) -> FunctionGraph:
    """The graph with fused loops."""
    facts.look_at(graph)
    grouping = Grouping(graph, facts)
    groups = grouping.groups()
    for group in groups:
        grouping.sink(group)
    clusters = RowGrouping(graph, facts, grouping.unit, grouping.paths, _literal).clusters()
    taken = {id(group) for cluster in clusters for group in cluster.groups}
    chosen: list[Group | Cluster] = [group for group in groups if id(group) not in taken
                                     and (len(group.nodes) > 1 or (group.nodes and group.reductions))
                                     and any(_literal(v) is None for v in grouping.outside(group))]
    if not chosen and not clusters:
        return graph
    for cluster in clusters:
        chosen += [cluster, *_behind(cluster)]
    return _rebuild(graph, chosen, log)


def _behind(cluster: Cluster) -> list[Group]:
    """The loop that computes what a cluster leaves, after it."""
    if not cluster.behind:
        return []
    group = Group(cluster.dims, cluster.path, 0)
    group.reductions = cluster.behind
    group.again = cluster.again
    made = {node.outputs[0] for node in cluster.again}
    group.sources = {v: None for node in cluster.again for v in node.inputs if v not in made}
    return [group]


class Grouping:
    """Which nodes share a loop."""

    def __init__(self, graph: FunctionGraph, facts: Facts) -> None:
        self.graph = graph
        self.facts = facts
        self.unit: dict[Apply, Group] = {}
        self.position = {node: at for at, node in enumerate(graph.order)}
        self.paths = paths(graph.order, graph.roots, lambda node: node.inputs)
        self.across = np.arange(len(graph.order))  # for each position the lowest that a group across it begins at

    def groups(self) -> list[Group]:
        """All groups, also those of one node, in the order of their first nodes."""
        for at, node in enumerate(self.graph.order):
            if isinstance(node.op, Reduction):
                self._add_reduction(at, node)
            elif fusible(node):
                self._add(at, node)
        return sorted({id(group): group for group in self.unit.values()}.values(), key=lambda group: group.first)

    def _add_reduction(self, at: int, node: Apply) -> None:
        producer = node.inputs[0].owner
        group = self._of(producer)
        if group is not None and group.dims == self.facts.shape(node.inputs[0]) and (
                group.path == self.paths.get(node, ())):
            group.reductions.append(node)
            group.last = at
            self.unit[node] = group
            self._note(group)

    def _of(self, node: Apply | None) -> Group | None:
        """The group whose loop computes the node's values one by one."""
        if node is None or isinstance(node.op, Reduction):
            return None
        return self.unit.get(node)

    def _add(self, at: int, node: Apply) -> None:
        dims = self.facts.shape(node.outputs[0])
        own = Group(dims, self.paths.get(node, ()), at)
        own.nodes.append(node)
        own.sources.update(dict.fromkeys(node.inputs))
        self.unit[node] = own
        for variable in node.inputs:
            group = self._of(variable.owner)
            if group is not None and group is not own and self._joinable(group, own):
                own = self._join(group, own)

    def _joinable(self, early: Group, late: Group) -> bool:
        """Whether two groups may be one: no way from one to the other passes a node outside."""
        if early.dims != late.dims or early.path != late.path:
            return False
        if len(early.nodes) + len(late.nodes) > _STEPS or len(late.sources) > _INPUTS + len(early.nodes):
            return False
        if len(self.outside(early, late)) > _INPUTS:
            return False
        return not self._reaches(late, early) and not self._reaches(early, late)

    def _reaches(self, late: Group, early: Group) -> bool:
        """Whether a path leads from ``early`` to ``late`` through a node outside both (or a reduction). After a long
        search that is taken for granted: else searches take time quadratic in the size of the graph."""
        floor = early.first  # what lies below it, whole, cannot depend on ``early``
        while self.across[floor] < floor:
            floor = int(self.across[floor])
        seen: set[Apply | Group] = set()
        pending = [v.owner for v in late.sources if v.owner is not None and self._of(v.owner) is not early]
        while pending:
            node = pending.pop()
            if self.unit.get(node, node) in seen:
                continue
            if len(seen) > _SEARCH:
                return True
            seen.add(self.unit.get(node, node))
            group = self.unit.get(node)
            if group is early:
                return True
            if (group.last if group is not None else self.position[node]) < floor:
                continue
            if group is None:
                pending.extend(v.owner for v in node.inputs if v.owner is not None)
            elif group is not late:
                pending.extend(v.owner for v in group.sources if v.owner is not None)
        return False

    def outside(self, *groups: Group) -> dict[Variable, None]:
        """What groups read and do not compute themselves."""
        return {v: None for group in groups for v in group.sources if self._of(v.owner) not in groups}

    def sink(self, group: Group) -> None:
        """Move what only a later loop over the same dimensions reads into that loop, where that saves memory traffic:
        ``1 - h ** 2``, made beside ``h`` for the gradient, is computed from ``h`` where it is needed."""
        for node in reversed(group.nodes[:]):
            late = self._reader(node, group) if self.unit[node] is group else None
            if late is None:
                continue
            cone = self._cone(node, group, late)
            reads = {v for member in cone for v in member.inputs if v.owner not in cone}
            fresh = [v for v in reads if v not in late.sources and self.facts.shape(v) == group.dims]
            kept_inside = any(self._of(v.owner) is group and not self._is_stored(v, group) for v in reads)
            if len(fresh) > 1 or kept_inside:
                continue
            group.nodes = [member for member in group.nodes if member not in cone]
            late.nodes += sorted(cone, key=self.position.__getitem__)
            for member in cone:
                self.unit[member] = late
                late.sources.update(dict.fromkeys(member.inputs))
            late.first = min(late.first, *(self.position[member] for member in cone))
            group.sources = dict.fromkeys(v for member in group.nodes for v in member.inputs)
            late.sources, group.sources = self.outside(late), self.outside(group)

    def _users(self, variable: Variable) -> list[Apply | None]:
        return [user for user, _ in self.graph.clients[variable]]

    def _reader(self, node: Apply, group: Group) -> Group | None:
        """The one other group, over the same dimensions, that has all clients of the node."""
        units = {self.unit.get(user) if user is not None else None for user in self._users(node.outputs[0])}
        (late, *others) = units or {None}
        if others or late is None or late is group or (late.dims, late.path) != (group.dims, group.path):
            return None
        return late

    def _cone(self, node: Apply, group: Group, late: Group) -> set[Apply]:
        """The nodes of the group that serve the node alone."""
        cone = {node}
        for member in reversed(group.nodes):
            users = self._users(member.outputs[0])
            if all(user is not None and (user in cone or self.unit.get(user) is late) for user in users):
                cone.add(member)
        return cone

    def _is_stored(self, variable: Variable, group: Group) -> bool:
        """Whether the group stores the value anyhow, for others."""
        return any(user is None or self.unit.get(user) is not group for user in self._users(variable))

    def _join(self, early: Group, late: Group) -> Group:
        early.nodes += late.nodes
        early.reductions += late.reductions
        early.sources = self.outside(early, late)
        early.first, early.last = min(early.first, late.first), max(early.last, late.last)
        for node in (*late.nodes, *late.reductions):
            self.unit[node] = early
        self._note(early)
        return early

    def _note(self, group: Group) -> None:
        inside = self.across[group.first + 1:group.last + 1]
        np.minimum(inside, group.first, out=inside)


def fusible(node: Apply) -> bool:
    """A primitive elementwise function of tensors, with a C text for its dtypes."""
    op = node.op
    if not isinstance(op, Elemwise) or not node.outputs[0].type.shape or op.body is not None:
        return False
    dtypes = [variable.type.dtype for variable in node.inputs]
    return op.has_c(dtypes) and not any(is_complex(dtype) for dtype in dtypes)


# -- building --------------------------------------------------------------------------------------------------------


def _rebuild(graph: FunctionGraph, groups: Sequence[Group | Cluster], log: list[Firing]) -> FunctionGraph:
    """The graph in which each group is one node. Nodes after a group read its outputs."""
    member = {node: group for group in groups for node in (*group.nodes, *getattr(group, "reductions", ()))}
    made: dict[Variable, Variable] = {}
    done: set[int] = set()
    users = graph.clients
    position = {node: at for at, node in enumerate(graph.order)}
    for node in _order(graph, member):
        if isinstance(node, (Group, Cluster)):
            for nodes in (node.nodes, getattr(node, "reductions", [])):
                nodes.sort(key=position.__getitem__)
            if id(node) not in done:
                done.add(id(node))
                _emit(graph, node, made, users, log)
            continue
        inputs = [made.get(variable, variable) for variable in node.inputs]
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            try:
                equal = graph.interner.node(node, inputs)
            except (TypeError, ValueError, IndexError):  # it cannot run where the guards hold: it stays, to say so
                if not graph.guards:
                    raise
                continue
            for old, new in zip(node.outputs, equal.outputs, strict=True):
                made.setdefault(old, new)
    return graph.with_roots([made.get(root, root) for root in graph.roots])


def _order(graph: FunctionGraph, member: dict[Apply, Group | Cluster]) -> Iterator[Apply | Group | Cluster]:
    """Nodes and groups, each after what it reads."""
    done: set[int] = set()
    for root in graph.order:
        stack: list[Apply | Group | Cluster] = [member.get(root, root)]
        while stack:
            unit = stack[-1]
            if id(unit) in done:
                stack.pop()
                continue
            due = [u for u in _reads(unit, member) if id(u) not in done]
            if due:
                stack.extend(reversed(due))
            else:
                done.add(id(unit))
                stack.pop()
                yield unit


def _reads(unit: Apply | Group | Cluster, member: dict[Apply, Group | Cluster]) -> Iterable[Apply | Group | Cluster]:
    variables: Iterable[Variable] = unit.inputs if isinstance(unit, Apply) else unit.sources
    for variable in variables:
        if variable.owner is not None:
            source = member.get(variable.owner, variable.owner)
            if source is not unit:
                yield source


def _emit(graph: FunctionGraph, group: Group | Cluster, made: dict[Variable, Variable], users: dict[Variable, list],
          log: list[Firing]) -> None:
    """Make the group's node and say in ``made`` which of its outputs computes what."""
    rows = isinstance(group, Cluster)
    if isinstance(group, Cluster):
        program, inputs, outputs = group.program(users, _literal)
        inputs = [group.padded(made.get(v, v)) for v in inputs]
        last = group.nodes[-1]
    else:
        program, inputs, outputs = _program(group, made, users)
        last = (group.reductions or group.nodes)[-1]
    with made_at(last.origin):
        node = Fused(program, len(group.dims)).make_node(*inputs)
    (first, *_) = graph.interner.intern(node.outputs)
    fused = first.owner
    if fused is None:
        return
    for at, old in enumerate(outputs):
        new = fused.outputs[group.place[old] if isinstance(group, Cluster) else at]
        if isinstance(group, Cluster) and new.type.ndim < old.type.ndim:
            (new,) = graph.interner.intern([group.padded(new)])
        made[old] = new
        log.append(Firing("fusion", "rows" if rows else "loop", f"optimize/fusion.py:{fuse.__code__.co_firstlineno}",
                          old, new))


def _program(group: Group, made: dict[Variable, Variable],
             users: dict[Variable, list]) -> tuple[ScalarProgram, list[Variable], list[Variable]]:
    """The scalar program of a group, the variables it reads, and those it computes for others."""
    nodes = [*group.again, *group.nodes]
    computed = {node.outputs[0] for node in nodes}
    inputs: list[Variable] = []
    number: dict[Variable, int] = {}
    for variable in (*(v for node in nodes for v in node.inputs), *(node.inputs[0] for node in group.reductions)):
        if variable not in computed and variable not in number and _literal(variable) is None:
            number[variable] = len(inputs)
            inputs.append(variable)
    steps: list[Step] = []
    for node in nodes:
        args = tuple(number[v] if v in number else _literal(v) for v in node.inputs)
        number[node.outputs[0]] = len(inputs) + len(steps)
        steps.append(Step(node.op, args, node.outputs[0].type.dtype))  # type: ignore[arg-type]
    inner = {*group.nodes, *group.reductions}
    outputs = [node.outputs[0] for node in group.nodes
               if any(user is None or user not in inner for user, _ in users[node.outputs[0]])]
    places: list[tuple[int, Reduction | None]] = [(number[v], None) for v in outputs]
    for node in group.reductions:
        outputs.append(node.outputs[0])
        places.append((number[node.inputs[0]], node.op))  # type: ignore[arg-type]
    dtypes = tuple(variable.type.dtype for variable in inputs)
    return ScalarProgram(dtypes, tuple(steps), tuple(places)), [made.get(v, v) for v in inputs], outputs


def _literal(variable: Variable) -> Literal | None:
    """A constant of one element, as part of the program."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if isinstance(variable, Constant) and variable.data.size == 1:
        return Literal(variable.type.dtype, variable.data.tobytes())
    return None


