"""Modes, backends, and what one may ask a function about its compilation."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

import symtensor
from symtensor import Mode, config, function, get_default_mode, get_mode, shared
from symtensor import tensor as T


def test_names_of_modes() -> None:
    assert get_mode("FAST_RUN") == Mode("auto", "fast_run")
    assert get_mode("fast_compile") == Mode("py", "fast_compile")
    assert get_mode("INTERPRETER") == Mode("py", None)
    assert get_mode(Mode("py")) == Mode("py", "fast_run")
    assert get_default_mode() == get_mode("FAST_RUN")
    with config.change_flags(mode="FAST_COMPILE"):
        assert get_default_mode().linker == "py"
    with config.change_flags(mode="Mode", linker="py", optimizer="None"):
        assert get_default_mode() == Mode("py", "None")
    with config.change_flags(linker="py"):
        assert get_mode("FAST_RUN").linker == "py"
    assert Mode("cvm") == Mode("auto")
    assert len({Mode("py"), Mode("py"), Mode("c")}) == 2
    with pytest.raises(ValueError, match="mode 'SLOW' is not known: give a Mode, or one of 'FAST_RUN'"):
        get_mode("SLOW")
    with pytest.raises(ValueError, match="linker 'fortran' is not one of"):
        Mode("fortran")
    with pytest.raises(ValueError, match="optimizer 3 is not one of"):
        Mode(optimizer=3)  # type: ignore[arg-type]


def test_including_and_excluding() -> None:
    mode = Mode("py").excluding("fusion", "stabilize").including("fusion")
    assert mode.excluded == ("stabilize",)
    assert mode.included == ("fusion",)
    assert Mode("py").excluded == ()
    assert "excluding=('stabilize',)" in repr(mode)
    with pytest.raises(TypeError, match="names of rules and passes are str"):
        mode.excluding(3)  # type: ignore[arg-type]
    x = T.dvector("x")
    f = function([x], T.exp(x) + 1, mode=Mode("py").excluding("fusion"))
    assert {str(node.op) for node in f.maker.fgraph.order} >= {"Elemwise{exp}"}
    assert f(np.zeros(2)).tolist() == [2, 2]


def test_unknown_names_of_rules_are_errors() -> None:
    x = T.dvector("x")
    with pytest.raises(ValueError, match="no_such_rule"):
        function([x], x + 1, mode=Mode("py").excluding("no_such_rule"))
    with pytest.raises(ValueError, match="no_such_rule"):
        function([x], x + 1, mode=Mode().excluding("no_such_rule"))


def test_a_failing_compiler_gives_a_warning_and_the_interpreter() -> None:
    x = T.dvector("x")
    with config.change_flags(compiler="/bin/false"):
        with pytest.warns(RuntimeWarning, match="compiling failed"):
            f = function([x], x * 12345.0 + 1)
        assert f.backend == "py"
        assert f(np.zeros(1)).tolist() == [1]
        with pytest.raises(RuntimeError, match="the C compiler failed"):
            function([x], x * 12345.0 + 1, mode=Mode("c"))


def test_backend_and_source(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], T.exp(x) * 2, mode=mode, name="f")
    assert f.wait() == ("py" if mode.linker == "py" else "c")
    assert f.backend.reason
    text = f.c_source()
    if mode.linker != "py":
        assert "st_main" in text
        assert text == function([x], T.exp(x) * 2, mode=mode, name="other").c_source()
    else:
        assert text.startswith("/* There is no C text: the NumPy interpreter")
    assert [event.phase for event in f.compile_log][:2] == ["import", "optimize"]
    assert all(event.seconds >= 0 and str(event) for event in f.compile_log)
    assert f.maker.fgraph.outputs
    assert f.maker.mode == mode
    assert f.maker.inputs[0].variable is x
    assert f.name == "f"
    assert "f(" in repr(f)
    assert repr(f.backend) in repr(f)


def test_the_compile_log_says_what_the_cache_had(tmp_path: Path) -> None:
    x, y = T.dvector("x"), T.dvector("y")

    def note(k: int = -1) -> str:
        f = function([x, y], x * y + 3, mode="FAST_RUN")
        f(np.ones(1), np.ones(3))
        assert [event.phase for event in f.compile_log].count("compile") == 2  # the variant too
        return [event.note for event in f.compile_log if event.phase == "compile"][k]

    with config.change_flags(cache_dir=str(tmp_path / "cache")):
        assert note().startswith("miss: nothing is stored for this text, compiler, processor and flags, /")
        assert note().startswith("hit: ")
        kept = function([x, y], x * y + 3, mode="FAST_RUN")
        assert note(0).startswith("hit: loaded in this process, ")
        del kept
        gc.collect()
        assert note(0).startswith("hit: stored on disk, ")
        for damaged in (tmp_path / "cache").glob("*/program.so"):
            damaged.write_bytes(b"rubbish")
        gc.collect()
        assert note(0).startswith("miss: the stored program was removed: its digest does not fit, ")


def test_without_compiler_the_interpreter_runs_in_silence() -> None:
    x = T.dvector("x")
    with config.change_flags(compiler="/nowhere/cc"):
        f = function([x], x + 1)
        assert f.backend == "py"
        assert "/nowhere/cc" in f.backend.reason
        assert f(np.zeros(2)).tolist() == [1, 1]
        assert "no C text" in f.c_source()
        with pytest.raises(Exception, match="/nowhere/cc"):
            function([x], x + 1, mode=Mode("c"))


def test_run_time_broadcasting_in_every_mode(mode: Mode) -> None:
    x, y, w = T.dmatrix("x"), T.dmatrix("y"), shared(np.ones((2, 3)), "w")
    f = function([x, y], [x + y, (x * y).sum(axis=0), x + w], mode=mode, updates=[(w, w + 1)])
    step = 0
    for one, other in (
        ((2, 3), (2, 3)),
        ((1, 3), (2, 3)),
        ((2, 3), (2, 1)),
        ((1, 1), (1, 1)),
        ((2, 3), (2, 3)),
        ((2, 1), (1, 3)),
    ):
        a, b = np.full(one, 2.0), np.full(other, 3.0)
        total, product, moved = f(a, b)
        assert np.array_equal(total, a + b)
        assert np.array_equal(product, (a * b).sum(0))
        assert np.array_equal(moved, a + w.get_value() - 1)
        step += 1
        assert np.array_equal(w.get_value(), np.full((2, 3), 1.0 + step))
    with pytest.raises(ValueError):
        f(np.ones((2, 3)), np.ones((3, 3)))
    assert np.array_equal(w.get_value(), np.full((2, 3), 1.0 + step))


def test_general_variant_with_dict_outputs_and_keywords() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = function([x, y], {"sum": x + y})
    assert f(np.ones(3), np.ones(3))["sum"].tolist() == [2, 2, 2]
    assert f(y=np.ones(1), x=np.ones(3))["sum"].tolist() == [2, 2, 2]
    assert f(np.ones(1), [1, 2])["sum"].tolist() == [2, 3]


@pytest.mark.optimized
def test_explain() -> None:
    x = T.dvector("x")
    f = function([x], T.log(1 + x), mode=Mode("py"))
    text = symtensor.explain(f)
    for word in ("log1p", "stabilize", "test_modes.py", "rewrites", "runs on 'py'", "optimize"):
        assert word in text
    assert "log1p" in symtensor.explain(T.log(1 + x))
    with pytest.raises(TypeError, match="expected a compiled function or a symbolic variable, got 3"):
        symtensor.explain(3)


def test_memory_plan(mode: Mode) -> None:
    x, w = T.dmatrix("x"), shared(np.ones((20, 30)), "w")
    f = function([x], T.dot(T.tanh(x), w), mode=mode, name="f")
    if mode.linker == "py":
        with pytest.raises(ValueError, match="NumPy decides about memory"):
            f.memory_plan([(10, 20)])
        return
    assert f.memory_plan([(10, 20)]) >= 8 * 10 * 30
    assert f.memory_plan([(1000, 20)]) > 50 * f.memory_plan([(10, 20)])
    with pytest.raises(ValueError, match="has 1 explicit inputs, got 2 shapes"):
        f.memory_plan([(1, 2), (3, 4)])
