"""The C compiler: which one, how it is called, what its errors say.

Nothing here runs at import, and nothing runs the compiler to learn about it: a compiler is identified by its path,
size and time of change.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from symtensor.config import config
from symtensor.graph.lock import Lock
from symtensor.graph.record import Record

__all__ = ["HEADERS", "CompileError", "Compiler", "NoCompiler", "cpu_identity", "end", "find_compiler", "flags",
           "workshop"]

HEADERS = Path(__file__).parent / "runtime"

_BASE_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-fwrapv", "-fno-math-errno", "-fno-trapping-math",
               "-ffp-contract=off", "-fopenmp-simd", "-pipe", "-w")
_FORBIDDEN = ("@", "-B", "-fplugin", "-wrapper", "--wrapper", "-specs", "--specs", "--prefix", "-load", "-Xclang",
              "-fpass-plugin", "-ld-path", "--ld-path", "-fuse-ld", "-Wl,@", "-Wl,-plugin", "-Wl,--plugin",
              "-Xlinker", "-Wa,@", "-Wp,@", "-iplugindir", "-dumpdir", "-o")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET")


class NoCompiler(RuntimeError):
    """No C compiler was found; the message lists what was looked for."""


class CompileError(RuntimeError):
    """The C compiler failed. ``source`` is the path of the text it was given, kept for a look."""

    def __init__(self, message: str, source: str = "") -> None:
        super().__init__(message)
        self.source = source


def checked_flags(words: list[str], origin: str) -> tuple[str, ...]:
    """The words, when none of them makes the compiler load or run something else; ValueError otherwise."""
    for word in words:
        if word.startswith(_FORBIDDEN) or "\n" in word or "\0" in word:
            raise ValueError(f"{origin}: the flag {word!r} is refused: it could make the compiler run other code or "
                             "write elsewhere; remove it")
    return tuple(words)


class Compiler(Record):
    """A C compiler: the words that start its command line, and the file that identifies it."""

    command: tuple[str, ...]
    file: str

    @property
    def is_zig(self) -> bool:
        """Whether it is zig's clang."""
        return self.command[-1] == "cc" and len(self.command) > 1

    def identity(self) -> str:
        """Changes when another compiler, or another version of it, is installed there."""
        stat = os.stat(self.file)
        return f"{shlex.join(self.command)}|{os.path.realpath(self.file)}|{stat.st_size}|{stat.st_mtime_ns}"

    def build(self, source: str, target: Path, arguments: tuple[str, ...], name: str = "program.c",
              units: int = 1) -> None:
        """Compile the C text into the shared library `target`, in the private folder that `target` lies in.

        With several ``units`` the text is compiled that many times, with ``ST_TU`` defined as 0, 1, ...; as many of
        these run at a time as there are processors. Raises CompileError with the compiler's first lines.
        """
        folder = target.parent
        text = folder / name
        text.write_text(source, encoding="utf-8")
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o700, exist_ok=True)
        general = [*self.command, *arguments, "-I", str(HEADERS)]
        objects = [f"{unit}.o" for unit in range(units)] if units > 1 else []
        commands = [[*general, f"-DST_TU={unit}", "-c", "-o", file, name] for unit, file in enumerate(objects)]
        link = [*general, "-o", target.name, *(objects or [name]), "-lm"]
        environment = _environment(temporary)
        command, status, output = _run_all(commands, folder, environment)
        if status == 0:
            command, status, output = _run_all([link], folder, environment)
        shutil.rmtree(temporary, ignore_errors=True)
        if status != 0 or not target.is_file():
            raise _failure(command, status, output, text)
        for path in (text, *(folder / file for file in objects)):
            path.unlink()


