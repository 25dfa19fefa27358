"""One program in every mode: do dtypes, shapes, values, errors and the states of shared variables agree?

How far floats may differ is found out, not guessed: the interpreter runs again with every rounding disturbed by a few
units in the last place (stochastic arithmetic). What does not change then must be equal to the bit, what changes may
differ as much as that; elements whose value is decided by roundings (``floor`` of what is nearly an integer) are found
so as well. Unoptimized native code rounds ``+ - * /`` and roots as NumPy does, so these are not disturbed for it.
The optimizer's stable spellings may give numbers where the interpreter overflows, so from there on it is not compared.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symtensor import Mode, config, function
from symtensor.graph.variable import Variable
from symtensor.ops.elemwise import Elemwise
from tests.fuzz.generator import Leaf, Program, build, evaluate

MODES = {
    "py, unoptimized": lambda: Mode("py", "None"),
    "py, optimized": lambda: Mode("py", "fast_run"),
    "c, optimized": lambda: Mode("c", "fast_run"),
    "c, unoptimized": lambda: Mode("c", "None"),
}
SAMPLES = 4
PLAIN = {"neg", "abs_", "maximum", "minimum", "switch", "second", "tensor_copy", "clip", "sgn", "floor", "ceil",
         "trunc", "round_half_to_even", "round_half_away_from_zero", "real", "imag", "conj", "relu", "complex"}
ROUNDED_AS_NUMPY = {"add", "sub", "mul", "true_div", "sqrt", "sqr", "inv", "mod", "int_div"}
PRODUCTS = {"Dot", "BatchedDot", "Gemm"}
MOVES = {"DimShuffle", "Reshape", "Subtensor", "AdvancedSubtensor", "AdvancedSubtensor1", "Join", "Alloc",
         "SpecifyShape", "Unbroadcast", "Repeat", "Eye", "Tri", "ARange", "MakeVector"}


@dataclass
class Failure:
    """What went wrong: ``kind`` is the short form that stays the same while a program is cut down."""

    kind: str
    detail: str


@dataclass
class Result:
    """What the calls of a function gave: results and states, or the error of each."""

    calls: list[list[np.ndarray] | Exception] = field(default_factory=list)
    states: list[list[np.ndarray]] = field(default_factory=list)
    overflowed: list[bool] = field(default_factory=list)  # whether a finite value became infinite or nan


class Disturb:
    """Changes results by a few units in the last place; ``native`` leaves alone what native code rounds equally."""

    def __init__(self, seed: int, native: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.native = native
        self.overflowed = False

    def __call__(self, node: Any, inputs: list[Any], result: np.ndarray) -> np.ndarray:
        if not self.native and not is_finite(result):
            self.overflowed |= all(map(is_finite, inputs))
        if result.dtype.kind not in "fc" or not result.size:
            return result
        op, name = node.op, getattr(node.op, "name", "")
        if type(op).__name__ in PRODUCTS and not all(map(is_finite, inputs)):  # BLAS may skip 0 * inf
            return np.full_like(result, self.rng.choice([np.nan, 0.0]))
        eps, places, scale = np.finfo(result.dtype).eps, 32, np.abs(result)
        if isinstance(op, Elemwise):
            exact = name in PLAIN or (name.startswith("cast{") and (self.native or eps <= input_eps(inputs)))
            exact |= self.native and name in ROUNDED_AS_NUMPY
            if exact and not any(map(np.iscomplexobj, (result, *inputs))):
                return result
            scale = scale + (name == "gammaln")  # near its zeros it is not exact relatively
            places = 4 if name in ROUNDED_AS_NUMPY or name.startswith("cast{") else 32
        elif type(op).__name__ in MOVES or (type(op).__name__ == "Reduction" and name in ("max", "min")):
            return result
        else:  # sums: the terms may cancel
            largest = [np.abs(x[np.isfinite(x)]).max(initial=0) for x in map(np.asarray, inputs)]
            scale = scale + (np.max(largest, initial=0) if type(op).__name__ != "Softmax" else 0)
        with np.errstate(all="ignore"):
            moved = result + self.rng.uniform(-places, places, result.shape) * eps * scale
        return np.where(np.isfinite(result), moved, result).astype(result.dtype)


def is_finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def input_eps(inputs: list[Any]) -> float:
    return max(np.finfo(x.dtype).eps if x.dtype.kind in "fc" else 0.0 for x in map(np.asarray, inputs))


def initial(leaf: Leaf) -> np.ndarray:
    return leaf.values[0].copy()


def layout_of(leaf: Leaf) -> int:
    """The layout of the arrays a function is given for a leaf: it depends on the name."""
    return int(leaf.name[1:]) % 5 if leaf.shape else 0


def laid_out(value: np.ndarray, kind: int) -> np.ndarray:
    """A copy that is transposed, reversed, with gaps, or contiguous."""
    if kind == 1:
        return value.copy(order="F")
    if kind == 2:
        return value[::-1].copy()[::-1]
    if kind == 3:
        spread = np.zeros((*value.shape[:-1], 2 * value.shape[-1]), value.dtype)
        spread[..., ::2] = value
        return spread[..., ::2]
    return value.copy()


def run_mode(program: Program, variables: dict[str, Variable], mode: Mode) -> Result:
    """Compile and call; the shared variables start from their first values."""
    given = [leaf for leaf in program.leaves if leaf.kind == "input"]
    shared = [leaf for leaf in program.leaves if leaf.kind == "shared"]
    for leaf in shared:
        variables[leaf.name].set_value(initial(leaf))  # type: ignore[attr-defined]
    f = function([variables[leaf.name] for leaf in given], [variables[name] for name in program.outputs], mode=mode,
                 updates=[(variables[target], variables[name]) for target, name in program.updates],
                 on_unused_input="ignore")
    result = Result()
    for call in range(program.calls()):
        arrays = [laid_out(leaf.values[call], layout_of(leaf)) for leaf in given]
        try:
            returned = [np.asarray(value) for value in f(*arrays)]
            values: Any = [value.copy() for value in returned]
            for value in returned:  # they are the caller's: nothing else may lie there
                if value.flags.writeable:
                    value.fill(1)
        except Exception as error:
            values = error
        for array, leaf in zip(arrays, given):
            if array.tobytes() != leaf.values[call].tobytes():
                raise AssertionError(f"the call changed its argument {leaf.name}")
        result.calls.append(values)
        result.states.append([variables[leaf.name].get_value() for leaf in shared])  # type: ignore[attr-defined]
    return result


def run_disturbed(program: Program, variables: dict[str, Variable], seed: int, native: bool) -> Result:
    """The calls by `perform`, with noise."""
    shared = {leaf.name: initial(leaf) for leaf in program.leaves if leaf.kind == "shared"}
    result, noise = Result(), Disturb(seed, native)
    for call in range(program.calls()):
        known = {variables[leaf.name]: leaf.values[call] for leaf in program.leaves if leaf.kind == "input"}
        known.update({variables[name]: value for name, value in shared.items()})
        names = [*program.outputs, *(name for _, name in program.updates)]
        values = evaluate([variables[name] for name in names], known, noise)
        error = next((value for value in values if isinstance(value, Exception)), None)
        if error is None:
            shared.update(zip([target for target, _ in program.updates], values[len(program.outputs):]))
        result.calls.append(error or values[: len(program.outputs)])
        result.states.append(list(shared.values()))
        result.overflowed.append(noise.overflowed)
    return result


def check(program: Program, modes: tuple[str, ...] = tuple(MODES)) -> Failure | None:
    """Run the program in all modes; the first disagreement, or None."""
    with config.change_flags(floatX="float64"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        variables = build(program)
        first, *others = modes
        try:
            expected = run_mode(program, variables, MODES[first]())
        except Exception as error:
            return Failure(f"{first}: compile {type(error).__name__}", str(error))
        disturbed: dict[bool, list[Result]] = {}
        for name in others:
            native = name == "c, unoptimized"
            if native not in disturbed:
                disturbed[native] = [run_disturbed(program, variables, k, native) for k in range(SAMPLES)]
            try:
                found = run_mode(program, variables, MODES[name]())
            except Exception as error:
                if not isinstance(error, (ValueError, IndexError, TypeError)):
                    return Failure(f"{name}: compile {type(error).__name__}", str(error))
                # what the optimizer finds that cannot run in any call
                found = Result([error] * program.calls(), expected.states)
            failure = difference(program, expected, found, disturbed[native], not native)
            if failure is not None:
                return Failure(f"{name}: {failure.kind}", failure.detail)
    return None


def difference(program: Program, expected: Result, found: Result, disturbed: list[Result],
               optimized: bool) -> Failure | None:
    shared = [leaf.name for leaf in program.leaves if leaf.kind == "shared"]
    for call, (one, other) in enumerate(zip(expected.calls, found.calls)):
        samples = [result.calls[call] for result in disturbed]
        if any(isinstance(sample, Exception) != isinstance(one, Exception) for sample in samples):
            return None  # roundings decide whether there is an error
        if any(result.overflowed[call] for result in disturbed):
            return None
        if isinstance(one, Exception) or isinstance(other, Exception):
            possible = errors_of(program, expected, call, optimized)
            if not isinstance(one, Exception) or type(other) not in possible:
                return Failure("error", f"call {call}: expected {shown(one)}, got {shown(other)}")
            if not isinstance(other, Exception):
                return None  # and the states differ from now on
        else:
            for k, name in enumerate(program.outputs):
                text = unequal(one[k], other[k], [sample[k] for sample in samples])  # type: ignore[index]
                if text:
                    return Failure("values" if "shape" not in text else "type", f"call {call}, output {name}: {text}")
        for k, name in enumerate(shared):
            text = unequal(expected.states[call][k], found.states[call][k], [r.states[call][k] for r in disturbed])
            if text:
                return Failure("state", f"call {call}, shared {name}: {text}")
    return None


def errors_of(program: Program, expected: Result, call: int, optimized: bool) -> set[type]:
    """The classes of what a call may give in which something fails. Of several errors any may be met first. One behind
    which others follow may not be met: nothing but the shape of its result may be needed, or that may not fit; nor one
    of an elementwise op that, optimized, needs but the shape of an operand (``x * 0`` in integers)."""
    variables = build(program)
    known = {variables[leaf.name]: leaf.values[call] for leaf in program.leaves if leaf.kind == "input"}
    shared = [leaf for leaf in program.leaves if leaf.kind == "shared"]
    before = expected.states[call - 1] if call else [leaf.values[0] for leaf in shared]
    known.update({variables[leaf.name]: value for leaf, value in zip(shared, before)})
    made = [variables[name] for name in (*program.outputs, *(name for _, name in program.updates))]
    errors = {v: value for v, value in zip(made, evaluate(made, known)) if isinstance(value, Exception)}
    last = [v.owner is not None and not (optimized and isinstance(v.owner.op, Elemwise)) and all(
        known.get(x) is not error for x in v.owner.inputs) for v, error in errors.items()]
    possible: set[type] = {type(error) for error in errors.values()}
    if not all(last):
        possible |= {IndexError, ValueError}
    return possible if any(last) else possible | {list}


def shown(value: Any) -> str:
    return f"{type(value).__name__}: {str(value).splitlines()[0]}" if isinstance(value, Exception) else "a result"


def unequal(expected: np.ndarray, found: np.ndarray, samples: list[np.ndarray]) -> str:
    """What is wrong with ``found``; empty where nothing is."""
    if any(sample.shape != expected.shape for sample in samples):
        return ""
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return f"expected {expected.dtype} of shape {expected.shape}, got {found.dtype} of shape {found.shape}"
    if not expected.size:
        return ""
    with np.errstate(all="ignore"):
        same = (expected == found) | ((expected != expected) & (found != found))
        if expected.dtype.kind in "biu":
            stable = np.all([sample == expected for sample in samples], axis=0)
            wrong = stable & ~same
        else:
            finite = np.all([np.isfinite(sample) == np.isfinite(expected) for sample in samples], axis=0)
            spread = np.max([np.abs(sample - expected) for sample in samples], axis=0)
            bound = 6 * spread + np.finfo(expected.dtype).tiny * (spread > 0) * 4
            near = np.abs(found - expected) <= np.where(np.isfinite(expected), bound, 0)
            wrong = finite & ~same & ~near
    if not wrong.any():
        return ""
    places = list(zip(*np.nonzero(wrong)))[:3] if wrong.ndim else [()]
    pairs = "; ".join(f"{list(map(int, at))}: expected {expected[at]!r}, got {found[at]!r}" for at in places)
    return f"{int(wrong.sum())} of {wrong.size} {expected.dtype} elements differ: {pairs}"
