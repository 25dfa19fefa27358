"""Fusion along rows: reductions over some axes, what is computed from their results, and loops over the same elements
that use these, become one `Fused` node with several loops over each row (softmax, normalization, their gradients).

A `Cluster` grows from a reduction along the order of the graph, by whole groups of the first pass, as long as it stays
convex. Reductions over other axes of what it computes stay behind it, and compute it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.branch import Path
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.fused import ScalarProgram, Step
from symtensor.ops.reduction import Reduction, put_back
from symtensor.ops.stages import stages_of
from symtensor.optimize.engine import Facts

if TYPE_CHECKING:
    from symtensor.optimize.fusion import Group

__all__ = ["Cluster", "RowGrouping"]

_INPUTS, _STEPS, _REPEATED, _SEARCH = 48, 400, 2, 4000
"""Limits of one node: inputs, steps, function calls that are made again in a later loop, nodes looked at for a path."""


class Cluster:
    """Nodes that become loops over the rows of ``dims`` along ``axes``, all under the conditions ``path``. ``sources``
    is what they read; ``groups`` those of the first pass that they are from; ``behind`` reductions over other axes, and
    ``again`` the nodes that the loop of these computes again."""

    def __init__(self, dims: tuple[Variable, ...], axes: tuple[int, ...], path: Path) -> None:
        self.dims, self.axes, self.path = dims, axes, path
        self.nodes: list[Apply] = []
        self.groups: list[Group] = []
        self.behind: list[Apply] = []
        self.again: list[Apply] = []

    @property
    def ndim(self) -> int:
        return len(self.dims)

    @property
    def computed(self) -> set[Variable]:
        return {node.outputs[0] for node in self.nodes}

    @property
    def sources(self) -> dict[Variable, None]:
        made = self.computed
        return {v: None for node in self.nodes for v in node.inputs if v not in made}

    def settle(self, users: dict[Variable, list]) -> None:
        """Find out what stays behind: it reads what has one value per row, and what is stored for others."""
        inside = set(self.nodes)
        late = [r for group in self.groups if group.dims == self.dims for r in group.reductions if r not in inside]
        maker = {node.outputs[0]: node for node in self.nodes}
        known = inside.union(late)
        again: set[Apply] = set()
        pending = [node.inputs[0] for node in late]
        while pending:
            variable = pending.pop()
            node = maker.get(variable)
            if node is None or self.is_row(variable) or any(user not in known for user, _ in users[variable]):
                continue
            again.add(node)
            pending += [v for v in node.inputs if maker.get(v) not in again]
        self.again = [node for node in self.nodes if node in again]
        self.behind = [node for node in late if maker.get(node.inputs[0]) in again]

    def is_row(self, variable: Variable) -> bool:
        """Whether a variable has one value per row."""
        return variable.type.ndim < self.ndim or all(variable.type.shape[axis] == 1 for axis in self.axes)

    def _is_read(self, variable: Variable, users: dict[Variable, list]) -> bool:
        """Whether others read a variable of the cluster."""
        inside, again, behind = set(self.nodes), set(self.again), set(self.behind)
        made_again = variable.owner in again
        return any(user is None or (user not in inside and user not in behind)
                   or (not made_again and (user in again or user in behind))
                   for user, _ in users[variable])

    def program(self, users: dict[Variable, list],
                literal: Any) -> tuple[ScalarProgram, list[Variable], list[Variable]]:
        """The program, the variables it reads and those it computes, each of the rank it has in the graph; a value per
        row stands for itself and for its forms with the row's axes as dimensions of 1."""
        made: dict[Variable, int | Variable] = {}  # a step, or what a dimshuffle shows in another form
        inputs: dict[tuple[Variable, bool], int] = {}
        work = [node for node in self.nodes if not isinstance(node.op, DimShuffle)]
        for node in self.nodes:
            made[node.outputs[0]] = node.inputs[0] if isinstance(node.op, DimShuffle) else -1
        for node in work:
            for v in node.inputs:
                if v not in made and literal(v) is None:
                    inputs.setdefault((v, v.type.ndim < self.ndim), len(inputs))
        for at, node in enumerate(work):
            made[node.outputs[0]] = len(inputs) + at

        def number(v: Variable) -> Any:
            while isinstance(found := made.get(v), Variable):
                v = found
            return found if found is not None else literal(v) or inputs[v, v.type.ndim < self.ndim]

        steps = [Step(node.op, tuple(map(number, node.inputs)), node.outputs[0].type.dtype)  # type: ignore[arg-type]
                 for node in work]
        rows = frozenset(k for (v, short), k in inputs.items()
                         if short or self.is_row(v))
        outputs = [v for v in made if self._is_read(v, users)]
        places = dict.fromkeys(number(v) for v in outputs)
        dtypes = tuple(v.type.dtype for v, _ in inputs)
        program = ScalarProgram(dtypes, tuple(steps), tuple((place, None) for place in places), self.axes, rows)
        self.place = {v: list(places).index(number(v)) for v in outputs}
        return program, [v for v, _ in inputs], outputs

    def padded(self, variable: Variable) -> Variable:
        """A variable per row with the row's axes as dimensions of 1."""
        return variable if variable.type.ndim == self.ndim else put_back(variable, self.ndim, self.axes)


