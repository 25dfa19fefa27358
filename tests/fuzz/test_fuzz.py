"""A short run of the fuzzer on fixed seeds, and the fuzzer's own parts."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import config
from tests.compile.conftest import has_compiler
from tests.fuzz.compare import Failure, check, unequal
from tests.fuzz.generator import Leaf, Program, Step
from tests.fuzz.run import check_seed, draw, minimized, script

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C compiler")


@needs_compiler
@pytest.mark.parametrize("seed", range(16))
def test_random_programs_agree(seed: int) -> None:
    with config.change_flags(compiler_flags="-O1"):
        _, failure = check_seed(seed)
    assert failure is None, f"python3 dev.py fuzz --seed {seed} --count 1 writes a script. {failure}"


def test_programs_are_deterministic() -> None:
    a, b = draw(5), draw(5)
    assert a.steps == b.steps
    assert a.outputs == b.outputs
    assert all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for one, other in zip(a.leaves, b.leaves)
               for x, y in zip(one.values, other.values))


def test_differences_are_seen_up_to_what_roundings_explain() -> None:
    x = np.array([1.0, np.nan, 0.0])
    same, moved = [x, x], [x * (1 + 1e-15), x * (1 - 1e-15)]
    assert not unequal(x, x.copy(), same)
    assert unequal(x, x * (1 + 4e-16), same)
    assert not unequal(x, x * (1 + 4e-16), moved)
    assert unequal(x, x * (1 + 1e-12), moved)
    assert unequal(x, np.zeros(3), moved)
    assert "shape" in unequal(x, x[:2], same)
    assert unequal(np.array(3), np.array(4), [np.array(3)])
    assert not unequal(np.array(3), np.array(4), [np.array(4)])


def test_failures_are_cut_down_to_a_script() -> None:
    """A step that raises at run time stands in for a bug."""
    leaves = (Leaf("x0", "input", "float64", (None, None), (np.ones((4, 3)), np.ones((4, 3)))),
              Leaf("w1", "shared", "float32", (None,), (np.ones(3, "float32"),)))
    steps = (Step("v0", "{0} + 1", ("x0",)), Step("v1", "{0} * {1}", ("v0", "w1")), Step("v2", "{0}[7]", ("v1",)))
    program = Program(leaves, steps, ("v0", "v2"), (("w1", "w1"),))
    assert check(program, ("py, unoptimized", "py, optimized")) is None

    def fails(candidate: Program) -> Failure | None:
        return Failure("index", "") if any("[7]" in step.text for step in candidate.steps) else None

    small, failure = minimized(program, Failure("index", ""), checked=fails)
    assert [step.text for step in small.steps] == ["{0}[7]"]
    assert small.outputs == ("v2",)
    assert not small.updates
    assert max(value.size for leaf in small.leaves for value in leaf.values) <= 1
    text = script(small, failure, "seed 1")
    compile(text, "script", "exec")
    assert "v2 = x0[7]" in text or "[7]" in text
