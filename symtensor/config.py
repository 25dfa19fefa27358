"""Every flag of the library: name, type, default, meaning. One place.

A flag is set, in order of precedence, by assignment (``config.floatX = "float32"``), by the environment variable
``SYMTENSOR_FLAGS="floatX=float32,device=cpu"``, by the file ``~/.symtensorrc`` (ini format, section ``[global]``;
another file through ``SYMTENSORRC``), and else has its default. Names are those of ``theano.config`` where it had them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Config", "Flag", "config"]

_fixed: ContextVar[dict[str, Any] | None] = ContextVar("fixed flags", default=None)


@dataclass(frozen=True)
class Flag:
    """One flag: its name, default, what values it takes and what it means."""

    name: str
    default: Any
    doc: str
    choices: tuple[str, ...] = ()
    startup_only: bool = False
    minimum: float | None = None

    def parse(self, value: Any) -> Any:
        """The value as the flag's type; ValueError names the flag and what it takes."""
        kind = type(self.default)
        try:
            if kind is bool:
                parsed: Any = _parse_bool(value)
            elif kind is int:
                parsed = int(value)
            elif kind is float:
                parsed = float(value)
            else:
                parsed = str(value)
        except (TypeError, ValueError):
            raise ValueError(f"config.{self.name}: {value!r} is not a {kind.__name__}") from None
        if self.choices and parsed not in self.choices:
            raise ValueError(f"config.{self.name}: {value!r} is not one of {', '.join(self.choices)}")
        if self.minimum is not None and parsed < self.minimum:
            raise ValueError(f"config.{self.name}: {value!r} is less than {self.minimum:g}")
        return parsed


def _parse_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError(value)


FLAGS = (
    Flag("floatX", "float64", "The dtype of `matrix()`, `vector()` ... and of float results of integer operands.",
         choices=("float16", "float32", "float64")),
    Flag("cast_policy", "custom", "How Python numbers get a dtype: 'custom' takes the smallest int that holds an "
         "int and floatX for a float it cannot hold exactly in less; 'numpy+floatX' takes NumPy's, with float64 "
         "becoming floatX.", choices=("custom", "numpy+floatX")),
    Flag("int_division", "int", "What `/` does on two integers: 'int' as Python 3 and NumPy (true division to floatX), "
         "'floatX' likewise, 'raise' an error.", choices=("int", "raise", "floatX")),
    Flag("device", "cpu", "Where shared variables and functions live by default: 'cpu', 'cuda', 'cuda0', ..., or "
         "'emulator'.", startup_only=True),
    Flag("mode", "FAST_RUN", "The compilation mode of `function` when none is given.",
         choices=("FAST_RUN", "FAST_COMPILE", "INTERPRETER", "auto", "Mode")),
    Flag("linker", "auto", "What runs a program: native C ('c'), the NumPy interpreter ('py'), the first of the two "
         "that works ('auto'), or the interpreter until native code has been compiled in the background "
         "('background').", choices=("auto", "c", "py", "background")),
    Flag("optimizer", "fast_run", "The rewrites of mode 'Mode'.", choices=("fast_run", "fast_compile", "None")),
    Flag("optimizer_excluding", "", "Names of rule tables, rules or passes to leave out, separated by ':'."),
    Flag("optimizer_including", "", "Names of rule tables, rules or passes to add, separated by ':'."),
    Flag("on_unused_input", "raise", "What `function` does about an input no output needs.",
         choices=("raise", "warn", "ignore")),
    Flag("allow_input_downcast", False, "Whether `function` lets every input lose precision by default."),
    Flag("compiler", "", "The C compiler's command; empty: the first of cc, gcc, clang, and the ziglang wheel."),
    Flag("compiler_flags", "", "More flags for the C compiler, separated by spaces."),
    Flag("target", "native", "The instruction set compiled for: 'native' or 'baseline'.",
         choices=("native", "baseline")),
    Flag("compile_timeout", 600.0, "Seconds a C compilation may take.", minimum=0),
    Flag("cache_dir", "", "The private folder of compiled programs; empty: the user's cache folder."),
    Flag("cache_size", 2000.0, "Most megabytes of compiled programs in the folder: beyond, those go that were not used "
         "for longest; 0: no limit.", minimum=0),
    Flag("threads", 0, "Threads a program may use; 0: as many as the process may run on.", minimum=0),
    Flag("profile", False, "Whether functions keep times per node by default."),
    Flag("exception_verbosity", "low", "How much of the graph an error shows.", choices=("low", "high")),
    Flag("compute_test_value", "off", "Whether test values are computed while a graph is built.",
         choices=("off", "ignore", "warn", "raise")),
    Flag("check_pipeline", False, "Whether every optimization step's result is verified (slow; for development)."),
)


class Config:
    """The flags as attributes; ``print(config)`` lists them, ``config.change_flags(...)`` sets some for a block.

    >>> from symtensor import config
    >>> with config.change_flags(floatX="float32"):
    ...     config.floatX
    'float32'
    """

    _flags: dict[str, Flag]
    _values: dict[str, Any]

    def __init__(self, flags: tuple[Flag, ...]) -> None:
        object.__setattr__(self, "_flags", {flag.name: flag for flag in flags})
        object.__setattr__(self, "_values", {flag.name: flag.default for flag in flags})
        for source, settings in _startup_settings():
            for name, value in settings.items():
                if name not in self._flags:
                    raise ValueError(f"{source}: no flag named {name!r}; the flags are {', '.join(self._flags)}")
                self._values[name] = self._flags[name].parse(value)

    def __getattr__(self, name: str) -> Any:
        fixed = _fixed.get()
        if fixed is not None and name in fixed:
            return fixed[name]
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"config has no flag {name!r}; `print(config)` lists them") from None

    def __setattr__(self, name: str, value: Any) -> None:
        flag = self._flags.get(name)
        if flag is None:
            raise AttributeError(f"config has no flag {name!r}; `print(config)` lists them")
        if flag.startup_only and value != self._values[name]:
            raise ValueError(f"config.{name} is fixed at start-up: set SYMTENSOR_FLAGS={name}={value}")
        self._values[name] = flag.parse(value)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._flags]

    def __str__(self) -> str:
        return "\n".join(
            f"{flag.name} = {self._values[flag.name]!r}\n    {flag.doc}" for flag in self._flags.values()
        )

    @contextmanager
    def change_flags(self, **settings: Any) -> Iterator[None]:
        """Set flags for a ``with`` block or, as a decorator, for a function; the old values come back after."""
        before = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield
        finally:
            self._values.update(before)

    def snapshot(self) -> dict[str, Any]:
        """The present values by name."""
        return {name: getattr(self, name) for name in self._flags}

    @contextmanager
    def fixed(self, values: dict[str, Any]) -> Iterator[None]:
        """For a ``with`` block, in this thread alone, flags have these values, whatever others set."""
        token = _fixed.set(values)
        try:
            yield
        finally:
            _fixed.reset(token)


def _startup_settings() -> Iterator[tuple[str, dict[str, str]]]:
    path = Path(os.environ.get("SYMTENSORRC", "~/.symtensorrc")).expanduser()
    if path.is_file():
        import configparser  # only for those who have the file: import time

        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(path)
        for section in parser.sections():
            prefix = "" if section == "global" else f"{section}__"
            yield str(path), {prefix + name: value for name, value in parser[section].items()}
    text = os.environ.get("SYMTENSOR_FLAGS", "")
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    yield "SYMTENSOR_FLAGS", {name.strip(): value.strip() for name, _, value in pairs}


config = Config(FLAGS)
