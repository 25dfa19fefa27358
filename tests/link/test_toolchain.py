"""The C compiler: found, refused flags, failures, time limit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_programs import needs_compiler

from symtensor.config import config
from symtensor.link import toolchain
from symtensor.link.toolchain import CompileError, NoCompiler, find_compiler, flags

REFUSED = ["-fplugin=x.so", "-wrapper", "-specs=x", "--specs=x", "-B/tmp", "-B", "@file", "-Xclang -load", "-Xlinker x",
           "-fuse-ld=/tmp/x", "--ld-path=/tmp/x", "-Wl,-plugin,x", "-o /tmp/x", "-fpass-plugin=x"]


def command(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("flag", REFUSED)
def test_flags_that_run_other_code_are_refused(flag: str) -> None:
    with config.change_flags(compiler_flags=flag), pytest.raises(ValueError, match="is refused"):
        flags()
    with config.change_flags(compiler=f"cc {flag}"), pytest.raises(ValueError, match="is refused"):
        find_compiler()


def test_flags() -> None:
    assert "-march=native" in flags()
    assert "-march=native" not in flags("baseline")
    assert not any("fast-math" in flag for flag in flags())
    with config.change_flags(compiler_flags="-O1 '-DX=a b'"):
        assert flags()[-2:] == ("-O1", "-DX=a b")


@pytest.fixture
def none_chosen() -> Iterator[None]:
    with config.change_flags(compiler=""):
        yield


@pytest.mark.usefixtures("none_chosen")
def test_the_first_compiler_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    clang = command(tmp_path, "clang", "")
    assert find_compiler().command == (str(clang),)
    cc = command(tmp_path, "cc", "")
    toolchain._find.cache_clear()
    assert find_compiler().command == (str(cc),)
    identity = find_compiler().identity()
    os.utime(cc, (1, 1))
    assert find_compiler().identity() != identity


@pytest.mark.usefixtures("none_chosen")
def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_ziglang", lambda: None)
    with pytest.raises(NoCompiler, match="cc, gcc and clang are not on PATH"):
        find_compiler()
    with config.change_flags(compiler="no-such-cc"), pytest.raises(NoCompiler, match="no-such-cc"):
        find_compiler()


@pytest.mark.usefixtures("none_chosen")
def test_the_wheel_is_the_last_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang" / "__init__.py").write_text("")
    zig = command(tmp_path / "ziglang", "zig", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_compiler().command == (str(zig), "cc")


@needs_compiler
def test_errors_show_the_compilers_lines(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="error: .*nonsense") as caught:
        find_compiler().build("int f(void) { return nonsense; }", tmp_path / "x.so", flags())
    kept = Path(caught.value.source)
    assert kept.read_text() == "int f(void) { return nonsense; }"
    assert str(kept) in str(caught.value)
    kept.unlink()
    kept.parent.rmdir()


def test_time_limit(tmp_path: Path) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    slow = command(tmp_path, "slow", f"import subprocess, sys, time; {child}; time.sleep(60)")
    with (config.change_flags(compiler=str(slow), compile_timeout=0.5),
          pytest.raises(CompileError, match="compile_timeout = 0.5")):
        find_compiler().build("", tmp_path / "x.so", ())


def test_environment_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = command(tmp_path, "spy", "import json, os, sys; json.dump([sys.argv, dict(os.environ), os.getcwd()], "
                                   "open('seen.json', 'w')); open('x.so', 'w')")
    for name in ("CPATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LIBRARY_PATH", "LD_PRELOAD_X", "SECRET"):
        monkeypatch.setenv(name, "/nowhere")
    work = tmp_path / "work"
    work.mkdir()
    with config.change_flags(compiler=str(spy)):
        find_compiler().build("int x;", work / "x.so", ("-O3",))
    import json

    argv, environment, folder = json.loads((work / "seen.json").read_text())
    assert (argv[1], argv[-4:]) == ("-O3", ["-o", "x.so", "program.c", "-lm"])
    assert folder == str(work)
    assert not {"CPATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LIBRARY_PATH", "SECRET"} & set(environment)
    assert environment["TMPDIR"].startswith(str(work))
    assert sorted(path.name for path in work.iterdir()) == ["seen.json", "x.so"]


def test_cpu_identity_is_stable() -> None:
    first = toolchain.cpu_identity()
    toolchain.cpu_identity.cache_clear()
    assert toolchain.cpu_identity() == first
    assert len(first) == 16
