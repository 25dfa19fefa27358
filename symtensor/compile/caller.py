"""The compiled function: binding arguments, running the program, storing updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from symtensor.compile.arguments import Arguments
from symtensor.compile.backend import Backend, Compiled, Event, compile_recipe
from symtensor.compile.build import Recipe, stateful
from symtensor.compile.io import In, Out
from symtensor.compile.mode import Mode
from symtensor.compile.profile import Profile
from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.shared import Container, SharedVariable
from symtensor.graph.trace import Origin, describe_origin, user_origin
from symtensor.link.interpreter import Interpreter
from symtensor.link.test_values import without_test_values

if TYPE_CHECKING:
    from symtensor.link.footprint import Footprint

__all__ = ["Function", "Maker", "locked", "make_function", "new_function"]


@dataclass
class Maker:
    """What a function was made of (``f.maker``).

    recipe : inputs, outputs and updates before compilation; mode : how it was compiled; made : the first result.
    """

    recipe: Recipe
    mode: Mode
    made: Compiled
    origin: Origin = field(default=None, repr=False)

    @property
    def compiled(self) -> Compiled:
        """The present result: with ``mode="auto"`` another one comes from the background."""
        return self.made.present

    @property
    def fgraph(self) -> FunctionGraph:
        """The optimized graph; its outputs are the results, then the update values."""
        return self.compiled.graph

    @property
    def inputs(self) -> tuple[In, ...]:
        """The inputs a caller may pass."""
        return self.recipe.inputs

    @property
    def outputs(self) -> tuple[Out, ...]:
        """The results."""
        return self.recipe.outputs


class Function:
    """A compiled function. Made by `symtensor.function`; calls are thread-safe.

    Positional and keyword arguments are those of ``inputs``. A call that raises leaves shared variables as
    they were.
    """

    trust_input: bool
    containers: Sequence[Container]

    # -- construction ----------------------------------------------------------------------------------------

    def _prepare(self, maker: Maker, profile: Profile | None, name: str | None,
                 containers: Sequence[Container] | None = None) -> None:
        recipe = maker.recipe
        self.maker = maker
        self.profile = profile
        self.name = name
        self.arguments = Arguments(self.label(), recipe.inputs, [_default(spec) for spec in recipe.inputs])
        self._explicit = [i for i, spec in enumerate(recipe.inputs) if not stateful(spec)]
        self._states = [i for i, spec in enumerate(recipe.inputs) if stateful(spec)]
        own = containers or [_container(recipe.inputs[index]) for index in self._states]
        self.state_containers: tuple[Container, ...] = tuple(own)
        self.containers = (*own, *(variable.container for variable in recipe.shared))
        place = {spec.variable: at for at, spec in enumerate(recipe.states)}
        place.update({variable: len(own) + at for at, variable in enumerate(recipe.shared)})
        self._targets = tuple(place[target] for target, _ in recipe.updates)
        self._attach()
        if profile is not None:
            profile.events = profile.events or list(maker.compiled.events)
            profile.name = profile.name or self.label()

    def _attach(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no _attach()")

    def label(self) -> str:
        """What messages call the function."""
        if self.name is not None:
            return f"{self.name}(...)"
        place = describe_origin(self.maker.origin)
        return f"the function made at {place}" if place else "the function"

    # -- arguments -------------------------------------------------------------------------------------------

    def _placed(self, args: Sequence[Any], kwargs: Mapping[str, Any], trust: bool) -> tuple[list[Any], dict[int, Any]]:
        """The explicit inputs in order, and by position in the states the values that the call gives for
        them; unless they are trusted, as arrays of the inputs' types."""
        arguments = self.arguments
        if not kwargs and not self._states and len(args) == len(self._explicit):
            if trust:
                return list(args), {}
            return [arguments.convert(index, value) for index, value in enumerate(args)], {}
        placed = arguments.place(args, kwargs)
        values = {
            index: value if trust else arguments.convert(index, value) for index, value in placed.items()
        }
        explicit = [
            values[index] if index in values else arguments.defaults[index] for index in self._explicit
        ]
        return explicit, {at: values[index] for at, index in enumerate(self._states) if index in values}

    def _interpret(self, interpreter: Interpreter, explicit: Sequence[Any], given: Mapping[int, Any]) -> Any:
        """The result of a call as the interpreter computes it."""
        count = len(self.maker.recipe.outputs)
        with locked(self.containers):
            state = [given[at] if at in given else container.storage[0] for at, container in enumerate(self.containers)]
            results = interpreter([*explicit, *state], self.profile)
            for at, value in zip(self._targets, results[count:], strict=True):
                self.containers[at].storage[0] = value
        return self._pack(results[:count])

    def _pack(self, results: list[Any]) -> Any:
        """Results in the form that ``outputs`` had."""
        unpack = self.maker.recipe.unpack
        if unpack == "single":
            return results[0]
        return dict(zip(self.maker.recipe.keys or (), results, strict=True)) if unpack == "dict" else results

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The values of the outputs for values of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(*args, **kwargs)")

    # -- what one may ask ------------------------------------------------------------------------------------

    @property
    def backend(self) -> Backend:
        """``'c'`` or ``'py'``; ``f.backend.reason`` says why."""
        return self.maker.compiled.backend

    @property
    def compile_log(self) -> list[Event]:
        """The phases of the compilation with their times; "compile" says whether the machine code was found in the
        cache, or why not. Those of the variant for broadcasting calls follow, once there was such a call."""
        return list(self.maker.compiled.events)

    def wait(self, timeout: float | None = None) -> Backend:
        """Wait, at most ``timeout`` seconds, for the native code that ``mode="auto"`` compiles in the background.

        Gives ``f.backend`` of then: ``'c'``, or ``'py'`` where it is not there yet or could not be made. Other modes
        have nothing to wait for.

        >>> from symtensor import function, tensor as T
        >>> x = T.dscalar("x")
        >>> f = function([x], x * 2, mode="auto")
        >>> float(f(3)), f.wait() in ("c", "py"), float(f(4))
        (6.0, True, 8.0)
        """
        if self.maker.made.later is not None:
            self.maker.made.later.wait(timeout)
        return self.backend

    def c_source(self) -> str:
        """The C text of the program; a comment that says why there is none where the interpreter runs it."""
        self.wait()
        code = self.maker.compiled.code
        if code is None:
            return f"/* There is no C text: the NumPy interpreter runs it ({self.backend.reason}). */\n"
        return str(code.source)

    def memory_plan(self, shapes: Sequence[Sequence[int]], values: Mapping[int, Any] | None = None) -> Footprint:
        """The most bytes that a call has in use at once, for its temporaries and results, when the explicit inputs have
        these shapes.

        ``values`` gives the integer scalars that sizes depend on, by position. An int; ``print`` shows what the bytes
        are for. Not in it: shared variables, copies of arguments that are not contiguous, and what NumPy takes inside
        an op that has no C code. ValueError where a size depends on data, or the interpreter runs the function.

        >>> from symtensor import function, tensor as T
        >>> x, y = T.dmatrices("x", "y")
        >>> f = function([x, y], T.dot(x, y) + T.dot(y, x), mode="FAST_RUN")
        >>> int(f.memory_plan([(100, 100), (100, 100)])) >= 80_000
        True
        """
        from symtensor.link.execute import usable_threads  # loaded, where there is native code

        self.wait()
        code = self.maker.compiled.code
        if code is None or code.memory is None:
            raise ValueError(f"{self.label()}: NumPy decides about memory: {self.backend.reason}")
        if len(shapes) != len(self._explicit):
            raise ValueError(
                f"{self.label()} has {len(self._explicit)} explicit inputs, got {len(shapes)} shapes"
            )
        every = [*map(tuple, shapes), *(np.shape(container.storage[0]) for container in self.containers)]
        if code.memory.is_guarded(every, dict(values or {})):
            return self._broadcasting().memory_plan(shapes, values)
        threads = config.threads or usable_threads()
        return code.memory.peak(every, dict(values or {}), threads)

    def _broadcasting(self) -> Function:
        """The function that answers calls in which dimensions broadcast that are equal as a rule."""
        return self

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables the function reads or updates."""
        return list(self.maker.recipe.shared)

    def __getitem__(self, key: Any) -> Any:
        """The stored value of an input or shared variable, by name, variable or position: its default, or the
        state."""
        container, index = self._stored(key)
        if container is not None:
            with container.lock:
                return own(container.storage[0])
        return own(self.arguments.defaults[index])

    def __setitem__(self, key: Any, value: Any) -> None:
        container, index = self._stored(key)
        if container is None:
            self.arguments.defaults[index] = own(self.arguments.convert(index, value))
            self.arguments.required[index] = False
            return
        new = own(container.type.filter(value))
        with container.lock:
            container.storage[0] = new

    def __contains__(self, key: Any) -> bool:
        try:
            self._stored(key)
        except KeyError:
            return False
        return True

    def _stored(self, key: Any) -> tuple[Container | None, int]:
        index = self.arguments.find(key)
        if index is not None:
            if index in self._states:
                return self.state_containers[self._states.index(index)], index
            return None, index
        matching = self.shared_named(key)
        if len(matching) == 1:
            return matching[0].container, -1
        known = [self.arguments.names(), *(str(v) for v in self.maker.recipe.shared)]
        raise KeyError(
            f"{self.label()} stores no value for {key!r}; it has {', '.join(filter(None, known))}"
        )

    def shared_named(self, key: Any) -> list[SharedVariable]:
        """Its shared variables that ``key``, a name or a variable, means."""
        every = self.maker.recipe.shared
        return [v for v in every if v is key or (isinstance(key, str) and v.name == key)]

    def copy(self, share_memory: bool = False, swap: Mapping[Any, SharedVariable] | None = None,
             delete_updates: bool = False, name: str | None = None, profile: Any = None) -> Function:
        """A function like this one (Theano's ``f.copy``), on the same shared variables.

        swap : shared variables (or names of them) to others of the same type that the copy uses instead.
        delete_updates : the copy changes no shared variable.
        share_memory : taken for Theano's sake: functions keep no memory between calls.
        States of inputs are copied.
        """
        from symtensor.compile.copying import copied

        return copied(self, swap or {}, delete_updates, name, profile)

    def __repr__(self) -> str:
        return f"<Function {self.name or ''}({self.arguments.names()}) on {self.backend!r}>"

    def __reduce__(self) -> Any:
        from symtensor.compile.saving import load_function, pack_recipe

        values = [(i, self[i]) for i, spec in enumerate(self.maker.inputs) if not spec.shared and i in self]
        state = (
            pack_recipe(self.maker.recipe, dict(values)),
            self.maker.mode,
            self.name,
            self.profile is not None,
            self.trust_input,
        )
        return load_function, state

    def __copy__(self) -> Function:
        return self.copy()


@contextmanager
def locked(containers: Sequence[Container]) -> Iterator[None]:
    """Hold the locks of all containers, in the order that native calls also take them in (their addresses):
    two calls never wait for each other."""
    while True:
        locks = sorted({container.lock for container in containers}, key=id)
        taken = 0
        try:
            for lock in locks:
                lock.acquire()
                taken += 1
            if {container.lock for container in containers} == set(locks):
                yield
                return
        finally:  # a native function that is being made exchanges locks: then again
            for lock in reversed(locks[:taken]):
                lock.release()


class InterpretedFunction(Function):
    """A function that the NumPy interpreter runs."""

    def __init__(self, maker: Maker, profile: Profile | None, name: str | None,
                 containers: Sequence[Container] | None = None) -> None:
        self.trust_input = False
        self._prepare(maker, profile, name, containers)

    def _attach(self) -> None:
        interpreter = self.maker.compiled.interpreter
        if interpreter is None:
            raise ValueError("the function was compiled to native code")
        self._interpreter = interpreter

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        result = self._interpret(self._interpreter, *self._placed(args, kwargs, self.trust_input))
        if self.profile is not None:
            self.profile.add_call(perf_counter() - began)
        return result


def own(value: Any) -> Any:
    """A copy of a value that a function keeps; arrays become C-contiguous."""
    return np.array(value, order="C", copy=True) if isinstance(value, np.ndarray) else (
        value.copy() if hasattr(value, "copy") else value)


def _default(spec: In) -> Any:
    """The value of an input that a call need not pass, as an array of its own; None where there is none."""
    if spec.value is None or stateful(spec):
        return None
    return _filtered(spec, spec.value)


def _container(spec: In) -> Container:
    if isinstance(spec.value, SharedVariable):
        return spec.value.container
    if isinstance(spec.value, Container):
        return spec.value
    return Container(spec.variable.type, _filtered(spec, spec.value))


def _filtered(spec: In, value: Any) -> Any:
    try:
        found = spec.variable.type.filter(value, strict=spec.strict, allow_downcast=spec.allow_downcast)
    except TypeError as error:
        raise TypeError(f"In({spec.variable}): value: {error}") from None
    if not isinstance(found, np.ndarray):
        return found if spec.borrow else own(found)
    usable = found.flags.c_contiguous and found.flags.aligned and found.flags.writeable
    return found if spec.borrow and usable else np.array(found, order="C", copy=True)


def make_function(recipe: Recipe, mode: Mode, profile: Profile | None = None) -> Function:
    """Compile the recipe."""
    origin = user_origin()
    with without_test_values():
        compiled = compile_recipe(recipe, mode)
    return new_function(Maker(recipe, mode, compiled, origin), profile, recipe.name)


def new_function(maker: Maker, profile: Profile | None, name: str | None,
                 containers: Sequence[Container] | None = None) -> Function:
    """The function of what was compiled; its states live in ``containers``, or in new ones."""
    if maker.compiled.dense is not None:
        from symtensor.compile.compound import CompoundFunction

        return CompoundFunction(maker, profile, name, containers)
    if maker.compiled.program is None and maker.made.later is None:
        return InterpretedFunction(maker, profile, name, containers)
    from symtensor.compile.native import native_class  # loads the runtime: only who needs it waits for it

    return native_class(maker, profile)(maker, profile, name, containers)
