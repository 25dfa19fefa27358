"""What every test of compiled functions runs under: each mode, native ones where there is a compiler."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from symtensor import Mode, config, get_mode

MODES = {
    "interpreter": lambda: Mode("py", "None"),
    "fast_compile": lambda: Mode("py", "fast_compile"),
    "fast_run_py": lambda: Mode("py", "fast_run"),
    "c_unoptimized": lambda: Mode("c", "None"),
    "c": lambda: Mode("c", "fast_run"),
    "auto": lambda: get_mode("auto"),  # the interpreter at first, at any moment native code
}


def has_compiler() -> bool:
    from symtensor.link.toolchain import NoCompiler, find_compiler

    try:
        find_compiler()
    except NoCompiler:
        return False
    return True


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """The modes in turn."""
    made = MODES[request.param]()
    if made.linker == "c" and not has_compiler():
        pytest.skip("no C compiler")
    return made


@pytest.fixture(autouse=True)
def default_flags() -> Iterator[None]:
    """Flags a test changes come back."""
    with config.change_flags(floatX="float64"):
        yield
