"""Functions that run native code: `CallerBase` is the fast path of a call, this page what it falls back
to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from symtensor.compile.backend import compile_general
from symtensor.compile.caller import Function, Maker, locked
from symtensor.compile.io import In
from symtensor.compile.profile import Profile
from symtensor.config import config
from symtensor.graph.lock import Lock
from symtensor.graph.shared import Container
from symtensor.link.execute import CallerBase
from symtensor.link.failures import make_exception
from symtensor.link.interpreter import Interpreter

__all__ = ["ManagedFunction", "NativeFunction", "native_class"]

_UNPACK = {"list": 0, "single": 1, "none": 2, "dict": 3}


def native_class(maker: Maker, profile: Profile | None) -> type[NativeFunction]:
    """The class of a native function: the fast one, unless each call needs more than the fast path does."""
    specs = maker.recipe.inputs
    passed_states = any(not spec.implicit for spec in maker.recipe.states)
    checked = any(spec.mutable or spec.strict for spec in specs)
    return ManagedFunction if passed_states or checked or profile is not None else NativeFunction


class NativeFunction(CallerBase, Function):  # type: ignore[misc]
    """A function that a native program computes."""

    def __init__(self, maker: Maker, profile: Profile | None, name: str | None,
                 containers: Sequence[Container] | None = None) -> None:
        super().__init__()
        self.trust_input = False
        self._variant: NativeFunction | None = None
        self._variant_lock = Lock()
        self._prepare(maker, profile, name, containers)

    def _attach(self, containers: Sequence[Container]) -> None:
        recipe, compiled = self.maker.recipe, self.maker.compiled
        self._setup(
            compiled.program,
            containers=tuple(containers),
            targets=self._targets,
            unpack=_UNPACK[recipe.unpack],
            python_floats=tuple(map(_takes_python_float, recipe.explicit)),
        )

    # -- what the fast path calls ----------------------------------------------------------------------------

    def _convert(self, index: int, value: Any) -> Any:
        return self.arguments.convert(self._explicit[index], value)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> list[Any]:
        return self._placed(args, kwargs or {})[0]

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
        with self._variant_lock:
            if self._variant is None:
                maker = self.maker
                compiled = compile_general(maker.recipe, maker.mode)
                general = Maker(maker.recipe, maker.mode, compiled, maker.origin)
                self._variant = NativeFunction(general, None, self.name, self._state_containers)
        return CallerBase.__call__(self._variant, *values)


class ManagedFunction(NativeFunction):
    """A native function whose calls pass values for states, are timed, or may write into arguments."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        explicit, given = self._placed(args, kwargs)
        call = super().__call__
        result = call(*explicit) if not given else self._with_states(call, explicit, given)
        if self.profile is not None:
            self.profile.add_call(perf_counter() - began)
        return result

    def _with_states(self, call: Any, explicit: Sequence[Any], given: Mapping[int, Any]) -> Any:
        """The call with states set to given values; they come back unless the call succeeds and updates
        them."""
        with locked(self.containers):
            before = [(self._state_containers[at], at, self._state_containers[at].storage[0]) for at in given]
            done = False
            try:
                for container, at, _ in before:
                    container.storage[0] = np.array(given[at], order="C", copy=True)
                result = call(*explicit)
                done = True
                return result
            finally:
                for container, at, value in before:
                    if not done or at not in self._targets:
                        container.storage[0] = value


def _takes_python_float(spec: In) -> bool:
    kind = spec.variable.type
    if spec.strict or kind.ndim != 0:
        return False
    if kind.dtype == "float64" or spec.allow_downcast:
        return bool(kind.dtype in ("float64", "float32", "float16"))
    return bool(spec.allow_downcast is None and kind.dtype == config.floatX)
