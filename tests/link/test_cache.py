"""The cache of compiled programs: found again, damaged, raced for, refused, killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime_programs import needs_compiler

from symtensor.config import config
from symtensor.link import cache, toolchain

pytestmark = [pytest.mark.compiler, needs_compiler]

ROOT = Path(__file__).parents[2]


def text(number: int) -> str:
    return f"int st_main(void) {{ return {number}; }}\n"


def call(library: cache.Library) -> int:
    return int(library.handle.st_main())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and no memory of former ones."""
    forget_all()
    monkeypatch.setattr(cache, "_private_folder", cache._PrivateFolder())
    with config.change_flags(cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache"
    if cache._private_folder.existing is not None:
        shutil.rmtree(cache._private_folder.existing)
    forget_all()


def forget_all() -> None:
    cache._memo.clear()
    cache._folder.cache_clear()
    cache._remove_stale.cache_clear()


def entry(place: Path) -> Path:
    (one,) = cache.entries(place)
    return one


def held(place: Path) -> list[str]:
    """What is in the folder, but for zig's own cache."""
    return sorted(path.name for path in place.iterdir() if path.name != "zig")


def run_python(script: str, place: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-W", "error", "-c", script], cwd=ROOT, text=True,
                            env={**os.environ, "SYMTENSOR_FLAGS": f"cache_dir={place},compiler={config.compiler}",
                                 **environment},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_found_again_without_the_compiler(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = cache.library(text(1))
    assert call(library) == 1
    assert cache.library(text(1)) is library
    del library
    monkeypatch.setattr(toolchain.Compiler, "build", lambda *_: pytest.fail("compiled again"))
    assert call(cache.library(text(1))) == 1
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(entry(place).iterdir())] == [0o600, 0o600]
    assert held(place) == [entry(place).name]


def test_key_covers_what_matters(place: Path) -> None:
    keys = {cache.library(text(1)).key, cache.library(text(2)).key}
    with config.change_flags(target="baseline"):
        keys.add(cache.library(text(1)).key)
    with config.change_flags(compiler_flags="-DSOMETHING"):
        keys.add(cache.library(text(1)).key)
    assert len(keys) == 4 == len(cache.entries(place))


DAMAGES = ["truncate", "flip", "empty", "digest", "no digest", "no code", "both wrong", "file"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_made_again(place: Path, damage: str) -> None:
    library = cache.library(text(3))
    path = library.path
    del library
    data = path.read_bytes()
    match damage:
        case "truncate":
            path.write_bytes(data[: len(data) // 2])
        case "flip":
            path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
        case "empty":
            path.write_bytes(b"")
        case "digest":
            (path.parent / "digest").write_text("0" * 64)
        case "no digest":
            (path.parent / "digest").unlink()
        case "no code":
            path.unlink()
        case "both wrong":
            path.write_bytes(b"rubbish")
            (path.parent / "digest").write_text(cache.hashlib.sha256(b"rubbish").hexdigest())
        case "file":
            shutil.rmtree(path.parent)
            path.parent.write_text("not a folder")
    assert call(cache.library(text(3))) == 3
    forget_all()
    assert call(cache.library(text(3))) == 3
    assert len(cache.entries(place)) == 1


def test_an_entry_under_the_wrong_name_is_not_used(place: Path) -> None:
    wrong = cache.library(text(4)).path.parent
    right = cache.library(text(5)).path.parent
    shutil.rmtree(right)
    wrong.rename(right)
    forget_all()
    assert call(cache.library(text(5))) == 5


def test_sixteen_processes_race(place: Path) -> None:
    script = ("from symtensor.link import cache\n"
              "for k in range(4):\n"
              "    library = cache.library(f'int st_main(void) {{ return {k}; }}')\n"
              "    got = library.handle.st_main()\n"
              "    assert got == k, (got, k)")
    processes = [run_python(script, place, PYTHONHASHSEED=str(k)) for k in range(16)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")
    assert len(cache.entries(place)) == 4 == len(held(place))


def test_threads_compile_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    built = []
    build = cache._build
    monkeypatch.setattr(cache, "_build", lambda *args: (built.append(1), build(*args))[1])
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: cache.library(text(6)), range(16)))
    assert len(found) == 1 == len(built)


def test_killed_at_any_instant(place: Path) -> None:
    script = ("from symtensor.link import cache\n"
              "for k in range(9): cache.library(f'int st_main(void) {{ return {k}; }}')")
    for delay in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6):
        process = run_python(script, place)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert [call(cache.library(f"int st_main(void) {{ return {k}; }}")) for k in range(9)] == list(range(9))
    assert len(cache.entries(place)) == 9


def test_leavings_of_killed_processes_are_removed_after_a_day(place: Path) -> None:
    place.mkdir(mode=0o700)
    for name, age in (("tmp-old", 2e5), ("tmp-new", 10.0), ("tmp-future", -1e6)):
        (place / name).mkdir()
        (place / name / "program.c").write_text("")
        os.utime(place / name, (time.time() - age,) * 2)
    cache.library(text(7))
    assert sorted(path.name for path in place.iterdir() if path.name.startswith("tmp-")) == ["tmp-future", "tmp-new"]


NAMES = ["with space", "accént é", "emoji 🚀", "quote'\"", "n" * 200, "$(touch x);`y`", "-o x"]


@pytest.mark.parametrize("name", NAMES)
def test_strange_paths(tmp_path: Path, name: str) -> None:
    with config.change_flags(cache_dir=str(tmp_path / name / "cache")):
        assert call(cache.library(text(8))) == 8
        forget_all()
        assert call(cache.library(text(8))) == 8
        assert len(cache.entries(tmp_path / name / "cache")) == 1


def unsafe_link(place: Path) -> None:
    (place.parent / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(place.parent / "elsewhere")


def unsafe_mode(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)


def unsafe_parent(place: Path) -> None:
    place.mkdir(mode=0o700)
    place.parent.chmod(0o777)


def a_file(place: Path) -> None:
    place.write_text("")


@pytest.mark.parametrize("spoil", [unsafe_link, unsafe_mode, unsafe_parent, a_file])
def test_unsafe_folders_are_refused_with_one_warning(place: Path, spoil: Any) -> None:
    spoil(place)
    before = sorted(place.parent.rglob("*"))
    with pytest.warns(RuntimeWarning, match="for this process only") as caught:
        assert [call(cache.library(text(k))) for k in (9, 10)] == [9, 10]
    assert len(caught) == 1
    assert sorted(place.parent.rglob("*")) == before
    assert cache.private_reason()
    assert stat.S_IMODE(cache.folder().stat().st_mode) == 0o700


def test_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(place).st_uid + 1)
    assert "belongs to user" in cache.unsafe(place)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(30, "Read-only system")])
def test_disk_errors_fall_back(place: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    mkdtemp = cache.tempfile.mkdtemp

    def failing(**settings: Any) -> str:
        if settings.get("dir") == place:
            raise error
        return mkdtemp(**settings)

    monkeypatch.setattr(cache.tempfile, "mkdtemp", failing)
    with pytest.warns(RuntimeWarning, match=error.strerror):
        assert call(cache.library(text(11))) == 11
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(cache.library(text(12))) == 12


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with config.change_flags(cache_dir=""), pytest.warns(RuntimeWarning, match="no HOME"):
        assert call(cache.library(text(13))) == 13


def test_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with config.change_flags(cache_dir=""):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache.folder() == tmp_path / "xdg" / "symtensor"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache.folder() == tmp_path / "home" / ".cache" / "symtensor"


def test_the_programs_not_used_for_longest_go(place: Path) -> None:
    kept = [cache.library(text(number)) for number in range(20, 26)]
    each = cache.size(kept[0].path.parent)
    for age, library in enumerate(kept):
        os.utime(library.path.parent, (time.time() - 1000 * (6 - age),) * 2)
    assert call(kept.pop(0)) == 20
    forget_all()
    assert call(cache.library(text(20))) == 20  # used again
    with config.change_flags(cache_size=0):
        assert cache.trim(place) == 0
    with config.change_flags(cache_size=4.5 * each / 1e6):
        assert cache.trim(place) == 3
        assert {entry.name for entry in cache.entries(place)} == {cache.library(text(n)).key for n in (20, 24, 25)}
        assert cache.trim(place) == 0
    assert [call(library) for library in kept] == [21, 22, 23, 24, 25]  # those that are loaded go on
    assert all(len(list((place / name).iterdir())) == 2 for name in held(place))


def test_the_cache_is_trimmed_as_it_grows(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_key", lambda source, *_: f"0{cache.hashlib.sha256(source.encode()).hexdigest()[1:]}")
    each = cache.size(cache.library(text(30)).path.parent)
    with config.change_flags(cache_size=3 * each / 1e6):
        assert [call(cache.library(text(number))) for number in range(30, 40)] == list(range(30, 40))
        assert len(cache.entries(place)) <= 3


def test_processes_build_and_use_while_others_trim(place: Path) -> None:
    script = ("from symtensor.link import cache\n"
              "for k in [*range(6), *range(6)]:\n"
              "    library = cache.library(f'int st_main(void) {{ return {k}; }}')\n"
              "    got = library.handle.st_main()\n"
              "    assert got == k, (got, k)\n"
              "    del library\n"
              "    cache.trim(cache.folder())")
    settings = {"SYMTENSOR_FLAGS": f"cache_dir={place},cache_size=0.03"}
    for process in [run_python(script, place, **settings) for _ in range(6)]:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "")
    assert sum(map(cache.size, cache.entries(place))) <= 0.03e6
    assert not list(place.glob("tmp-*"))


def test_doctor_tells_the_size(place: Path) -> None:
    from symtensor.link.doctor import report

    cache.library(text(41))
    with config.change_flags(cache_size=123):
        lines = report().splitlines()
    (at,) = (k for k, line in enumerate(lines) if line.startswith("cache"))
    assert str(place) in lines[at]
    assert lines[at + 1].strip() == "1 programs, 0.0 MB (at most 123 MB: config.cache_size)"


def test_clear_deletes_programs_only(place: Path) -> None:
    cache.library(text(14))
    (place / "mine").mkdir()
    assert cache.clear() == 1
    assert held(place) == ["mine"]


def test_dropped_libraries_are_unloaded() -> None:
    def mapped() -> int:
        with open("/proc/self/maps", encoding="utf-8") as file:
            return sum("program.so" in line for line in file)

    library = cache.library(text(15))
    before = mapped()
    del library
    assert mapped() < before
