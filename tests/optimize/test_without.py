"""Each rule's examples through the whole pipeline, with the rule and without it: the values are those of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor.graph.variable import Variable
from tests.optimize import test_local_rules, test_rules
from tests.optimize.graphs import assert_same

EXAMPLES = [(name, k) for name, makes in test_local_rules.EXAMPLES.items() for k in range(len(makes))]
PAIRS = [(rule, dtype) for rule, dtype in test_rules.CASES if dtype in ("float64", "int8")]


@pytest.mark.parametrize(("name", "k"), EXAMPLES, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_examples(name, k):
    made = test_local_rules.EXAMPLES[name][k]()
    outputs = [made] if isinstance(made, Variable) else made
    for excluding in ([], [name]):
        if name == "expand" and excluding:
            continue
        for assume in (True, False):
            given = dict(test_local_rules.GIVEN)
            assert_same(outputs, given, rtol=1e-9, excluding=excluding, assume=assume, finite=True)


@pytest.mark.parametrize(("rule", "dtype"), PAIRS, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pairs(rule, dtype):
    inputs, left, _ = test_rules.sides(rule, dtype)
    count = len(inputs)
    given = {v: a[np.abs(a) < 20] for v, a in zip(inputs, test_rules.grid(rule, count, dtype))} if count == 1 else {
        v: a[np.all([np.abs(b) < 20 for b in test_rules.grid(rule, count, dtype)], axis=0)]
        for v, a in zip(inputs, test_rules.grid(rule, count, dtype))}
    for excluding in ([], [rule.name]):
        assert_same([left], given, rtol=1e-6, excluding=excluding, finite=True)