def _environment(temporary: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    place = str(temporary)
    zig = str(temporary.parent.parent / "zig")
    return {**kept, "TMPDIR": place, "HOME": place, "LC_ALL": "C", "CCACHE_DISABLE": "1",
            "ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig}


class _Work:
    """What this process is compiling: the folders, and the compilers that run."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.process = os.getpid()
        self.folders: set[Path] = set()
        self.compilers: set[subprocess.Popen[bytes]] = set()
        self.ending = False

    def begin(self) -> None:
        """Before something is added: what the parent does is not a forked child's business."""
        if self.process != os.getpid():
            self.process, self.folders, self.compilers = os.getpid(), set(), set()
        self.check()

    def check(self) -> None:
        """CompileError in a background thread of a process that ends: nobody waits for what it compiles."""
        if self.ending and threading.current_thread().daemon:
            raise CompileError("the process is ending")


_work = _Work()


@contextlib.contextmanager
def workshop(place: Path) -> Iterator[Path]:
    """A folder in `place` to compile in, gone afterwards; also where the process ends while a thread compiles."""
    with _work.lock:
        _work.begin()
        folder = Path(tempfile.mkdtemp(prefix="tmp-", dir=place))
        _work.folders.add(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _work.folders.discard(folder)


@atexit.register
def end() -> None:
    """The process ends: compilers that background threads run are stopped, and what they leave is removed."""
    with _work.lock:
        _work.ending = True
        mine = _work.process == os.getpid()
        folders, compilers = (list(_work.folders), list(_work.compilers)) if mine else ([], [])
    for process in compilers:
        _signal(process)
    until = time.monotonic() + 1.0
    while not _work.folders.isdisjoint(folders) and time.monotonic() < until:
        time.sleep(0.002)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with _work.lock:
        _work.begin()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        _work.compilers.add(process)
    return process


def _run_all(commands: Sequence[list[str]], folder: Path, environment: dict[str, str]) -> tuple[list[str], int, str]:
    """Run commands, as many at a time as there are processors. The first one that fails, with its status and output;
    status 0 where none does. It may take config.compile_timeout until the next one ends."""
    running: list[tuple[list[str], subprocess.Popen[bytes]]] = []
    waiting = list(reversed(commands))
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    command: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < processors:
                command = waiting.pop()
                running.append((command, _start(command, folder, environment)))
            command, process = running[0]
            output, _ = process.communicate(timeout=config.compile_timeout)
            running.pop(0)
            _work.compilers.discard(process)
            _work.check()
            if process.returncode:
                return command, process.returncode, output.decode("utf-8", "replace")
    except OSError as error:
        return command, -1, str(error)
    except subprocess.TimeoutExpired:
        return command, -1, f"no end after config.compile_timeout = {config.compile_timeout} seconds"
    finally:
        for _, process in running:
            _kill(process)
            _work.compilers.discard(process)
    return command, 0, ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    _signal(process)
    process.communicate()


def _signal(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # the driver's children too
        os.killpg(process.pid, signal.SIGKILL)


def _failure(command: list[str], status: int, output: str, text: Path) -> CompileError:
    kept = Path(tempfile.mkdtemp(prefix="symtensor-failed-")) / text.name
    shutil.copyfile(text, kept)
    lines = output.strip().splitlines()
    wrong = [line for line in lines if "error" in line.lower()] or lines
    shown = "\n".join(f"    {line}" for line in wrong[:8])
    return CompileError(f"the C compiler failed with status {status}\n{shown}\n  command: {shlex.join(command)}\n"
                        f"  source: {kept}", str(kept))


def flags(target: str | None = None) -> tuple[str, ...]:
    """The compiler's arguments for programs, from config.target and config.compiler_flags."""
    more = checked_flags(shlex.split(config.compiler_flags), "config.compiler_flags")
    native: tuple[str, ...] = ()
    if (target or config.target) == "native":
        # Compilers prefer 256-bit vectors for the sake of the clock; our loops are a third faster with all 512.
        native = ("-march=native", *(("-mprefer-vector-width=512",) if os.uname().machine == "x86_64" else ()))
    return (*_BASE_FLAGS, *native, *more)


def find_compiler() -> Compiler:
    """The compiler: config.compiler, or the first of cc, gcc, clang on PATH, or the wheel ``ziglang``.

    Raises NoCompiler naming what was tried, ValueError for a refused flag in config.compiler.
    """
    return _find(config.compiler, os.environ.get("PATH", os.defpath))


@functools.lru_cache(maxsize=8)
def _find(wanted: str, path: str) -> Compiler:
    if wanted:
        words = shlex.split(wanted)
        checked_flags(words, "config.compiler")
        found = shutil.which(words[0], path=path) if words and not words[0].startswith("-") else None
        if found is None:
            raise NoCompiler(f"config.compiler = {wanted!r}: there is no such command on PATH ({path})")
        return Compiler((os.path.abspath(found), *words[1:]), os.path.abspath(found))
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name, path=path)
        if found is not None:
            return Compiler((os.path.abspath(found),), os.path.abspath(found))
    zig = _ziglang()
    if zig is not None:
        return Compiler((str(zig), "cc"), str(zig))
    raise NoCompiler(f"no C compiler: cc, gcc and clang are not on PATH ({path}) and the package ziglang is not "
                     "installed; install a compiler, `pip install ziglang`, or set config.compiler")


def _ziglang() -> Path | None:
    import importlib.util

    spec = importlib.util.find_spec("ziglang")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("zig", "zig.exe"):
            if (Path(place) / name).is_file():
                return Path(place) / name
    return None


@functools.cache
def cpu_identity() -> str:
    """What -march=native depends on: the processor's model and features, as a digest."""
    described = " ".join((sys.platform, os.uname().machine))
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            first = info.read(16384).partition("\n\n")[0]
        names = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU implementer",
                 "CPU part", "CPU variant", "isa")
        described += "".join(line for line in first.splitlines() if line.partition(":")[0].strip() in names)
    except OSError:
        described += _sysctl("machdep.cpu.brand_string") + _sysctl("machdep.cpu.features")
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _sysctl(name: str) -> str:
    import ctypes

    try:
        call = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return ""
    buffer = ctypes.create_string_buffer(4096)
    size = ctypes.c_size_t(len(buffer))
    failed = call(name.encode(), buffer, ctypes.byref(size), None, 0)
    return "" if failed else buffer.value.decode("ascii", "replace")
