"""``mode="auto"``: the interpreter at once, native code from a background thread when it is there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symtensor import In, Mode, config, function, shared
from symtensor import tensor as T
from symtensor.compile import backend, background
from symtensor.compile.profile import Profile

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.compiler


class Gate:
    """Compilations in the background wait until it is opened; ``built`` counts them."""

    def __init__(self) -> None:
        self.open, self.entered, self.built = threading.Event(), threading.Event(), 0
        self.error: BaseException | None = None


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate, native = Gate(), backend._native

    def waiting(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            gate.entered.set()
            assert gate.open.wait(60)
            gate.built += 1
            if gate.error is not None:
                raise gate.error
        return native(*arguments)

    monkeypatch.setattr(backend, "_native", waiting)
    yield gate
    gate.open.set()


def test_swapped_when_it_is_ready(gate: Gate) -> None:
    x, w = T.dvector("x"), shared(np.zeros(3), "w")
    f = function([x], T.exp(x) * w, updates=[(w, w + x)], mode="auto")
    assert (f.backend, f.backend.reason) == ("py", "native code is being compiled in the background")
    assert f.wait(0.01) == "py"
    before = [f(np.ones(3)) for _ in range(3)]
    assert w.get_value().tolist() == [3, 3, 3]
    gate.open.set()
    assert f.wait() == "c"
    np.testing.assert_allclose([*before, f(np.ones(3))], np.e * np.arange(4.0)[:, None] * np.ones(3), rtol=1e-15)
    assert w.get_value().tolist() == [4, 4, 4]
    assert [event.phase for event in f.compile_log] == ["import", "optimize", "optimize", "emit", "compile"]
    assert "st_main" in f.c_source()


def test_no_call_is_lost_while_it_is_swapped(gate: Gate) -> None:
    a, b, x = shared(np.zeros(4), "a"), shared(np.ones(4), "b"), T.dvector("x")
    f = function([x], b - a, updates=[(a, a + x), (b, b + x)], mode="auto")
    g = function([], b - a, updates=[(a, a + 1), (b, b + 1)], mode="FAST_RUN")
    stop, counts, good = threading.Event(), [0] * 6, [True] * 6

    def work(k: int) -> None:
        while not stop.is_set():
            good[k] &= bool(((f(np.ones(4)) if k % 3 else g()) == 1).all())
            counts[k] += 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    gate.open.set()
    assert f.wait() == "c"
    time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert all(good)
    assert a.get_value().tolist() == [sum(counts)] * 4


@pytest.mark.parametrize("error", [ValueError("no such luck"), MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_a_failure_stays_in_the_background(gate: Gate, error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    gate.error = error
    gate.open.set()
    x = T.dscalar("x")
    f = function([x], x * 3, mode="auto")
    assert f.wait() == "py"
    assert f.backend.reason == f"compiling failed: {str(error) or type(error).__name__}"
    assert f(2) == 6
    assert f.copy()(2) == 6
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="NumPy decides about memory: compiling failed"):
        f.memory_plan([()])


def test_no_thread_to_be_had(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(background.threading.Thread, "start", start)
    x = T.dscalar("x")
    f = function([x], x * 3, mode="auto")
    assert repr(f.backend) == "'py' (compiling failed: can't start new thread)"
    assert f(2) == 6


def test_errors_are_the_same(gate: Gate) -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    w = shared(np.zeros(2), "w")
    f = function([x, i], x[i] + w, updates=[(w, w + 1)], mode="auto", name="f")
    calls = [((np.ones(3), 5), {}), ((np.ones(3),), {}), ((np.ones((3, 3)), 1), {}), (("text", 1), {}),
             ((np.ones(3), 1, 2), {}), ((np.ones(3),), {"j": 1}), ((np.ones(3), 1.5), {})]

    def outcomes() -> list[tuple[type, str]]:
        found = []
        for args, kwargs in calls:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - which is compared
                f(*args, **kwargs)
            found.append((caught.type, str(caught.value)))
        return found

    before = outcomes()
    gate.open.set()
    assert f.wait() == "c"
    assert outcomes() == before
    assert w.get_value().tolist() == [0, 0]


def test_copies_share_the_compilation(gate: Gate) -> None:
    x, s, w = T.dscalar("x"), T.dscalar("s"), shared(1.0, "w")
    f = function([x, In(s, value=0.0, update=s + x)], s + w, mode="auto", profile=Profile())
    f(5)
    g, h = f.copy(), f.copy(swap={w: shared(10.0, "v")})
    k = pickle.loads(pickle.dumps(f))
    assert [float(each(1)) for each in (f, g, h, k)] == [6, 6, 15, 6]
    gate.open.set()
    assert [each.wait() for each in (f, g, h, k)] == ["c"] * 4
    assert gate.built == 3
    assert f.maker.compiled.program is g.maker.compiled.program
    assert [float(each(1)) for each in (f, g, h, k)] == [7, 7, 16, 7]
    assert (f.copy()(1), f.copy(delete_updates=True).wait()) == (8, "c")
    assert [event.phase for event in f.profile.events][-1] == "compile"


def test_broadcasting_does_not_wait_for_its_variant(gate: Gate) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = function([x, y], x * y, mode="auto")
    gate.open.set()
    assert f.wait() == "c"
    gate.open.clear()
    assert f(np.ones(1), np.arange(3.0)).tolist() == [0, 1, 2]
    gate.open.set()
    assert f._broadcasting().wait() == "c"
    assert f(np.ones(1), np.arange(3.0)).tolist() == [0, 1, 2]


def test_a_function_nobody_holds_is_not_compiled(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_present", [])
    monkeypatch.setattr(background, "_MOST_WORKERS", 1)
    x = T.dscalar("x")
    first = function([x], x + 1, mode="auto")
    assert gate.entered.wait(60)
    del [function([x], x + 2, mode="auto")][:]
    last = function([x], x + 3, mode="auto")
    gate.open.set()
    assert (first.wait(), last.wait(), gate.built) == ("c", "c", 2)


def test_flags_are_those_of_the_call(gate: Gate, tmp_path: Path) -> None:
    x = T.dscalar("x")
    with config.change_flags(cache_dir=str(tmp_path / "cache"), compiler_flags="-DSOMETHING"):
        f = function([x], x + 17, mode="auto")
    gate.open.set()
    assert f.wait() == "c"
    assert f.maker.compiled.program.path.startswith(str(tmp_path))
    assert config.compiler_flags == ""


def test_without_a_compiler() -> None:
    x = T.dscalar("x")
    with config.change_flags(compiler="no-such-compiler"):
        f = function([x], x + 1, mode="auto")
    assert "no-such-compiler" in f.backend.reason
    assert (f(1), f.wait()) == (2, "py")


def test_names() -> None:
    x = T.dscalar("x")
    with config.change_flags(mode="auto"):
        assert function([x], x + 1).maker.mode == Mode("background")
    assert function([x], x + 1, mode=Mode("background", None)).wait() == "c"
    assert function([x], x + 1, mode="INTERPRETER").wait() == "py"


SCRIPT = """
import sys, time
import numpy as np
from symtensor import config, function, shared, tensor as T
x, w = T.dvector("x"), shared(np.zeros(3))
fs = [function([x], [T.exp(x) * k + w], updates=[(w, w + 1)], mode="auto") for k in range(int(sys.argv[1]))]
assert all(f(np.zeros(3))[0].shape == (3,) for f in fs)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("delay", [0, 0.01, 0.03, 0.06, 0.12, 0.25])
def test_the_process_ends_at_any_instant(tmp_path: Path, delay: float) -> None:
    for place in ("cache", "tmp"):
        (tmp_path / place).mkdir(mode=0o700)
    environment = {**os.environ, "SYMTENSOR_FLAGS": f"cache_dir={tmp_path / 'cache'}", "TMPDIR": str(tmp_path / "tmp")}
    ended = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT, "5", str(delay)], cwd=ROOT, env=environment,
                           capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [path.name for path in (tmp_path / "cache").iterdir() if len(path.name) < 64] == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process.*:DeprecationWarning")
def test_the_child_of_a_fork_compiles_for_itself(gate: Gate) -> None:
    x = T.dscalar("x")
    f = function([x], x * 2, mode="auto")
    assert gate.entered.wait(60)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            gate.open.set()
            status = 0 if f(2) == 4 and f.wait(60) == "c" and f(3) == 6 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.open.set()
    assert (f.wait(), f(2)) == ("c", 4)
