"""Compiled programs on disk, found by what they were made from.

An entry is a folder named by its key, the hash of everything the machine code depends on, with the shared library and
its digest. It is made under a temporary name and renamed, so it is whole or absent, whoever is killed when; a damaged
one is noticed by its digest before the system's loader sees it, and made again. Any number of processes may work in
one cache. A folder's time of change is that of its last use; where there is more than ``config.cache_size``, the ones
not used for longest go, whoever has them loaded. Where the cache cannot be used (not private, read-only, full), a
private temporary folder serves instead.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path

from symtensor.config import config
from symtensor.graph.lock import Lock
from symtensor.link.toolchain import HEADERS, CompileError, cpu_identity, end, find_compiler, flags, workshop

__all__ = ["Library", "clear", "entries", "folder", "forget", "library", "private_reason", "size", "trim", "unsafe"]

_NAME, _DIGEST = "program.so", "digest"
_ENTRY = re.compile(r"[0-9a-f]{64}")
_STALE_SECONDS = 86400.0
_memo: weakref.WeakValueDictionary[str, Library] = weakref.WeakValueDictionary()
_building: dict[str, Lock] = {}
_guard = Lock()


class Library:
    """A loaded shared library; unloaded when nobody holds it any more."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self.handle = ctypes.CDLL(str(path))
        found = ctypes.string_at(self.address("st_key"), 65)
        if found != key.encode() + b"\0":
            raise ImportError(f"{path} was not made from what its name says")

    def address(self, name: str) -> int:
        """The address of an exported symbol; ImportError where there is none."""
        try:
            address = ctypes.cast(getattr(self.handle, name), ctypes.c_void_p).value
        except AttributeError:
            address = None
        if address is None:
            raise ImportError(f"{self.path} exports no {name}")
        return address

    def __del__(self) -> None:
        handle = getattr(self, "handle", None)
        if handle is not None and sys is not None and not sys.is_finalizing():  # None: the interpreter is ending
            import _ctypes

            if hasattr(_ctypes, "dlclose"):
                _ctypes.dlclose(handle._handle)


def library(source: str, extra: Sequence[Path] = (), more_flags: tuple[str, ...] = (), units: int = 1,
            log: list[str] | None = None) -> Library:
    """The C text as a loaded library: from this process, the cache, or the compiler.

    Parameters
    ----------
    source : the text; equal texts give one library.
    extra : further C files to compile in.
    more_flags : compiler arguments after the usual ones.
    units : how many translation units the text is divided into; they are compiled side by side.
    log : gets a line: "hit: ..." or "miss: ...", and why.

    Raises CompileError, NoCompiler (where nothing is cached that needs none), ValueError for refused flags.
    """
    arguments = (*flags(), *more_flags, *(str(path) for path in extra))
    key = _key(source, (*flags(), *more_flags), extra)
    log = log if log is not None else []
    found = _memo.get(key)
    if found is not None:
        log.append("hit: loaded in this process")
        return found
    with _guard:
        lock = _building.setdefault(key, Lock())
    with lock:
        found = _memo.get(key)
        if found is not None:
            log.append("hit: loaded in this process")
        else:
            found = _stored(folder(), key, log) or _build_somewhere(source, arguments, key, units)
            _memo[key] = found
    with _guard:
        _building.pop(key, None)
    return found


def _key(source: str, arguments: tuple[str, ...], extra: Sequence[Path]) -> str:
    import symtensor

    parts = (getattr(symtensor, "__version__", ""), find_compiler().identity(), *arguments, cpu_identity(),
             *((_headers(), *(path.read_text(encoding="utf-8") for path in extra)) if extra else ()), source)
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


@functools.cache
def _headers() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(HEADERS.glob("*.h")))


# -- one entry -----------------------------------------------------------------------------------------------------


def _stored(place: Path, key: str, log: list[str]) -> Library | None:
    path = place / key / _NAME
    try:
        expected = (place / key / _DIGEST).read_bytes()
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(place / key):
            log.append("miss: nothing is stored for this text, compiler, processor and flags")
            return None
        _discard(place / key, log, "it is incomplete")
        return None
    except OSError as error:
        log.append(f"miss: {error}")
        return None
    if hashlib.sha256(content).hexdigest().encode() != expected:
        _discard(place / key, log, "its digest does not fit")
        return None
    try:
        found = Library(path, key)
    except (OSError, ImportError) as error:
        _discard(place / key, log, str(error))
        return None
    with contextlib.suppress(OSError):
        os.utime(place / key)
    log.append("hit: stored on disk")
    return found


def _discard(entry: Path, log: list[str], reason: str) -> None:
    log.append(f"miss: the stored program was removed: {reason}")
    with contextlib.suppress(OSError):
        away = Path(tempfile.mkdtemp(prefix="tmp-", dir=entry.parent))
        with contextlib.suppress(OSError):  # another process was first
            os.rename(entry, away / "entry")
        shutil.rmtree(away, ignore_errors=True)


def _build_somewhere(source: str, arguments: tuple[str, ...], key: str, units: int) -> Library:
    place = folder()
    try:
        return _build(place, source, arguments, key, units)
    except CompileError:
        if place == _private_folder.existing or not _is_full(place):
            raise
        reason = "the disk is full"
    except (OSError, ImportError) as error:
        if place == _private_folder.existing:
            raise
        reason = str(error)
    place = _private_folder(f"{place}: {reason}")
    return _stored(place, key, []) or _build(place, source, arguments, key, units)


