"""Random programs: graphs over all of the library's ops, with shared variables, updates, and values for three calls.

A `Program` is data: leaves with values, and steps of text. So one that fails can be cut down piece by piece, and
printed as a script. It is drawn together with its values: a step is kept where it computes something of moderate size
and magnitude, so that programs stay meaningful; few end in a step that fails, to compare errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import symtensor
from symtensor import tensor as T
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import toposort

MAX_SIZE = 400
LARGE_SIZE = 40000  # of programs whose loops are split over threads and summed by blocks
FLOATS = ("float64", "float32", "float16")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True)
class Leaf:
    """An input (``values`` for each call), a shared variable or a constant (one value)."""

    name: str
    kind: str
    dtype: str
    shape: tuple[int | None, ...]
    values: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Step:
    """``text`` with ``{0}``, ``{1}``, ... for the names in ``args``."""

    name: str
    text: str
    args: tuple[str, ...]

    def source(self) -> str:
        return self.text.format(*self.args)


@dataclass(frozen=True)
class Program:
    leaves: tuple[Leaf, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    updates: tuple[tuple[str, str], ...] = ()

    def calls(self) -> int:
        return max([len(leaf.values) for leaf in self.leaves if leaf.kind == "input"], default=1)

    def pruned(self) -> Program:
        """Without what no output and no update needs."""
        needed = {*self.outputs, *(name for pair in self.updates for name in pair)}
        steps = []
        for step in reversed(self.steps):
            if step.name in needed:
                steps.append(step)
                needed.update(step.args)
        leaves = tuple(leaf for leaf in self.leaves if leaf.name in needed)
        return replace(self, leaves=leaves, steps=tuple(reversed(steps)))


def make_leaf(leaf: Leaf) -> Variable:
    if leaf.kind == "input":
        return T.TensorType(leaf.dtype, leaf.shape)(leaf.name)
    if leaf.kind == "shared":
        return symtensor.shared(leaf.values[0], leaf.name)
    return T.constant(leaf.values[0], leaf.name)


def make_step(step: Step, variables: dict[str, Variable]) -> Variable:
    """The expression of a step; texts are the generator's own."""
    return eval(step.source(), {"T": T, "np": np, "symtensor": symtensor}, variables)


def build(program: Program) -> dict[str, Variable]:
    """The variables of a program by name."""
    variables: dict[str, Variable] = {leaf.name: make_leaf(leaf) for leaf in program.leaves}
    for step in program.steps:
        variables[step.name] = make_step(step, variables)
    return variables


Noise = Callable[[Any, list[Any], np.ndarray], np.ndarray]


def evaluate(outputs: Iterable[Variable], known: dict[Variable, Any], noise: Noise | None = None) -> list[Any]:
    """The values of ``outputs`` by `perform`, node by node; ``known`` grows. ``noise`` changes results. A node that
    raises has its error for value, and so have those that need it."""

    def value(variable: Variable) -> Any:
        return variable.data if isinstance(variable, Constant) else known[variable]

    outputs = list(outputs)
    for node in toposort(outputs, known):
        inputs = [value(v) for v in node.inputs]
        error = next((x for x in inputs if isinstance(x, Exception)), None)
        storage: list[list[Any]] = [[error] for _ in node.outputs]
        if error is None:
            try:
                node.op.perform(node, inputs, storage)
            except Exception as raised:
                storage = [[raised] for _ in node.outputs]
        for variable, (result,) in zip(node.outputs, storage):
            failed = isinstance(result, Exception)
            array = result if failed else np.asarray(result)
            known[variable] = array if failed or noise is None else noise(node, inputs, array)
    return [value(output) for output in outputs]


@dataclass
class Value:
    name: str
    variable: Variable
    array: np.ndarray

    dtype = property(lambda self: self.array.dtype.name)
    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    kind = property(lambda self: self.array.dtype.kind)


class CannotBuild(Exception):
    """A step raised what no step may raise."""


