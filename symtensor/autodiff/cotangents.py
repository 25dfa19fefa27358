"""The cotangents that a reverse sweep has found so far, kept apart for each side of each branch.

A node that only one side of an `ifelse` needs runs only when that side is taken, and so must its derivative. Its
terms are therefore kept under its path (the conditions under which it runs) and are joined by an `ifelse` of their own
where they reach a variable that has a shorter path.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

from symtensor.autodiff.null import is_disconnected, is_null
from symtensor.graph.trace import made_at
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Variable
from symtensor.ops.branch import IfElse, Path

__all__ = ["Cotangents"]


class Cotangents:
    """Terms by variable and path; ``fixed`` are given cotangents that replace what would be found."""

    def __init__(self, fixed: Mapping[Variable, Any]) -> None:
        self.fixed = fixed
        self.terms: dict[Variable, dict[Path, list[Variable]]] = {}

    def add(self, variable: Variable, term: Variable, path: Path = ()) -> None:
        """A term of the variable's cotangent that counts under the path's conditions."""
        self.terms.setdefault(variable, {}).setdefault(path, []).append(term)

    def total(self, variable: Variable, path: Path = ()) -> Variable | None:
        """The sum of the terms found under the path, made once; None: there are none."""
        if variable in self.fixed:
            return None if is_disconnected(self.fixed[variable]) else self.fixed[variable]
        found = self.terms.get(variable)
        if not found:
            return None
        with made_at(variable.origin):
            return self._total(variable, found, path)

    def _total(self, variable: Variable, found: dict[Path, list[Variable]], path: Path) -> Variable | None:
        here = found.pop(path, [])
        total: Variable | None = _sum(variable, here) if here else None
        depth = len(path)
        for condition in dict.fromkeys(p[depth][0] for p in found if len(p) > depth and p[:depth] == path):
            sides = [self._total(variable, found, (*path, (condition, side))) for side in (True, False)]
            null = next((side for side in (total, *sides) if is_null(side)), None)
            if null is not None:
                total = null
                break
            total = _joined(variable, condition, total, sides)
        for p in [p for p in found if p[:depth] == path]:
            del found[p]
        if total is not None:
            found[path] = [total]
        return total


def _joined(variable: Variable, condition: Variable, total: Variable | None,
            sides: list[Variable | None]) -> Variable | None:
    """What was found outside of a branch, with what each of its sides adds to it."""
    from symtensor.autodiff.reverse import zeros_for

    if sides[0] is sides[1]:
        return _sum(variable, [term for term in (total, sides[0]) if term is not None])
    base = zeros_for(variable) if total is None else total
    values = [base if side is None else side if total is None else _sum(variable, [total, side]) for side in sides]
    return IfElse(1)(condition, *values)  # type: ignore[no-any-return]


def _sum(variable: Variable, terms: list[Variable]) -> Variable:
    if len(terms) == 1:
        return terms[0]
    from symtensor.ops.elementwise import add

    null = next((term for term in terms if is_null(term)), None)
    if null is not None:
        return null
    summed: Variable = add(*terms) if isinstance(variable.type, TensorType) else reduce(operator.add, terms)
    return summed
