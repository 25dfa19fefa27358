"""Functions that run native code: `CallerBase` is the fast path of a call, this page what it falls back
to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from symtensor.compile.backend import Event, compile_general
from symtensor.compile.build import stateful
from symtensor.compile.caller import Function, Maker, locked
from symtensor.compile.io import In
from symtensor.compile.profile import Profile
from symtensor.config import config
from symtensor.graph.lock import Lock
from symtensor.graph.shared import Container
from symtensor.link.execute import EXACT, FLOATS, WRITEABLE, CallerBase
from symtensor.link.failures import make_exception
from symtensor.link.interpreter import Interpreter

__all__ = ["ManagedFunction", "NativeFunction", "native_class"]

_UNPACK = {"list": 0, "single": 1, "none": 2, "dict": 3}


def native_class(maker: Maker, profile: Profile | None) -> type[NativeFunction]:
    """The class of a native function: the fast one, unless each call needs more than the fast path does."""
    passed = [stateful(spec) for spec in maker.recipe.inputs if not spec.implicit]
    return NativeFunction if profile is None and passed == sorted(passed) else ManagedFunction


class NativeFunction(CallerBase, Function):  # type: ignore[misc]
    """A function that a native program computes; while that is being compiled in the background, the interpreter."""

    def __init__(self, maker: Maker, profile: Profile | None, name: str | None,
                 containers: Sequence[Container] | None = None) -> None:
        super().__init__()
        self.trust_input = False
        self._variant: NativeFunction | None = None
        self._variant_lock = Lock()
        self._prepare(maker, profile, name, containers)

    def _attach(self) -> None:
        if self.maker.made.later is None:
            self.adopt()
        else:
            self.maker.made.later.tell(self)

    def adopt(self) -> None:
        """Run the native program from now on; where there is none, the interpreter as before."""
        recipe, compiled, arguments = self.maker.recipe, self.maker.compiled, self.arguments
        if self.profile is not None:
            self.profile.events = list(compiled.events)
        if compiled.program is None:
            return
        self._setup(
            compiled.program,
            containers=self.containers,
            targets=self._targets,
            unpack=_UNPACK[recipe.unpack],
            takes=tuple(map(_takes, recipe.explicit)),
            names=(tuple(map(arguments.keyword, self._explicit)), arguments.defaults, tuple(self._explicit)),
        )

    @property
    def compile_log(self) -> list[Event]:
        variant = self._variant
        return [*self.maker.compiled.events, *(variant.compile_log if variant is not None else ())]

    # -- what the fast path calls ----------------------------------------------------------------------------

    def _convert(self, index: int, value: Any) -> Any:
        return self.arguments.convert(self._explicit[index], value)

    def _indirect(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A call whose arguments are not one per explicit input, or that comes before the native program."""
        compiled = self.maker.compiled
        if self.program is None and compiled.interpreter is not None:
            if self.maker.made.later is not None:
                self.maker.made.later.start()  # after a fork
            return self._interpret(compiled.interpreter, *self._placed(args, kwargs, False))
        explicit, given = self._placed(args, kwargs, self.trust_input)
        if given:
            return self._with_states(explicit, given)
        return CallerBase.__call__(self, *explicit)

    def _with_states(self, explicit: Sequence[Any], given: Mapping[int, Any]) -> Any:
        """The call with states set to given values; they come back unless the call succeeds and updates
        them."""
        with locked(self.containers):
            before = [(self.state_containers[at], at, self.state_containers[at].storage[0]) for at in given]
            done = False
            try:
                for container, at, _ in before:
                    container.storage[0] = np.array(given[at], order="C", copy=True)
                result = CallerBase.__call__(self, *explicit)
                done = True
                return result
            finally:
                for container, at, value in before:
                    if not done or at not in self._targets:
                        container.storage[0] = value

    def _failed(self, code: int, node: int, values: Sequence[int], arrays: Sequence[Any]) -> NoReturn:
        """Raise what went wrong: the program says which node failed, the interpreter finds out with what
        inputs."""
        native = make_exception(code, node, values, self.maker.compiled.code)
        compiled = self.maker.compiled.code
        if compiled is None or not compiled.hosts:  # user code may print or draw: it is not run again
            try:
                Interpreter(self.maker.recipe.graph())(arrays)
            except type(native) as replayed:
                raise replayed from native
            except Exception:
                pass  # the optimized program failed elsewhere: its own message stands
        raise native

    def _general(self, values: Sequence[Any]) -> Any:
        """The call's result where dimensions that are equal as a rule are not: one of them is 1."""
        return CallerBase.__call__(self._broadcasting(), *values)

    def _broadcasting(self) -> NativeFunction:
        with self._variant_lock:
            if self._variant is None:
                maker = self.maker
                compiled = compile_general(maker.recipe, maker.mode, maker.compiled)
                general = Maker(maker.recipe, maker.mode, compiled, maker.origin)
                self._variant = NativeFunction(general, None, self.name, self.state_containers)
            return self._variant


class ManagedFunction(NativeFunction):
    """A native function whose calls are timed, or pass values for states before those of other inputs."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        result = self._indirect(args, kwargs)
        if self.profile is not None:
            self.profile.add_call(perf_counter() - began)
        return result


def _takes(spec: In) -> int:
    """What may go straight into an input (see `symtensor.link.execute`)."""
    return FLOATS * _takes_python_float(spec) + EXACT * spec.strict + WRITEABLE * spec.mutable


def _takes_python_float(spec: In) -> bool:
    kind = spec.variable.type
    if spec.strict or kind.ndim != 0:
        return False
    if kind.dtype == "float64" or spec.allow_downcast:
        return bool(kind.dtype in ("float64", "float32", "float16"))
    return bool(spec.allow_downcast is None and kind.dtype == config.floatX)
