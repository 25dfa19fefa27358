"""Every rule that is a pair of patterns: both sides are evaluated on a grid with 0, infinities, nan and large values,
and the engine must apply it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import constant
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.optimize.pattern import TABLES, Node, Pattern, Rule, Slot, build, constant_slot, pattern, rules
from tests.optimize.graphs import apply_rules, evaluate, ops, variable

PAIRS = [rule for table in TABLES.values() for rule in table if rule.lhs is not None]

GRID = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-20, -1e-20, 40.0, -40.0, 800.0, -800.0, np.inf, -np.inf, np.nan]
INTEGERS = [0, 1, -1, 2, 7, 100, -100, -128]
DTYPES = ("float64", "float32", "int32", "int8", "uint8", "bool", "complex128")


def slots(form: Pattern) -> list[Slot]:
    if isinstance(form, Slot):
        return [form]
    if isinstance(form, Node):
        return list({slot.name: slot for arg in form.args for slot in slots(arg)}.values())
    return []


def points(rule: Rule, dtype: str) -> list[Any]:
    """What a variable of the rule may be."""
    kind = np.dtype(dtype).kind
    found: list[Any] = {"b": [False, True], "u": [0, 1, 2, 7, 200], "i": INTEGERS, "f": GRID}.get(kind) or [
        complex(a, b) for a in (0.0, 1.5, -2.0, np.inf, np.nan) for b in (0.0, -1.0, 0.5)]
    if "finite" in rule.assumes:
        found = [v for v in found if abs(v) <= 20]
    if "nonzero" in rule.assumes:
        found = [v for v in found if abs(v) > 1e-6]
    if "positive" in rule.assumes:
        found = [v for v in found if v > 1e-6]
    return found


def grid(rule: Rule, count: int, dtype: str) -> list[np.ndarray]:
    return [np.array(column, dtype) for column in zip(*itertools.product(points(rule, dtype), repeat=count))]


def sides(rule: Rule, dtype: str) -> tuple[list[Variable], Variable, dict[str, Variable]]:
    found: dict[str, Variable] = {slot.name: constant(np.array(2.5, dtype)) if slot.constant
                                  else variable(dtype, 1, slot.name) for slot in slots(rule.lhs)}
    inputs = [v for v in found.values() if not isinstance(v, Constant)]
    return inputs, build(rule.lhs, found, dtype), found


def possible(rule: Rule, dtype: str) -> bool:
    """Whether the ops take the dtype, and the rule wants it."""
    try:
        found = sides(rule, dtype)[2]
    except TypeError:
        return False
    return rule.when is None or rule.when(**found)


CASES = [(rule, dtype) for rule in PAIRS for dtype in DTYPES if possible(rule, dtype)]


@pytest.mark.parametrize(("rule", "dtype"), CASES, ids=lambda value: str(value).replace(" ", ""))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pair(rule, dtype):
    inputs, left, _ = sides(rule, dtype)
    graph, log = apply_rules([rule], inputs, [left])
    assert log, "the rule does not fire"
    assert {firing.rule for firing in log} == {rule.name}
    given = dict(zip(inputs, grid(rule, len(inputs), dtype)))
    (old,), (new,) = evaluate([left], given), evaluate(graph.outputs, given)
    assert old.dtype == new.dtype
    stable = rule.step == "stabilize"
    chosen = np.isfinite(old) if stable else np.ones(old.shape, bool)
    if stable and dtype == "float32":  # what is exact: numbers near 0 and large ones leave their range
        doubles, double, _ = sides(rule, "float64")
        (exact,) = evaluate([double], {v: given[w].astype("float64") for v, w in zip(doubles, inputs)})
        chosen &= np.isfinite(exact)
        old = np.where(chosen, exact.astype("float32"), old)
    epsilon = np.finfo(old.dtype).eps if old.dtype.kind in "fc" else 0
    # what a stable spelling keeps is lost by the other: a unit in the last place of what is subtracted from
    largest = np.max([np.where(np.isfinite(v), np.abs(v), 0) for v in given.values()], axis=0) if stable else 0
    tolerance = 40 * epsilon * np.abs(old) + (4 * epsilon * (1 + largest) if stable else 0)
    with np.errstate(all="ignore"):
        same = (old == new) | ((old != old) & (new != new))
        if old.dtype.kind == "c":  # which part of a product becomes nan is an accident
            same |= ~np.isfinite(old) & ~np.isfinite(new)
        same |= np.abs(np.subtract(new, old, dtype=np.result_type(old, "f4"))) <= tolerance
    wrong = chosen & ~same
    assert not wrong.any(), [(*(v[at] for v in given.values()), old[at], new[at]) for at in np.nonzero(wrong)[0][:5]]


def test_every_pair_is_possible_somewhere():
    tested = {id(rule) for rule, _ in CASES}
    assert [rule.name for rule in PAIRS if id(rule) not in tested] == []


def test_places_are_lines_of_the_tables():
    for table in TABLES.values():
        for rule in table:
            name, line = rule.place.split(":")
            assert name.endswith(".py")
            assert int(line) > 0


# -- the matcher -----------------------------------------------------------------------------------------------------


@pytest.fixture
def made():
    """Rules of a throw-away table."""
    created = []

    def make(*pairs, **options):
        created.extend(rules("scratch", *pairs, **options))
        return TABLES["scratch"]

    yield make
    TABLES.pop("scratch", None)


E = ELEMENTWISE
x, y = pattern("x y")


def test_commutative_and_padded(made):
    """Operand order, the rank of constants, and padding between the operands do not matter."""
    table = made((E["exp"](x) * y + 1, E["sub"](x, y)))
    a, b = variable("float64", 2, "a"), variable("float64", 1, "b")
    one = np.float32(1)
    for left in (E["add"](E["mul"](a, E["exp"](b)), one), E["add"](np.ones((1, 1)), E["mul"](E["exp"](b), a))):
        graph, log = apply_rules(table, [a, b], [left])
        assert len(log) == 1, log
        assert ops(graph) == ["DimShuffle{x,0}", "sub"]


def test_subset_of_a_longer_sum(made):
    table = made((E["exp"](x) + E["log"](x), E["sin"](x)))
    a, b, c = (variable("float64", 1, name) for name in "abc")
    graph, _ = apply_rules(table, [a, b, c], [E["add"](b, E["log"](a), c, E["exp"](a))])
    assert ops(graph) == ["sin", "add"]
    assert len(graph.outputs[0].owner.inputs) == 3


def test_variable_takes_the_rest_of_an_inner_sum(made):
    table = made((E["log"](1 + x), E["log1p"](x)))
    a, b = variable("float64", 1, "a"), variable("float64", 1, "b")
    graph, _ = apply_rules(table, [a, b], [E["log"](E["add"](a, 1, b))])
    assert ops(graph) == ["add", "log1p"]


def test_the_same_variable_must_be_the_same(made):
    table = made((E["sub"](x, x), E["sin"](x)))
    a, b = variable("float64", 1, "a"), variable("float64", 1, "b")
    assert not apply_rules(table, [a, b], [E["sub"](a, b)])[1]
    assert apply_rules(table, [a, b], [E["sub"](a, a)])[1]


def test_numbers_match_by_value_in_the_dtype(made):
    table = made((E["mul"](x, 0.1), E["sin"](x)))
    a = variable("float32", 1, "a")
    assert apply_rules(table, [a], [E["mul"](a, np.float32(0.1))])[1]
    assert not apply_rules(table, [a], [E["mul"](a, np.float32(0.2))])[1]


def test_constant_slot(made):
    c = constant_slot("c")
    table = made((E["mul"](x, c), E["add"](x, c)))
    a, b = variable("float64", 1, "a"), variable("float64", 1, "b")
    assert not apply_rules(table, [a, b], [E["mul"](a, b)])[1]
    assert apply_rules(table, [a], [E["mul"](a, np.full(3, 5.0))])[1]


def test_dtype_and_shape_are_kept(made):
    """A rule that drops an operand keeps the shape and dtype it gave."""
    table = made((E["switch"](x, y, y), y))
    a, b = variable("float64", 1, "a"), variable("float64", 1, "b", (1,))
    left = E["switch"](a, b, b)
    graph, _ = apply_rules(table, [a, b], [left])
    given = {a: np.zeros(3), b: np.ones(1)}
    np.testing.assert_array_equal(evaluate(graph.outputs, given)[0], np.ones(3))


def test_text_of_patterns():
    assert str((x * y) + 1) == "(x * y) + 1"
    assert str(-E["exp"](x)) == "-exp(x)"
    assert str(1 / (x - y) ** 2) == "1 / ((x - y) ** 2)"


def test_bad_rules():
    with pytest.raises(ValueError, match="assumptions"):
        rules("scratch", (x + y, x), assumes={"luck"})
    with pytest.raises(TypeError, match="left side"):
        rules("scratch", (x, y))
    with pytest.raises(TypeError, match="keywords"):
        E["exp"](x, name="no")
