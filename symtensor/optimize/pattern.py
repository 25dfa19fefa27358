"""Rules as data: both sides are expressions in the user's notation over pattern variables.

    x, y = pattern("x y")
    rules("stabilize", (log(sigmoid(x)), -softplus(-x)), (log(1 + exp(x)), softplus(x)))

A number in a pattern matches every constant of that value, of any dtype and rank. Operands that were padded or
permuted by DimShuffle are looked through. Commutative ops match in any order; of a longer sum or product the matched
operands are replaced and the rest is kept.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symtensor.graph.op import Op
from symtensor.graph.types import is_complex, is_continuous
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import constant
from symtensor.ops.elementwise import cast
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise
from symtensor.optimize.operands import CONSTANT, Interning, flattened, operands, opposite, uniform_value

__all__ = ["TABLES", "Node", "Pattern", "Rule", "Slot", "constant_slot", "pattern", "rewrite", "rules",
           "uniform_value"]

Bindings = dict[str, Variable]


class Pattern:
    """An expression over slots. Operators and elementwise functions of patterns are patterns."""

    @staticmethod
    def apply_op(op: Op, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Pattern:
        """What `Op.__call__` does when an operand is a pattern."""
        if kwargs or not isinstance(op, Elemwise):
            raise TypeError(f"patterns are spelled with elementwise ops without keywords; {op} is for @rewrite")
        return Node(op, tuple(_as_pattern(value) for value in inputs))


def _op(name: str, *args: Any) -> Pattern:
    return Node(ELEMENTWISE[name], tuple(_as_pattern(arg) for arg in args))


def _binary(name: str) -> tuple[Callable[..., Pattern], Callable[..., Pattern]]:
    return lambda self, other: _op(name, self, other), lambda self, other: _op(name, other, self)


for _python, _name in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "true_div"), ("pow", "pow")):
    for _prefix, _function in zip(("", "r"), _binary(_name), strict=True):
        setattr(Pattern, f"__{_prefix}{_python}__", _function)
for _python, _name in (("neg", "neg"), ("abs", "abs_"), ("invert", "invert")):
    setattr(Pattern, f"__{_python}__", lambda self, name=_name: _op(name, self))


def _as_pattern(value: Any) -> Pattern:
    return value if isinstance(value, Pattern) else Number(value)


@dataclass(eq=False)
class Slot(Pattern):
    """A pattern variable: it matches any expression, and the same one wherever it occurs again."""

    name: str
    constant: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False)
class Number(Pattern):
    """A number: it matches constants of that value."""

    value: Any

    def __str__(self) -> str:
        return str(self.value)


@dataclass(eq=False)
class Node(Pattern):
    """An elementwise op applied to patterns."""

    op: Elemwise
    args: tuple[Pattern, ...]

    def __str__(self) -> str:
        symbol = self.op.symbol
        parts = [f"({a})" if isinstance(a, Node) and a.op.symbol and symbol else str(a) for a in self.args]
        if symbol and len(parts) == 1:
            return f"{symbol}{parts[0]}"
        return f" {symbol} ".join(parts) if symbol else f"{self.op.name}({', '.join(map(str, self.args))})"


def pattern(names: str) -> Any:
    """Pattern variables: one for a single name, else a tuple.

    >>> x, y = pattern("x y")
    >>> str(x * y + 1)
    '(x * y) + 1'
    """
    slots = tuple(Slot(name) for name in names.split())
    return slots[0] if len(slots) == 1 else slots


def constant_slot(name: str) -> Slot:
    """A pattern variable that matches constants of one value only."""
    return Slot(name, constant=True)


# -- matching --------------------------------------------------------------------------------------------------------


def _equals(value: Any, number: Any) -> bool:
    if value is None:
        return False
    if isinstance(number, float) and value.dtype.kind == "f":
        return bool(value == value.dtype.type(number))
    return bool(value == number)


def match(form: Pattern, variable: Variable, found: Bindings, intern: Interning) -> Iterator[Bindings]:
    """Every way in which ``variable`` is an instance of ``form``, given the bindings ``found``."""
    if isinstance(form, Slot):
        bound = found.get(form.name)
        if bound is variable:
            yield found
        elif bound is None and (not form.constant or uniform_value(variable) is not None):
            yield {**found, form.name: variable}
    elif isinstance(form, Number):
        if _equals(uniform_value(variable), form.value):
            yield found
    elif isinstance(form, Node):
        bound = found.get(form.args[0].name) if isinstance(form.args[0], Slot) else None
        if bound is not None and form.op is ELEMENTWISE["neg"]:
            if opposite(variable, bound) or opposite(bound, variable):
                yield found
            return
        inputs = operands(variable, form.op, intern)
        if inputs is not None:
            for bindings, rest in match_operands(form, inputs, found, intern, partial=False):
                if not rest:
                    yield bindings


def match_operands(form: Node, inputs: Sequence[Variable], found: Bindings, intern: Interning,
                   partial: bool) -> Iterator[tuple[Bindings, tuple[Variable, ...]]]:
    """Ways to match the arguments of ``form`` with ``inputs``, and the inputs left over.

    Inputs are left over only of variadic ops: to the caller if ``partial``, else a free pattern variable takes them.
    """
    args = form.args
    if form.op.nin is not None or len(inputs) == len(args):
        if len(inputs) != len(args):
            return
        orders: Iterable[tuple[Pattern, ...]] = [args]
        if form.op.commutative and len(args) == 2:
            orders = [args, args[::-1]]
        elif form.op.commutative:
            orders = itertools.permutations(args)
        for order in orders:
            for bindings in _match_all(order, inputs, found, intern):
                yield bindings, ()
        return
    if len(inputs) < len(args):
        return
    ordered = sorted(args, key=_freedom)
    if partial:
        yield from _match_some(ordered, tuple(inputs), found, intern)
        return
    last = ordered[-1]
    if isinstance(last, Slot) and last.name not in found and not last.constant:
        for bindings, rest in _match_some(ordered[:-1], tuple(inputs), found, intern):
            if last.name not in bindings:
                yield {**bindings, last.name: intern(form.op(*rest))}, ()


def _freedom(form: Pattern) -> int:
    """Numbers first, then nodes, then variables: those that match least are tried first."""
    return 0 if isinstance(form, Number) else 1 if isinstance(form, Node) else 2 if getattr(form, "constant", 0) else 3


def _match_all(args: Sequence[Pattern], inputs: Sequence[Variable], found: Bindings,
               intern: Interning) -> Iterator[Bindings]:
    if not args:
        yield found
        return
    for bindings in match(args[0], inputs[0], found, intern):
        yield from _match_all(args[1:], inputs[1:], bindings, intern)


def _match_some(args: Sequence[Pattern], inputs: tuple[Variable, ...], found: Bindings,
                intern: Interning) -> Iterator[tuple[Bindings, tuple[Variable, ...]]]:
    if not args:
        yield found, inputs
        return
    for index, variable in enumerate(inputs):
        for bindings in match(args[0], variable, found, intern):
            yield from _match_some(args[1:], inputs[:index] + inputs[index + 1:], bindings, intern)


def build(form: Pattern, found: Mapping[str, Variable], dtype: str) -> Variable:
    """The expression of ``form`` with its variables bound; fractions get ``dtype`` where that is a float dtype."""
    if isinstance(form, Slot):
        value = found[form.name]
        wide = form.constant and is_continuous(dtype) and not is_complex(value.type.dtype)
        return cast(value, dtype) if wide else value
    if isinstance(form, Number):
        fraction = isinstance(form.value, float) and is_continuous(dtype)
        return constant(form.value, dtype=dtype if fraction else None)
    if not isinstance(form, Node):
        raise TypeError(f"{form!r} is no pattern")
    result: Variable = form.op(*(build(arg, found, dtype) for arg in form.args))
    return result


# -- rules -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Rule:
    """One rewrite: a pattern pair (``lhs``, ``rhs``) or a function ``local(node, facts)``.

    ``heads`` are the ops or op classes whose nodes it may rewrite; None: all. ``whole`` rules look at the whole graph
    (clients) and are tried again whenever it changed.
    """

    step: str
    name: str
    heads: tuple[Any, ...] | None
    place: str
    lhs: Node | None = None
    rhs: Pattern | None = None
    when: Callable[..., bool] | None = None
    assumes: frozenset[str] = frozenset()
    local: Callable[[Apply, Any], Any] | None = None
    whole: bool = False
    needs: frozenset[Any] = frozenset()  # what must make some operand for a pattern to match: ops, and CONSTANT

    def __str__(self) -> str:
        return self.name

    def apply(self, node: Apply, facts: Any) -> Any:
        """The replacement of the node's outputs (a variable or a list), or None."""
        if self.local is not None:
            return self.local(node, facts)
        if self.lhs is None or self.rhs is None:
            return None
        variadic = self.lhs.op.nin is None
        dtype = node.outputs[0].type.dtype
        further = flattened(node) if variadic and self.step == "stabilize" else None
        for inputs in (node.inputs, *([] if further is None else [further])):
            for found, rest in match_operands(self.lhs, inputs, {}, facts.intern, partial=variadic):
                if self.when is None or self.when(**found):
                    return self._built(found, rest, dtype)
        return None

    def _built(self, found: Bindings, rest: Sequence[Variable], dtype: str) -> Any:
        """The right side. Where it has another dtype its operands are converted first: ``-x`` of small or unsigned
        integers is not what ``x * -1`` is in a larger dtype. So are integers beside floats: ``y * z`` may wrap where
        ``(x / y) / z`` does not."""
        if is_continuous(dtype) and isinstance(self.rhs, Node):
            found = {name: cast(v, dtype) if v.type.dtype[0] in "iu" else v for name, v in found.items()}
        result = build(self.rhs, found, dtype)  # type: ignore[arg-type]
        if result.type.dtype != dtype and isinstance(self.rhs, Node) and dtype != "bool":
            result = build(self.rhs, {name: cast(value, dtype) for name, value in found.items()}, dtype)
        return self.lhs.op(result, *rest) if rest and self.lhs is not None else result


