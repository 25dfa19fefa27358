"""The algebra of dimensions: integer scalars in a normal form, so that equal dimensions are one variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symtensor.graph.fgraph import Interner
from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import int64_constant, static_value
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise

__all__ = ["Simplifier"]

Linear = tuple[dict[Variable, int], int]
"""A sum: coefficients of non-constant terms, and the constant."""

_TERMS = 12
"""A longer sum is a term itself, so that a chain of slices of slices takes linear time."""

_FOLDABLE = ("Subtensor", "MakeVector", "Reduction", "DimShuffle", "Reshape", "Join", "Shape")


class Simplifier:
    """Simplifies integer scalars to interned normal forms, memoized.

    Sums and products have sorted terms with one constant; differences cancel; maxima, minima and comparisons are
    decided where the terms are dimensions (never negative); ``Shape_i`` and elements of shape vectors are replaced by
    the dimension they read.

    Parameters
    ----------
    interner : where results are interned.
    element : the raw dimension ``k`` of a variable.
    find : the representative among dimensions united with the given one.
    rank : the sort key of terms.
    """

    def __init__(self, interner: Interner, element: Callable[[Variable, int], Variable],
                 find: Callable[[Variable], Variable], rank: Callable[[Variable], Any]) -> None:
        self.interner = interner
        self.element = element
        self.find = find
        self.rank = rank
        self._memo: dict[Variable, Variable] = {}
        self._sums: dict[Variable, Linear] = {}
        self._products: dict[Variable, tuple[Variable, ...]] = {}

    def forget(self) -> None:
        """Representatives changed: simplify anew from now on."""
        self._memo.clear()
        self._sums.clear()
        self._products.clear()

    def __call__(self, scalar: Variable) -> Variable:
        """The normal form of ``scalar``."""
        memo = self._memo
        if scalar in memo:
            return memo[scalar]
        stack = [scalar]
        while stack:
            variable = stack[-1]
            if variable in memo:
                stack.pop()
                continue
            node = variable.owner
            if node is None or not _is_integer_scalar(variable):
                memo[variable] = self.leaf(variable)
                stack.pop()
                continue
            pending = [v for v in node.inputs if v not in memo and _is_integer_scalar(v)]
            if pending:
                stack.extend(reversed(pending))
                continue
            stack.pop()
            result = self.find(self._node(node, variable))
            memo[variable] = memo[result] = result
        return memo[scalar]

    def leaf(self, variable: Variable) -> Variable:
        """The interned representative of a variable that is not taken apart."""
        if isinstance(variable, Constant) and variable.type.dtype == "int64" and variable.data.ndim == 0:
            variable = int64_constant(int(variable.data))
        (interned,) = self.interner.intern([variable])
        return self.find(interned)

    def _node(self, node: Apply, variable: Variable) -> Variable:
        kind = type(node.op).__name__
        if kind == "Shape_i":
            (base,) = self.interner.intern([node.inputs[0]])
            raw = self.element(base, node.op.i)  # type: ignore[attr-defined]
            owner = raw.owner
            own = owner is not None and owner.op == node.op and owner.inputs[0] is base
            return raw if own else self(raw)
        inputs = [self(v) if _is_integer_scalar(v) else self.interner.intern([v])[0] for v in node.inputs]
        if isinstance(node.op, Elemwise):
            rule = _RULES.get(node.op.name)
            result = rule(self, variable, inputs) if rule is not None else None
            if result is not None:
                return result
        elif kind == "Subtensor":
            read = self._read(inputs)
            if read is not None and read.type.dtype == variable.type.dtype:
                return self(read)
        equal = self.interner.node(node, inputs).outputs[variable.index or 0]
        return self._folded(equal) if isinstance(node.op, Elemwise) or kind in _FOLDABLE else equal

    def _folded(self, variable: Variable) -> Variable:
        node = variable.owner
        if node is None or not all(isinstance(v, Constant) for v in node.inputs):
            return variable
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        try:
            node.op.perform(node, [v.data for v in node.inputs], storage)  # type: ignore[attr-defined]
        except (ValueError, IndexError, ZeroDivisionError, OverflowError):
            return variable  # the error belongs to the run
        return self.leaf(variable.type.make_constant(storage[variable.index or 0][0]))

    def _read(self, inputs: Sequence[Variable]) -> Variable | None:
        """The element that a subscript of a vector of integers reads, where the vector is spelled out."""
        vector = inputs[0].owner
        if vector is None or len(inputs) != 2 or inputs[0].type.ndim != 1:
            return None
        position = static_value(inputs[1])
        kind = type(vector.op).__name__
        if position is None or kind not in ("Shape", "MakeVector"):
            return None
        count = vector.inputs[0].type.ndim if kind == "Shape" else len(vector.inputs)
        if not -count <= position < count:
            return None
        return self.element(vector.inputs[0], position % count) if kind == "Shape" else vector.inputs[position]

    # -- sums and products -------------------------------------------------------------------------------------------

    def sum_of(self, scalar: Variable) -> Linear:
        """A normal form as coefficients and constant."""
        value = static_value(scalar)
        if value is not None:
            return {}, value
        return self._sums.get(scalar, ({scalar: 1}, 0))

    def build_sum(self, terms: dict[Variable, int], constant: int) -> Variable:
        """The normal form of a sum: terms in order, the constant, then negative terms subtracted."""
        constant = _wrapped(constant)
        terms = {atom: _wrapped(count) for atom, count in terms.items()}
        atoms = sorted((atom for atom, count in terms.items() if count), key=self.rank)
        if not atoms:
            return int64_constant(constant)
        if constant == 0 and len(atoms) == 1 and terms[atoms[0]] == 1:
            return atoms[0]
        plus = [self._scaled(atom, terms[atom]) for atom in atoms if terms[atom] > 0 or terms[atom] == -2**63]
        minus = [self._scaled(atom, -terms[atom]) for atom in atoms if -2**63 < terms[atom] < 0]
        if constant:
            plus.append(int64_constant(constant))
        elif not plus:
            plus.append(ELEMENTWISE["neg"](minus.pop(0)))
        total = plus[0] if len(plus) == 1 else ELEMENTWISE["add"](*plus)
        for term in minus:
            total = ELEMENTWISE["sub"](total, term)
        (result,) = self.interner.intern([total])
        if len(atoms) <= _TERMS:
            self._sums[result] = {atom: terms[atom] for atom in atoms}, constant
        return result

    def _scaled(self, atom: Variable, count: int) -> Variable:
        if count == 1:
            return atom
        (result,) = self.interner.intern([ELEMENTWISE["mul"](atom, int64_constant(count))])
        self._sums[result] = {atom: count}, 0
        return result

    def product_of(self, scalar: Variable) -> tuple[tuple[Variable, ...], int]:
        """A normal form as factors and a constant factor."""
        value = static_value(scalar)
        if value is not None:
            return (), value
        terms, constant = self.sum_of(scalar)
        if constant == 0 and len(terms) == 1:
            ((atom, count),) = terms.items()
            return self._products.get(atom, (atom,)), count
        return (scalar,), 1

    def build_product(self, factors: Sequence[Variable], count: int) -> Variable:
        """The normal form of a product."""
        count = _wrapped(count)
        if count == 0 or not factors:
            return int64_constant(count)
        atoms = tuple(sorted(factors, key=self.rank))
        atom = atoms[0]
        if len(atoms) > 1:
            (atom,) = self.interner.intern([ELEMENTWISE["mul"](*atoms)])
            self._products[atom] = atoms
        return self.build_sum({atom: count}, 0)

    # -- order -------------------------------------------------------------------------------------------------------

    def nonnegative(self, scalar: Variable) -> bool:
        """Whether a scalar is known to be at least 0."""
        pending = [scalar]
        while pending:
            variable = pending.pop()
            value = static_value(variable)
            if value is not None and value >= 0:
                continue
            owner = variable.owner
            if owner is None:
                return False
            name = owner.op.name if isinstance(owner.op, Elemwise) else type(owner.op).__name__
            if name in ("add", "mul", "minimum", "int_div"):
                pending.extend(owner.inputs)
            elif name == "maximum":
                if not any(_is_natural(v) for v in owner.inputs):
                    return False
            elif name not in ("Shape_i", "broadcast_dim"):
                return False
        return True

    def least(self, a: Variable, b: Variable) -> int | None:
        """A lower bound of ``a - b``, where one is known."""
        terms, constant = self.difference(a, b)
        bounds = [self._bound(terms, constant)]
        least = ELEMENTWISE["minimum"]
        cuts = [a for a, count in terms.items() if count == -1 and a.owner is not None and a.owner.op is least]
        for atom in cuts if len(cuts) == 1 else ():  # -min(p, q) is at least -p, and -q
            for value in atom.owner.inputs:  # type: ignore[union-attr]
                rest = {key: count for key, count in terms.items() if key is not atom}
                inner, shift = self.sum_of(value)
                for key, count in inner.items():
                    rest[key] = rest.get(key, 0) - count
                bounds.append(self._bound({key: count for key, count in rest.items() if count}, constant - shift))
        return max((bound for bound in bounds if bound is not None), default=None)

    def _bound(self, terms: dict[Variable, int], constant: int) -> int | None:
        if all(count > 0 and self.nonnegative(atom) for atom, count in terms.items()):
            return constant
        return None

    def difference(self, a: Variable, b: Variable) -> Linear:
        """``a - b`` as coefficients and constant."""
        (left, c), (right, d) = self.sum_of(a), self.sum_of(b)
        terms = dict(left)
        for atom, count in right.items():
            terms[atom] = terms.get(atom, 0) - count
        return {atom: count for atom, count in terms.items() if count}, c - d


def _wrapped(value: int) -> int:
    """The int64 that arithmetic without end is cut to."""
    return (value + 2**63) % 2**64 - 2**63


def _is_integer_scalar(variable: Variable) -> bool:
    kind = variable.type
    return isinstance(kind, TensorType) and not kind.shape and is_integer(kind.dtype)


def _is_natural(variable: Variable) -> bool:
    value = static_value(variable)
    if value is not None:
        return value >= 0
    return variable.owner is not None and type(variable.owner.op).__name__ == "Shape_i"


# -- rules: (simplifier, the scalar, its simplified inputs) -> the simplified scalar, or None ------------------------

Rule = Callable[[Simplifier, Variable, Sequence[Variable]], Variable | None]


def _wide(inputs: Sequence[Variable]) -> bool:
    return all(v.type.dtype == "int64" or isinstance(v, Constant) for v in inputs)


def _int64(rule: Rule) -> Rule:
    """The rule for int64 operands (constants of any integer dtype) and an int64 result."""
    def checked(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
        return rule(s, variable, inputs) if variable.type.dtype == "int64" and _wide(inputs) else None

    return checked


def _add(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    terms: dict[Variable, int] = {}
    constant = 0
    for value in inputs:
        part, more = s.sum_of(value)
        constant += more
        for atom, count in part.items():
            terms[atom] = terms.get(atom, 0) + count
    return s.build_sum(terms, constant)


def _sub(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    return s.build_sum(*s.difference(inputs[0], inputs[1]))


def _neg(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    return s.build_sum(*s.difference(int64_constant(0), inputs[0]))


def _mul(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    factors: list[Variable] = []
    count = 1
    for value in inputs:
        some, times = s.product_of(value)
        factors.extend(some)
        count *= times
    if len(factors) == 1 and count:  # a constant times a sum goes into the terms
        terms, constant = s.sum_of(factors[0])
        return s.build_sum({atom: n * count for atom, n in terms.items()}, constant * count)
    return s.build_product(factors, count)


def _int_div(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    if static_value(inputs[1]) == 1:
        return inputs[0]
    if not all(map(s.nonnegative, inputs)):
        return None
    (above, p), (below, q) = s.product_of(inputs[0]), s.product_of(inputs[1])
    rest = list(above)
    for factor in below:
        if factor not in rest:
            return None
        rest.remove(factor)
    return s.build_product(rest, p // q) if q and p % q == 0 else None


def _extreme(sign: int) -> Rule:
    def at_least(s: Simplifier, a: Variable, b: Variable) -> bool:
        bound = s.least(a, b) if sign > 0 else s.least(b, a)
        return bound is not None and bound >= 0

    def rule(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
        kept: list[Variable] = []
        for value in inputs:
            if not any(at_least(s, other, value) for other in kept):
                kept = [other for other in kept if not at_least(s, value, other)] + [value]
        if len(kept) != 1:
            return None
        return int64_constant(int(kept[0].data)) if isinstance(kept[0], Constant) else kept[0]

    return _int64(rule)


def _compare(name: str) -> Rule:
    def rule(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
        a, b = inputs
        if not _wide(inputs):
            return None
        above, below = s.least(a, b), s.least(b, a)  # above <= a - b <= -below
        more, less = above is not None and above > 0, below is not None and below > 0
        no_less, no_more = above is not None and above >= 0, below is not None and below >= 0
        true, false = {
            "lt": (less, no_less), "le": (no_more, more), "gt": (more, no_more), "ge": (no_less, less),
            "eq": (no_less and no_more, more or less), "neq": (more or less, no_less and no_more),
        }[name]
        return s.leaf(variable.type.make_constant(true)) if true or false else None

    return rule


def _switch(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    condition, then, other = inputs
    value = static_value(condition)
    chosen = then if then is other or value else None if value is None else other
    if chosen is None or chosen.type.dtype == variable.type.dtype:
        return chosen
    return int64_constant(int(chosen.data)) if isinstance(chosen, Constant) and variable.type.dtype == "int64" else None


def _cast(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    return inputs[0] if inputs[0].type.dtype == variable.type.dtype else None


def _broadcast_dim(s: Simplifier, variable: Variable, inputs: Sequence[Variable]) -> Variable | None:
    op = ELEMENTWISE["broadcast_dim"]
    distinct: dict[Variable, None] = {}
    for value in inputs:
        nested = value.owner.inputs if value.owner is not None and value.owner.op is op else (value,)
        for dim in nested:
            if static_value(dim) != 1:
                distinct.setdefault(dim)
    sizes = [dim for dim in distinct if isinstance(dim, Constant)]
    if len(sizes) == 1:  # the others are 1 or equal to it, or whoever broadcasts reports them
        return sizes[0]
    if len(distinct) <= 1:
        return next(iter(distinct), int64_constant(1))
    return None if sizes else s.interner.intern([op(*sorted(distinct, key=s.rank))])[0]


_RULES: dict[str, Rule] = {
    "add": _int64(_add), "sub": _int64(_sub), "neg": _int64(_neg), "mul": _int64(_mul), "int_div": _int64(_int_div),
    "maximum": _extreme(1), "minimum": _extreme(-1), "switch": _switch, "cast{int64}": _cast,
    "broadcast_dim": _int64(_broadcast_dim),
    **{name: _compare(name) for name in ("lt", "le", "gt", "ge", "eq", "neq")},
}
