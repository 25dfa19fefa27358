"""Modes: how a function is optimized, and what runs it."""

from __future__ import annotations

from typing import Any

from symtensor.config import config

__all__ = ["Mode", "get_default_mode", "get_mode", "predefined_modes"]

_LINKERS = {
    "auto": "auto", "c": "c", "py": "py", "background": "background",
    # Theano's names: all of them run natively where they can
    "cvm": "auto", "cvm_nogc": "auto", "vm": "auto", "vm_nogc": "auto", "c|py": "auto", "c|py_nogc": "auto",
}
_OPTIMIZERS = {"fast_run": "fast_run", "fast_compile": "fast_compile", "none": "none", "default": "fast_run",
               "o4": "fast_run", "o3": "fast_run", "o2": "fast_run", "o1": "fast_compile", "o0": "none",
               "fast_run_stable": "fast_run"}


class Mode:
    """How a function is compiled (Theano's ``theano.Mode``).

    Parameters
    ----------
    linker : 'auto' (native code, or the interpreter where there is no compiler), 'c' (native code; an error
        where there is no compiler), 'py' (the NumPy interpreter) or 'background' (the interpreter at once, after
        few rewrites; native code, compiled by a thread in the background, as soon as it is there). Theano's
        'cvm', 'vm' and 'c|py' mean 'auto'.
    optimizer : 'fast_run', 'fast_compile' (few rewrites) or 'None'.

    >>> Mode("py").excluding("fusion")
    Mode(linker='py', optimizer='fast_run', excluding=('fusion',))
    """

    def __init__(self, linker: str | None = None, optimizer: str | None = "default") -> None:
        self.linker = _choice("linker", linker if linker is not None else str(config.linker), _LINKERS)
        self.optimizer = _choice("optimizer", "None" if optimizer is None else optimizer, _OPTIMIZERS)
        self.included: tuple[str, ...] = ()
        self.excluded: tuple[str, ...] = ()

    def including(self, *tags: str) -> Mode:
        """The mode with rule tables, rules or passes of these names added."""
        return self._with([*self.included, *tags], [tag for tag in self.excluded if tag not in tags])

    def excluding(self, *tags: str) -> Mode:
        """The mode without rule tables, rules or passes of these names."""
        return self._with([tag for tag in self.included if tag not in tags], [*self.excluded, *tags])

    def _with(self, included: list[str], excluded: list[str]) -> Mode:
        for tag in (*included, *excluded):
            if not isinstance(tag, str):
                raise TypeError(f"Mode: names of rules and passes are str, got {tag!r}")
        copy = Mode(self.linker, self.optimizer)
        copy.included, copy.excluded = tuple(dict.fromkeys(included)), tuple(dict.fromkeys(excluded))
        return copy

    def _key(self) -> tuple[Any, ...]:
        return self.linker, self.optimizer, self.included, self.excluded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mode) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        extra = "".join(
            f", {word}={tags!r}"
            for word, tags in (("including", self.included), ("excluding", self.excluded))
            if tags
        )
        return f"Mode(linker={self.linker!r}, optimizer={self.optimizer!r}{extra})"


def _choice(what: str, given: Any, known: dict[str, str]) -> str:
    if isinstance(given, str):
        found = known.get(given, known.get(given.lower()))
        if found is not None:
            return found
    raise ValueError(f"Mode: {what} {given!r} is not one of {', '.join(map(repr, known))}")


predefined_modes = {
    "FAST_RUN": lambda: Mode(config.linker, "fast_run"),
    "FAST_COMPILE": lambda: Mode("py", "fast_compile"),
    "INTERPRETER": lambda: Mode("py", "none"),
    "auto": lambda: Mode("background", "fast_run"),
    "Mode": lambda: Mode(config.linker, config.optimizer),
}
"""What the mode names mean; linker and optimizer flags are read when a function is compiled."""


def get_mode(mode: Mode | str | None) -> Mode:
    """The mode of this name; None: ``config.mode``. ValueError for an unknown name."""
    if mode is None:
        mode = str(config.mode)
    if isinstance(mode, Mode):
        return mode
    if isinstance(mode, str):
        for name, make in predefined_modes.items():
            if mode.lower() == name.lower():
                return make()
    raise ValueError(
        f"mode {mode!r} is not known: give a Mode, or one of {', '.join(map(repr, predefined_modes))}"
    )


def get_default_mode() -> Mode:
    """The mode of functions compiled without ``mode=``: that of ``config.mode``."""
    return get_mode(None)