TABLES: dict[str, list[Rule]] = {}
"""The rules of each step, in the order in which they are tried."""

ASSUMPTIONS = ("finite", "nonzero", "positive", "real", "asserted")


def _checked(assumes: Iterable[str]) -> frozenset[str]:
    unknown = set(assumes) - set(ASSUMPTIONS)
    if unknown:
        raise ValueError(f"rules: {sorted(unknown)} are not among the assumptions {ASSUMPTIONS}")
    return frozenset(assumes)


def _place(depth: int) -> str:
    frame = sys._getframe(depth + 1)
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{frame.f_lineno}"


def rules(step: str, *pairs: tuple[Any, Any], assumes: Iterable[str] = (), when: Callable[..., bool] | None = None,
          name: str | None = None) -> list[Rule]:
    """Add rules ``(lhs, rhs)`` to the table of ``step``.

    Parameters
    ----------
    assumes : what the rules take for granted ("finite", "nonzero", "positive", "real"; "asserted": what is asserted
        holds); they are off unless the assumption is included.
    when : a predicate on the bindings, called with one keyword for each pattern variable.
    name : the name rules are excluded and reported by; the text of the rule otherwise.
    """
    made = []
    for lhs, rhs in pairs:
        if not isinstance(lhs, Node):
            raise TypeError(f"rules: the left side {lhs!r} is no op applied to patterns")
        right = _as_pattern(rhs)
        needs = frozenset(arg.op if isinstance(arg, Node) else CONSTANT for arg in lhs.args
                          if not isinstance(arg, Slot) or arg.constant)
        made.append(Rule(step, name or f"{lhs} -> {right}", (lhs.op,), _place(1), lhs, right, when,
                         _checked(assumes), needs=needs))
    TABLES.setdefault(step, []).extend(made)
    return made


def rewrite(step: str, *heads: Op | type[Op], name: str | None = None, whole: bool = False,
            assumes: Iterable[str] = ()) -> Callable[[Callable[[Apply, Any], Any]], Callable[[Apply, Any], Any]]:
    """Decorator: add a rule that is a function ``local(node, facts)`` of at most ten lines to the table of ``step``.

    It returns the replacement of the node's only output, a list for all outputs, or None. ``facts`` knows shapes and
    clients (`symtensor.optimize.engine.Facts`). Without ``heads`` it is tried on every node.
    """
    place = _place(1)

    def add(local: Callable[[Apply, Any], Any]) -> Callable[[Apply, Any], Any]:
        rule = Rule(step, name or local.__name__, heads or None, place, local=local, whole=whole,
                    assumes=_checked(assumes))
        TABLES.setdefault(step, []).append(rule)
        return local

    return add