@dataclass
class Generator:
    """Draws a program from a seed."""

    seed: int
    pool: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    known: dict[Variable, Any] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    failing: str | None = None

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.special = self.chance(0.15)  # infinities and nan among the values
        self.large = self.chance(0.05)
        self.second = self.one_of(["same", "ones", "ones", "resized"])
        self.sizes = {"n": self.size(), "m": self.size()}
        self.other_sizes = {"n": self.size(), "m": self.size()}
        more = self.some([*INTS, "bool", "float16", "complex128", "complex64"], 1)
        self.palette = [*FLOATS[:2], *self.some([*FLOATS[:2], "int64", "int32", "bool"], 2), *more]

    # -- chance ----------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, items: Any) -> Any:
        return items[self.integer(0, len(items) - 1)]

    def some(self, items: list[Any], most: int) -> list[Any]:
        return [self.one_of(items) for _ in range(self.integer(0, most))]

    def size(self) -> int:
        return self.one_of([2, 70, 300, 5000] if self.large else [0, 1, 2, 2, 3, 3, 4, 4, 5, 7, 17])

    @property
    def max_size(self) -> int:
        return LARGE_SIZE if self.large else MAX_SIZE

    # -- leaves ----------------------------------------------------------------------------------------------

    def draw(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        kind = np.dtype(dtype).kind
        if kind == "b":
            return self.rng.integers(0, 2, shape).astype(bool)
        if kind in "iu":
            if self.chance(0.1):
                info = np.iinfo(dtype)
                return self.rng.integers(info.min, info.max, shape, dtype, endpoint=True)
            return self.rng.integers(0 if kind == "u" else -4, 6, shape).astype(dtype)
        if kind == "c":
            return (self.rng.normal(size=shape) + 1j * self.rng.normal(size=shape)).astype(dtype)
        values = self.rng.normal(size=shape) * self.one_of([0.3, 1, 1, 3])
        values = np.asarray(np.round(values) if self.chance(0.2) else values)
        if self.special and values.size and self.chance(0.4):
            values.reshape(-1)[self.rng.integers(values.size)] = self.one_of([np.inf, -np.inf, np.nan, -0.0])
        return values.astype(dtype)

    def leaf(self) -> None:
        kind = self.one_of(["input", "input", "input", "shared", "shared", "constant"])
        letters = self.one_of(["", "n", "m", "nm", "nm", "nm", "mn", "nn", "n1", "1m", "11", "1", "nm1", "mnm", "1nm"])
        dims = [self.sizes.get(letter, 1) for letter in letters]
        if np.prod(dims) > self.max_size:
            dims = [min(dim, 5) for dim in dims]
        dtype = self.one_of(self.palette)
        static = tuple(dim if self.chance(0.2) else None for dim in dims)
        values = [self.draw(dtype, tuple(dims))]
        if kind == "input":
            values.append(self.draw(dtype, self.second_shape(letters, dims, static)))
            values.append(self.draw(dtype, tuple(dims)))
        self.add_leaf(kind, dtype, static if kind == "input" else (None,) * len(dims), values)

    def add_leaf(self, kind: str, dtype: str, static: tuple[int | None, ...], values: list[np.ndarray]) -> Value:
        name = f"{'xwc'[('input', 'shared', 'constant').index(kind)]}{len(self.leaves)}"
        leaf = Leaf(name, kind, dtype, static, tuple(values))
        self.leaves.append(leaf)
        value = Value(name, make_leaf(leaf), values[0])
        if kind != "constant":
            self.known[value.variable] = values[0]
        self.pool.append(value)
        return value

    def second_shape(self, letters: str, dims: list[int], static: tuple[int | None, ...]) -> tuple[int, ...]:
        """The shape in the second call: the same, some dimensions 1, or other sizes throughout."""
        shape = []
        for letter, dim, known in zip(letters, dims, static):
            if known is None and self.second == "ones" and self.chance(0.4):
                dim = 1
            elif known is None and self.second == "resized" and letter in self.other_sizes:
                dim = min(self.other_sizes[letter], 300 if len(letters) < 3 else 5)
            shape.append(dim)
        return tuple(shape)

    # -- steps -----------------------------------------------------------------------------------------------

    def pick(self, fits: Callable[[Value], bool] = lambda v: True) -> Value | None:
        """A value that fits, rather a late one; None where there is none."""
        found = [value for value in self.pool if fits(value)]
        if not found:
            return None
        late = self.integer(max(0, len(found) - 8), len(found) - 1)
        return found[late if self.chance(0.7) else self.integer(0, len(found) - 1)]

    def add(self, text: str, *args: Value) -> Value | None:
        """Try a step; None where it does not suit."""
        step = Step(f"v{len(self.steps)}", text, tuple(arg.name for arg in args))
        variables = {arg.name: arg.variable for arg in args}
        try:
            variable = make_step(step, variables)
        except (TypeError, ValueError, IndexError, NotImplementedError) as error:
            self.reject(f"{type(error).__name__}: {text}")
            return None
        except Exception as error:
            raise CannotBuild(f"{step.source()}: {type(error).__name__}: {error}") from error
        (array,) = evaluate([variable], known := dict(self.known))
        if isinstance(array, Exception):
            if self.failing is None and self.chance(0.05) and len(self.steps) > 3:
                self.steps.append(step)
                self.failing = step.name
            self.reject(f"run: {type(array).__name__}: {text}")
            return None
        if not self.suits(array, args):
            self.reject(f"unsuitable: {text}")
            return None
        self.known = known
        self.steps.append(step)
        self.pool.append(Value(step.name, variable, array))
        return self.pool[-1]

    def reject(self, why: str) -> None:
        self.rejected[why] = self.rejected.get(why, 0) + 1

    def suits(self, array: np.ndarray, args: tuple[Value, ...]) -> bool:
        if array.size > self.max_size:
            return False
        if array.dtype.kind not in "fc":
            return True
        finite = np.isfinite(array)
        if not finite.all() and all(np.isfinite(arg.array).all() for arg in args) and not self.chance(0.02):
            return False
        largest = np.abs(array[finite]).max(initial=0)
        return bool(largest < (60 if array.dtype == "float16" else 1e4))

    def program(self, count: int) -> Program:
        """A program of about ``count`` steps."""
        from tests.fuzz.steps import STEPS

        for _ in range(self.integer(4, 8)):
            self.leaf()
        weights = np.array([weight for _, weight in STEPS], float)
        for _ in range(count * 4):
            if len(self.steps) >= count or self.failing is not None:
                break
            move = STEPS[int(self.rng.choice(len(STEPS), p=weights / weights.sum()))][0]
            move(self)
        made = [value.name for value in self.pool if value.name.startswith("v")] or [self.pool[0].name]
        outputs = {self.one_of(made[len(made) // 2:]) for _ in range(4)} | {made[-1]}
        outputs |= {self.one_of(self.pool).name for _ in range(2) if self.chance(0.1)}
        if self.failing is not None:
            outputs.add(self.failing)
        updates = tuple(self.updates())  # adds casts to the steps
        return Program(tuple(self.leaves), tuple(self.steps), tuple(sorted(outputs)), updates).pruned()

    def updates(self) -> Iterable[tuple[str, str]]:
        """New values of shared variables: of their rank, cast to their dtype."""
        for leaf in [leaf for leaf in self.leaves if leaf.kind == "shared"]:
            fits = [v for v in self.pool if v.ndim == len(leaf.shape) and v.name != leaf.name
                    and np.can_cast(v.dtype, leaf.dtype, "same_kind")]
            if not fits or self.chance(0.2):
                continue
            value = self.one_of(fits)
            if value.dtype != leaf.dtype:
                step = Step(f"v{len(self.steps)}", f"T.cast({{0}}, {leaf.dtype!r})", (value.name,))
                self.steps.append(step)
                yield leaf.name, step.name
            else:
                yield leaf.name, value.name
