"""The pipeline: named steps, each from a valid graph to a valid one. This page is all there is to its order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial

from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.record import Record
from symtensor.graph.variable import Constant
from symtensor.ops.infer import ShapeInference
from symtensor.optimize import theano_names
from symtensor.optimize.engine import Facts, Firing, RewriteError, Rewriter, RuleIndex
from symtensor.optimize.explain import Log
from symtensor.optimize.fusion import fuse as fuse_loops
from symtensor.optimize.loops import fuse_bodies, move_work, optimize_bodies
from symtensor.optimize.pattern import ASSUMPTIONS, TABLES, Rule

__all__ = ["LEVELS", "PIPELINE", "optimize"]

Pass = Callable[[FunctionGraph, Facts, list[Firing]], FunctionGraph]

PIPELINE = (
    ("canonicalize", "rules"),  # one spelling for each meaning; constants, shapes
    ("stabilize", "rules"),  # spellings that lose digits, and the canonical rules again: each makes work for the other
    ("specialize", "rules"),  # cheaper ops
    ("expand", "rules"),  # composites become their spelling
    ("loops", "pass"),  # work that needs no loop leaves it
    ("canonicalize", "rules"),
    ("specialize", "rules"),
    ("bodies", "pass"),  # what loops do in each step, by this same pipeline
    ("fusion", "pass"),  # elementwise chains become loops
)
"""The steps in order: (name, kind). A rule table may be used in several steps."""

LEVELS: dict[str, tuple[str, ...]] = {
    "fast_run": ("canonicalize", "stabilize", "specialize", "expand", "loops", "bodies", "fusion"),
    "fast_compile": ("canonicalize", "stabilize", "expand", "bodies"),
    "none": ("expand", "bodies"),
}
"""The steps each level runs."""

class Selection(Record):
    """The steps and rules that a level with inclusions and exclusions amounts to."""

    steps: tuple[str, ...]
    tables: dict[str, RuleIndex]


_selections: dict[tuple[object, ...], Selection] = {}


def select(level: str, including: Iterable[str], excluding: Iterable[str]) -> Selection:
    """The selection; ValueError for unknown names, listing near ones."""
    import symtensor.optimize.rules  # noqa: F401  (fills the tables)

    included, excluded = frozenset(including), frozenset(excluding)
    key = (level, included, excluded, sum(map(len, TABLES.values())))
    found = _selections.get(key)
    if found is None:
        if level not in LEVELS:
            raise ValueError(f"optimizer level {level!r} is not one of {', '.join(LEVELS)}")
        _check_names(included | excluded)
        included |= {theano_names.INCLUDED[name] for name in included & set(theano_names.INCLUDED)}
        names = {name for name, _ in PIPELINE} | {rule.name for table in TABLES.values() for rule in table}
        excluded |= {name for theano in excluded for pattern in theano_names.rules_of(theano)
                     for name in names if fnmatchcase(name, pattern)}
        steps = tuple(name for name, _ in PIPELINE
                      if (name in LEVELS[level] or name in included) and name not in excluded)
        chosen = {step: [rule for rule in table if _active(rule, included, excluded)] for step, table in TABLES.items()}
        if "canonicalize" in steps:
            chosen["stabilize"] = chosen["stabilize"] + chosen["canonicalize"]
        tables = {step: RuleIndex(table) for step, table in chosen.items()}
        found = _selections[key] = Selection(steps, tables)
    return found


def _active(rule: Rule, included: frozenset[str], excluded: frozenset[str]) -> bool:
    return rule.name not in excluded and rule.assumes <= included


def _check_names(names: Iterable[str]) -> None:
    known = {name for name, _ in PIPELINE} | {rule.name for table in TABLES.values() for rule in table}
    known |= {*LEVELS, *ASSUMPTIONS}
    for name in sorted(names):
        if name not in known and not theano_names.known(name):
            known |= theano_names.COVERED.keys()
            near = difflib.get_close_matches(name, sorted(known), n=5, cutoff=0.4) or [step for step, _ in PIPELINE]
            raise ValueError(f"no rule table, rule or pass is named {name!r}; near names: {', '.join(near)}")


def optimize(graph: FunctionGraph, *, level: str = "fast_run", including: Iterable[str] = (),
             excluding: Iterable[str] = (), assume: bool = True, fuse: bool = True) -> tuple[FunctionGraph, Log]:
    """The graph after the pipeline, and the log of what was done.

    Parameters
    ----------
    level : "fast_run", "fast_compile" or "none".
    including, excluding : names of tables, rules or passes; assumptions ("finite", "nonzero") may be included.
    assume : take the dimensions of operands that meet for equal wherever neither is known to be 1; the graph's guards
        say what must be checked at run time. Without it the graph stays right under run-time broadcasting.
    fuse : make fused loops.

    ValueError for unknown names.
    """
    excluded = {name for name in (*excluding, *config.optimizer_excluding.split(":")) if name}
    included = {name for name in (*including, *config.optimizer_including.split(":")) if name}
    selection = select(level, included, excluded if fuse else excluded | {"fusion"})
    log = Log()
    inference = ShapeInference.of(graph, assume)
    if assume:
        inference.run(graph.order)
    facts = Facts(graph, inference)
    guarded = 0

    def inside(body: FunctionGraph, assume: bool, steps: str = level, more: Iterable[str] = (),
               fuse: bool = False) -> FunctionGraph:
        return optimize(body, level=steps, including=(*including, *more), excluding=excluding, assume=assume,
                        fuse=fuse)[0]

    def fusion(graph: FunctionGraph, facts: Facts, log: list[Firing]) -> FunctionGraph:
        graph = fuse_bodies(graph, facts, partial(inside, steps="none", more=("fusion",), fuse=True))
        return fuse_loops(graph, facts, log)

    passes: dict[str, Pass] = {
        "fusion": fusion, "bodies": partial(optimize_bodies, optimize=inside),
        "loops": partial(move_work, optimize=partial(inside, steps="none", more=("canonicalize", "stabilize"))),
    }
    rewriters = {step: Rewriter(step, selection.tables[step], facts, log) for step in selection.steps
                 if step not in passes}
    for step in selection.steps:
        graph, guarded = graph.with_guards(inference.guards[guarded:]), len(inference.guards)
        before = graph
        graph = rewriters[step].run(graph) if step in rewriters else passes[step](graph, facts, log)
        if config.check_pipeline:
            check(step, before, graph)
    return graph.with_guards(inference.guards[guarded:]), log


def check(step: str, before: FunctionGraph, after: FunctionGraph) -> None:
    """The contract of a step: the same inputs; outputs of the same dtype and rank, of types that know no less; only
    inputs and constants as leaves; interned nodes whose types are what their ops infer. RewriteError otherwise."""
    if before.inputs != after.inputs or len(before.outputs) != len(after.outputs):
        raise RewriteError(f"step {step} changed the number of inputs or outputs")
    for index, (old, new) in enumerate(zip(before.outputs, after.outputs, strict=True)):
        if not old.type.accepts(new.type):
            raise RewriteError(f"step {step} changed the type of output {index} from {old.type} to {new.type}")
    given = set(after.inputs)
    for node in after.order:
        if node not in after.interner:
            raise RewriteError(f"step {step} left {node}, which is not interned")
        for variable in node.inputs:
            if variable.owner is None and variable not in given and not isinstance(variable, Constant):
                raise RewriteError(f"step {step} made {node} depend on {variable}, which is no input")
        anew = node.op.make_node(*node.inputs)
        for output, fresh in zip(node.outputs, anew.outputs, strict=True):
            if not (fresh.type.accepts(output.type) or output.type.accepts(fresh.type)):
                raise RewriteError(f"step {step} made {node} of type {output.type}; its op infers {fresh.type}")
