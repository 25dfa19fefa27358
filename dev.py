#!/usr/bin/env python3
"""Tasks of the project: ``python3 dev.py TASK``. Needs Python 3.11 or newer and nothing else.

    demo         install, train the digit classifier, save pictures in out/
    test         install, check style and types, run all tests
    test-full    the same with the slow tests (more examples, every option)
    rules        run a part of the tests with each rule of the optimizer off: --rules-each N (6), --rules-only NAMES
    fuzz         compare all modes on random programs: --seconds N (60), --seed S, --count N; scripts in out/fuzz/
    compilers    all tests with each of gcc, clang and zig (or those named)
    bench        measure beside NumPy, PyTensor, JAX and PyTorch (--peers installs them); writes docs/performance.md
    accuracy     measure errors against long double and mpmath; writes docs/accuracy.md (--stride 1: all floats)
    shell        an interactive Python with symtensor imported
    clean        remove .venv, build products and out/

Everything is installed into .venv beside this file. Further arguments go to the task's program.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
COMPILERS = ("cc", "gcc", "clang")


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        print(f"symtensor needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    tasks = {"demo": demo, "test": test, "test-full": test_full, "rules": rules, "fuzz": fuzz, "compilers": compilers,
             "bench": bench, "accuracy": accuracy, "shell": shell, "clean": clean}
    if not arguments or arguments[0] not in tasks:
        print(__doc__)
        return 0 if arguments in ([], ["-h"], ["--help"], ["help"]) else 2
    return tasks[arguments[0]](arguments[1:])


def demo(rest: list[str]) -> int:
    install("examples", "draw")
    return run([str(PYTHON), "examples/digits.py", *rest])


def test(rest: list[str], *, full: bool = False) -> int:  # noqa: PT028 - a task, not a test
    install("test", "dev", "draw")
    if not rest:
        for check in (["ruff", "check", "."], ["mypy"]):
            print(f"== {' '.join(check)}", flush=True)
            if run([str(PYTHON), "-m", *check]):
                return 1
    environment = {"SYMTENSOR_TEST_FULL": "1"} if full else {}
    workers = ["-n", str(usable_cores())]
    return run([str(PYTHON), "-m", "pytest", *workers, *rest], **environment)


def test_full(rest: list[str]) -> int:
    return test(rest, full=True)


def rules(rest: list[str]) -> int:
    """Tests that compile; what is given in ``rest`` may name others."""
    install("test", "draw")
    parts = ["tests/book", "tests/compile", "tests/fuzz", "tests/link/test_emit.py", "tests/link/test_emit_updates.py",
             "tests/optimize/test_random.py", "tests/ops/test_scan.py", "tests/ops/test_nnet.py",
             "tests/ops/test_loop_paths.py", "tests/ops/test_branch.py", "tests/autodiff", "tests/sparse"]
    named = [part for part in rest if part.startswith("tests")]
    return run([str(PYTHON), "-m", "pytest", "-p", "tests.rules_off", "-n", str(usable_cores()), *rest,
                *([] if named else parts)])


def fuzz(rest: list[str]) -> int:
    install("test")
    return run([str(PYTHON), "-m", "tests.fuzz.run", *rest])


def compilers(rest: list[str]) -> int:
    install("test", "dev", "draw", "compiler")
    failed = 0
    for name in rest or ["gcc", "clang", "zig"]:
        command = f"{zig()} cc" if name == "zig" else shutil.which(name)
        print(f"== {name}: {command or 'not on PATH'}", flush=True)
        failed |= command is None or run(
            [str(PYTHON), "-m", "pytest", "-n", str(usable_cores())], SYMTENSOR_FLAGS=f"compiler={command}")
    return int(failed)


def zig() -> str:
    """The compiler of the wheel ziglang."""
    code = "import ziglang, pathlib; print(pathlib.Path(ziglang.__file__).parent / 'zig')"
    return subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def bench(rest: list[str]) -> int:
    install("examples")
    if "--peers" in rest:
        rest.remove("--peers")
        pip("torch==2.13.0", "jax", "jaxlib", "pytensor")
    return run([str(PYTHON), "-m", "benchmarks", *rest])


def accuracy(rest: list[str]) -> int:
    install("test")
    return run([str(PYTHON), "-m", "benchmarks.accuracy", *rest])


def shell(rest: list[str]) -> int:
    install()
    code = "import numpy as np, symtensor, symtensor as st; from symtensor import tensor as T"
    return run([str(PYTHON), "-i", "-c", code, *rest])


def clean(rest: list[str]) -> int:
    for name in (".venv", "build", "out", "symtensor.egg-info", ".pytest_cache", ".mypy_cache", ".ruff_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for path in (ROOT / "symtensor").rglob("*.so"):
        path.unlink()
    return 0


def install(*extras: str) -> None:
    """Make .venv and install the project with ``extras`` into it, unless that was done with these very files."""
    wanted = set(extras)
    if not any(shutil.which(name) for name in COMPILERS):
        wanted.add("compiler")  # the ziglang wheel brings a C compiler
    marker = VENV / "symtensor-installed.txt"
    state = fingerprint()
    done = marker.read_text().split() if marker.is_file() else []
    if done and done[0] == state and wanted <= set(done[1:]):
        return
    if not PYTHON.exists():
        print(f"== creating {VENV.name}", flush=True)
        venv.create(VENV, with_pip=True)
    wanted |= set(done[1:])
    listed = ",".join(sorted(wanted))
    print(f"== installing symtensor[{listed}]" if listed else "== installing symtensor", flush=True)
    pip("-e", f".[{listed}]" if listed else ".")
    marker.write_text(" ".join([state, *sorted(wanted)]))


def pip(*arguments: str) -> None:
    """Install into .venv; ends the program with pip's own message where that fails."""
    command = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit("dev.py: the installation failed; pip's message is above")


def fingerprint() -> str:
    """Changes when the files an installation depends on do."""
    digest = hashlib.sha256(sys.version.encode())
    sources = sorted(str(path) for path in (ROOT / "symtensor/link/runtime").glob("*.[ch]"))
    for name in ("pyproject.toml", "setup.py", *sources):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(command: list[str], **environment: str) -> int:
    """Run in the project's folder; the exit status."""
    try:
        return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