class RowGrouping:
    """Which nodes share loops over rows. ``unit`` is the group, or the cluster, of each node."""

    def __init__(self, graph: FunctionGraph, facts: Facts, unit: dict[Apply, Any], paths: dict[Apply, Path],
                 literal: Any) -> None:
        self.graph, self.facts, self.paths, self.literal = graph, facts, paths, literal
        self.unit = dict(unit)
        self.position = {node: at for at, node in enumerate(graph.order)}
        self.readers: dict[Variable, list[Cluster]] = {}
        self.fresh: list[Apply] = []
        self._known: dict[Any, tuple[list[Apply], int, set[Apply]]] = {}

    def clusters(self) -> list[Cluster]:
        """Those that are worth it."""
        for at, node in enumerate(self.graph.order):
            self._visit(node)
            self._revisit(at)
        found = [cluster for cluster in self._all() if self._pays(cluster)]
        for cluster in found[:]:  # what stays behind and reads a stored value may begin another
            for node in (r for group in cluster.groups for r in group.reductions if self.unit.get(r) is None):
                if node not in cluster.behind:
                    self._found(self._begin(node), [node])
        self._revisit(len(self.graph.order))
        return found + [cluster for cluster in self._all() if cluster not in found and self._pays(cluster)]

    def _all(self) -> list[Cluster]:
        return list({id(unit): unit for unit in self.unit.values() if isinstance(unit, Cluster)}.values())

    def _revisit(self, end: int) -> None:
        """Visit what reads nodes that joined since, before position ``end``: groups join as a whole."""
        while self.fresh:
            for user, _ in self.graph.clients[self.fresh.pop().outputs[0]]:
                if user is not None and self.position[user] < end:
                    self._visit(user)

    def _visit(self, node: Apply) -> None:
        if isinstance(node.op, Reduction):
            self._reduction(node)
        elif isinstance(node.op, (DimShuffle, Elemwise)):
            self._follow(node)

    def _pays(self, cluster: Cluster) -> bool:
        """Whether something uses a reduction, or several share a loop, at a bearable price."""
        reductions = {node.outputs[0] for node in cluster.nodes if isinstance(node.op, Reduction)}
        work = [node for node in cluster.nodes if not isinstance(node.op, DimShuffle)]
        used = any(cluster.is_row(v) for node in work for v in node.inputs if v in
                   cluster.computed)
        if not used and (len(reductions) < 2 or len(work) > len(reductions)):
            return False
        cluster.settle(self.graph.clients)
        program, _, _ = cluster.program(self.graph.clients, self.literal)
        return bool(program.inputs) and stages_of(program).repeated <= _REPEATED

    # -- growth -------------------------------------------------------------------------------------------------------

    def _reduction(self, node: Apply) -> None:
        source = node.inputs[0]
        dims = self.facts.shape(source)
        axes = node.op.axes(len(dims))  # type: ignore[attr-defined]
        kept = [dim for axis, dim in enumerate(dims) if axis not in axes]
        if not axes or all(map(self.facts.inference.is_one, kept)):
            return
        home = self.unit.get(source.owner) if source.owner is not None else None
        if home is None or source.owner.op.__class__ is Reduction:  # type: ignore[union-attr]
            for cluster in self.readers.get(source, ()):
                if (cluster.dims, cluster.axes) == (dims, axes) and self._join(cluster, [node]):
                    return
            self._found(self._begin(node), [node])
        elif isinstance(home, Cluster):
            if (home.dims, home.axes) == (dims, axes) and self.unit.get(node) is not home:
                self._join(home, [node])
        elif home.dims == dims:
            cluster = self._begin(node)
            cluster.groups.append(home)
            for other in home.reductions:
                self.unit.pop(other, None)
            self._found(cluster, [*home.nodes, *(r for r in home.reductions if r.op.axes(len(dims)) == axes)])

    def _begin(self, node: Apply) -> Cluster:
        """A cluster for a reduction."""
        dims = self.facts.shape(node.inputs[0])
        return Cluster(dims, node.op.axes(len(dims)), self.paths.get(node, ()))  # type: ignore[attr-defined]

    def _follow(self, node: Apply) -> None:
        """Take the group of a node into the clusters that it reads from."""
        found = [self.unit.get(v.owner) for v in node.inputs if v.owner is not None]
        for home in {id(unit): unit for unit in found if isinstance(unit, Cluster)}.values():
            unit = self.unit.get(node)
            if unit is home:
                continue
            if isinstance(node.op, DimShuffle):
                if unit is None and self._shows(node, home):
                    self._join(home, [node])
            elif isinstance(unit, Cluster):
                if (unit.dims, unit.axes) == (home.dims, home.axes) and self._join(home, unit.nodes):
                    home.groups += unit.groups
            elif unit is not None and self._fits(unit, home):
                same = [r for r in unit.reductions if unit.dims == home.dims and r.op.axes(home.ndim) == home.axes]
                if self._join(home, [*unit.nodes, *same]):
                    home.groups.append(unit)
                    for other in unit.reductions:
                        if other not in same:
                            self.unit.pop(other, None)

    def _shows(self, node: Apply, cluster: Cluster) -> bool:
        """Whether a dimshuffle only adds or drops the row's axes."""
        order, source = node.op.order, node.inputs[0]  # type: ignore[attr-defined]
        kept = [axis for axis in range(cluster.ndim) if axis not in cluster.axes]
        if not cluster.is_row(source):
            return False
        if source.type.ndim == cluster.ndim:
            return order == tuple(kept)
        return len(order) == cluster.ndim and [order[axis] for axis in kept] == list(range(len(kept))) and all(
            order[axis] == "x" for axis in cluster.axes)

    def _fits(self, group: Group, cluster: Cluster) -> bool:
        """Whether a group computes values per row, or values of all positions from what the cluster has at hand."""
        kept = [axis for axis in range(cluster.ndim) if axis not in cluster.axes]
        if group.dims == cluster.dims:
            near = {v for v in (*cluster.computed, *cluster.sources) if self.facts.shape(v) == cluster.dims}
            return any(v in near for v in group.sources)
        if len(group.dims) == len(kept):
            return all(a is cluster.dims[b] for a, b in zip(group.dims, kept, strict=True))
        return len(group.dims) == cluster.ndim and all(
            self.facts.inference.is_one(dim) if axis in cluster.axes else dim is cluster.dims[axis]
            for axis, dim in enumerate(group.dims))

    def _found(self, cluster: Cluster, nodes: Sequence[Apply]) -> None:
        cluster.nodes = sorted(nodes, key=self.position.__getitem__)
        self.fresh += [node for node in nodes if self.unit.get(node) is not cluster]
        self.unit.update(dict.fromkeys(nodes, cluster))
        for variable in cluster.sources:
            self.readers.setdefault(variable, []).append(cluster)

    def _join(self, cluster: Cluster, nodes: Sequence[Apply]) -> bool:
        """Take the nodes into the cluster, where it stays convex and within limits, and all run together."""
        if any(self.paths.get(node, ()) != cluster.path for node in nodes):
            return False
        inside = {*cluster.nodes, *nodes}
        outer = {v for node in inside for v in node.inputs if v.owner not in inside}
        if len(inside) > _STEPS or len(outer) > _INPUTS or self._leaves(inside, outer):
            return False
        self._found(cluster, [*cluster.nodes, *nodes])
        return True

    def _leaves(self, inside: set[Apply], outer: Iterable[Variable]) -> bool:
        """Whether a path leads from the nodes out and back in, or may: far away it is not looked for."""
        first = min(self.position[node] for node in inside)
        seen: set[Apply] = set()
        pending = [v.owner for v in outer if v.owner is not None]
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            members, last, reads = self._reads(node)
            if not inside.isdisjoint(members):
                members = [member for member in members if member not in inside]
                last, reads = self._summary(members)
            seen.update(members)
            if last < first:
                continue
            if not inside.isdisjoint(reads) or len(seen) > _SEARCH:
                return True
            pending += [owner for owner in reads if owner not in seen]
        return False

    def _reads(self, node: Apply) -> tuple[list[Apply], int, set[Apply]]:
        """The nodes that are one with this one, the last of their positions, and what they read; kept for groups."""
        unit = self.unit.get(node)
        if isinstance(unit, Cluster):
            return unit.nodes, *self._summary(unit.nodes)
        key = node if unit is None else unit
        if key not in self._known:
            members = [node] if unit is None else [*unit.nodes, *unit.reductions]
            self._known[key] = members, *self._summary(members)
        return self._known[key]

    def _summary(self, members: Sequence[Apply]) -> tuple[int, set[Apply]]:
        reads = {v.owner for member in members for v in member.inputs if v.owner is not None}
        return max(self.position[member] for member in members), reads