def _build(place: Path, source: str, arguments: tuple[str, ...], key: str, units: int) -> Library:
    _remove_stale(place)
    with workshop(place) as work:
        proof = f'\nextern const char st_key[65];\nconst char st_key[65] = "{key}";\n'
        proof = proof if units == 1 else f"\n#if ST_IN(0){proof}#endif\n"
        find_compiler().build(source + proof, work / _NAME, arguments, units=units)
        os.chmod(work / _NAME, 0o600)
        digest = hashlib.sha256((work / _NAME).read_bytes()).hexdigest()
        with open(os.open(work / _DIGEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(digest)
        library = Library(work / _NAME, key)
        with contextlib.suppress(OSError):  # another process was first
            os.rename(work, place / key)
        library.path = place / key / _NAME
    if key[0] == "0":  # now and then: to look at all entries takes a while
        trim(place)
    return library


@functools.lru_cache(maxsize=8)
def _remove_stale(place: Path) -> None:
    """Once per process: what killed processes left."""
    with contextlib.suppress(OSError):
        for path in place.glob("tmp-*"):
            if time.time() - path.lstat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _is_full(place: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(1 << 20))
            probe.flush()
    except OSError:
        return True
    return False


# -- the folder ----------------------------------------------------------------------------------------------------


def folder() -> Path:
    """The cache folder, made where it is missing; a private temporary one, with a warning, where it is not safe."""
    home, xdg = os.environ.get("HOME", ""), os.environ.get("XDG_CACHE_HOME", "")
    return _folder(config.cache_dir, xdg, home)


@functools.lru_cache(maxsize=8)
def _folder(configured: str, xdg: str, home: str) -> Path:
    if configured:
        place = Path(configured).expanduser().absolute()
    elif xdg and os.path.isabs(xdg):
        place = Path(xdg) / "symtensor"
    elif home:
        place = Path(home) / ".cache" / "symtensor"
    else:
        return _private_folder("there is no HOME for the cache folder")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
    except OSError as error:
        return _private_folder(str(error))
    reason = unsafe(place)
    return _private_folder(reason) if reason else place


def unsafe(place: Path) -> str:
    """Why others could change what lies in the folder; empty when they could not."""
    try:
        info, parent = os.lstat(place), os.stat(place.parent)
    except OSError as error:
        return str(error)
    if stat.S_ISLNK(info.st_mode):
        return f"{place} is a symbolic link"
    if not stat.S_ISDIR(info.st_mode):
        return f"{place} is not a folder"
    if info.st_uid != os.getuid():
        return f"{place} belongs to user {info.st_uid}, not to {os.getuid()}"
    if info.st_mode & 0o022:
        return f"{place} can be written by others (mode {stat.S_IMODE(info.st_mode):o}); `chmod go-w` it"
    if parent.st_mode & 0o002 and not parent.st_mode & stat.S_ISVTX:
        return f"{place.parent} can be written by others (mode {stat.S_IMODE(parent.st_mode):o}); `chmod o-w` it"
    return ""


class _PrivateFolder:
    """A temporary folder for this process and its forks, made at first need and removed at exit."""

    existing: Path | None = None
    reason = ""

    def __call__(self, reason: str) -> Path:
        if self.existing is None:
            self.reason = reason
            self.existing = Path(tempfile.mkdtemp(prefix="symtensor-"))
            atexit.register(self._remove, os.getpid())
            warnings.warn(f"compiled programs are kept for this process only: {reason}", RuntimeWarning, stacklevel=2)
        return self.existing

    def _remove(self, owner: int) -> None:
        if os.getpid() == owner and self.existing is not None:
            end()
            shutil.rmtree(self.existing, ignore_errors=True)


_private_folder = _PrivateFolder()


def private_reason() -> str:
    """Why this process does not use the lasting cache; empty when it does."""
    return _private_folder.reason


def entries(place: Path) -> list[Path]:
    """The entries of a cache folder."""
    return sorted(path for path in place.iterdir() if _ENTRY.fullmatch(path.name) and path.is_dir())


def size(entry: Path) -> int:
    """The bytes of an entry; 0 where another process has removed it."""
    try:
        return sum(path.stat().st_size for path in entry.iterdir())
    except OSError:
        return 0


def trim(place: Path) -> int:
    """Remove the entries that were not used for longest, down to four fifths of ``config.cache_size``, where there are
    more; their number. Safe beside any number of processes: an entry goes as a whole, and is made again at need."""
    limit, ages = config.cache_size * 1e6, []
    for entry in entries(place) if limit else ():
        with contextlib.suppress(OSError):
            ages.append((entry.stat().st_mtime, size(entry), entry))
    total, removed = sum(taken for _, taken, _ in ages), 0
    if total <= limit:
        return 0
    for _, taken, entry in sorted(ages):
        if total <= 0.8 * limit:
            break
        _discard(entry, [], "")
        total -= taken
        removed += 1
    return removed


def forget(library: Library) -> None:
    """Delete one program from the disk; it goes on working while it is loaded."""
    shutil.rmtree(library.path.parent, ignore_errors=True)


def clear() -> int:
    """Delete every program from the disk; their number. Loaded ones go on working."""
    ours = entries(folder())
    for entry in ours:
        shutil.rmtree(entry, ignore_errors=True)
    return len(ours)
