"""Random-graph differential fuzzing: ``python3 dev.py fuzz [--seconds N] [--seed S] [--count N]``.

Each seed is one random program, run in a process of its own (a crash or a hang is a finding too). One that fails is cut
down to what still fails in the same way and written as a script into out/fuzz/.
"""

from __future__ import annotations

import argparse
import inspect
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import symtensor.compile.native  # loaded once, before the processes are made
import symtensor.compile.shared
import symtensor.link.native
import symtensor.optimize.pipeline
import symtensor.optimize.rules  # noqa: F401
from symtensor import config
from tests.fuzz.compare import MODES, Failure, check, laid_out, layout_of, run_mode
from tests.fuzz.generator import CannotBuild, Generator, Leaf, Program, build

OUT = Path(__file__).resolve().parents[2] / "out" / "fuzz"
STEPS = 22
TIME_LIMIT = 120.0


def draw(seed: int, count: int = STEPS) -> Program:
    return Generator(seed).program(count)


def check_seed(seed: int) -> tuple[Program | None, Failure | None]:
    """The program of a seed, and what fails in it."""
    try:
        program = draw(seed)
    except CannotBuild as error:
        return None, Failure("cannot build", str(error))
    return program, check(program)


# -- processes of their own ----------------------------------------------------------------------------------


def apart(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a process of its own; a Failure where that crashes or hangs."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(send, work))
    process.start()
    send.close()
    try:
        found = receive.recv() if receive.poll(TIME_LIMIT) else Failure("hangs", f"no result in {TIME_LIMIT} s")
    except EOFError:
        process.join()
        found = Failure("crash", f"the process ended with status {process.exitcode}")
    if process.is_alive():
        process.join(1)
        process.kill()
    process.join()
    return found


def _send(connection: Any, work: Callable[[], Any]) -> None:
    try:
        found = work()
    except Exception as error:
        found = Failure(f"fuzzer {type(error).__name__}", str(error))
    connection.send(found)


# -- cutting down --------------------------------------------------------------------------------------------


def minimized(program: Program, failure: Failure, seconds: float = 60.0,
              checked: Callable[[Program], Failure | None] = check) -> tuple[Program, Failure]:
    """A smaller program that fails in the same way, as ``checked`` says."""
    end = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(program):
            if time.monotonic() > end:
                return program, failure
            found = apart(lambda: checked(candidate))
            if found is not None and found.kind == failure.kind:
                program, failure, smaller = candidate, found, True
                break
    return program, failure


def candidates(program: Program) -> Iterator[Program]:
    """Programs with less in them: outputs, updates, calls, steps, then elements."""
    if len(program.outputs) > 1:
        for name in program.outputs:
            yield replace(program, outputs=(name,)).pruned()
    for k in range(len(program.updates)):
        yield replace(program, updates=(*program.updates[:k], *program.updates[k + 1:])).pruned()
    if program.updates and program.outputs:
        yield replace(program, outputs=()).pruned()
    if program.calls() > 1:
        for call in range(program.calls()):
            kept = [replace(v, values=(v.values[call],)) if v.kind == "input" else v for v in program.leaves]
            yield replace(program, leaves=tuple(kept))
    yield from _without_steps(program)
    yield from _shorter(program)
    for k, leaf in enumerate(program.leaves):
        if leaf.kind != "input":
            values = leaf.values * program.calls()
            changed = replace(leaf, kind="input", values=values)
            if all(target != leaf.name for target, _ in program.updates):
                yield replace(program, leaves=(*program.leaves[:k], changed, *program.leaves[k + 1:]))


def _without_steps(program: Program) -> Iterator[Program]:
    """A step replaced by an input with its value, the first steps first; or by one of its arguments."""
    for k, step in enumerate(program.steps):
        value = _value_of(program, step.name)
        if value is not None and step.name not in program.outputs and all(step.name != n for _, n in program.updates):
            leaf = Leaf(step.name, "input", value[0].dtype.name, (None,) * value[0].ndim, tuple(value))
            leaves = (*program.leaves, leaf)
            yield replace(program, leaves=leaves, steps=(*program.steps[:k], *program.steps[k + 1:])).pruned()
        for arg in step.args:
            changed = replace(step, text="{0}", args=(arg,))
            if step.text != "{0}":
                yield replace(program, steps=(*program.steps[:k], changed, *program.steps[k + 1:])).pruned()


def _value_of(program: Program, name: str) -> list[np.ndarray] | None:
    """The values of a step in each call, as the unoptimized interpreter computes them."""
    alone = replace(program, outputs=(name,))
    try:
        result = run_mode(alone, build(alone), MODES["py, unoptimized"]())
    except Exception:
        return None
    if any(isinstance(call, Exception) for call in result.calls):
        return None
    return [call[0].copy() for call in result.calls]  # type: ignore[index]


def _shorter(program: Program) -> Iterator[Program]:
    """All dimensions of one length halved, or shortened by one."""
    lengths = {n for leaf in program.leaves for value in leaf.values for n in value.shape if n > 1}
    for length in sorted(lengths, reverse=True):
        for new in dict.fromkeys((length // 2, length - 1)):
            leaves = []
            for leaf in program.leaves:
                cuts = [tuple(slice(new if n == length else None) for n in value.shape) for value in leaf.values]
                values = tuple(np.array(value[cut]) for value, cut in zip(leaf.values, cuts))
                leaves.append(replace(leaf, values=values, shape=tuple(new if n == length else n for n in leaf.shape)))
            yield replace(program, leaves=tuple(leaves))


# -- scripts -------------------------------------------------------------------------------------------------

_HEAD = '''"""{title}"""

import numpy as np
from numpy import inf, nan

import symtensor
from symtensor import Mode
from symtensor import tensor as T


def array(dtype, shape, parts):
    real = np.array(parts, {{"complex64": "float32", "complex128": "float64"}}.get(dtype, dtype))
    return real.view(dtype).reshape(shape)


{laid_out}

'''

_TAIL = '''
for mode in (Mode("py", "None"), Mode("py", "fast_run"), Mode("c", "fast_run"), Mode("c", "None")):
    for variable, value in shared.items():
        variable.set_value(value)
    print(f"-- {{mode}}")
    try:
        f = symtensor.function([{inputs}], [{outputs}], updates=[{updates}], mode=mode, on_unused_input="ignore")
        for values in calls:
            print(f(*values), [variable.get_value() for variable in shared])
    except Exception as error:
        print(f"{{type(error).__name__}}: {{error}}")
'''


def array_text(value: np.ndarray) -> str:
    parts = np.ascontiguousarray(value).reshape(-1)
    if value.dtype.kind == "c":
        parts = parts.view(parts.real.dtype)
    return f"array({value.dtype.name!r}, {value.shape}, {parts.tolist()})"


def script(program: Program, failure: Failure, title: str) -> str:
    """The program as Python text that shows what each mode gives."""
    title = f"{title}: {failure.kind}. {failure.detail}".replace('"""', "'''").replace("\\", "/")
    lines = [_HEAD.format(title=title, laid_out=inspect.getsource(laid_out))]
    for leaf in program.leaves:
        if leaf.kind == "input":
            made = f"T.TensorType({leaf.dtype!r}, {leaf.shape})({leaf.name!r})"
        else:
            kind = "symtensor.shared" if leaf.kind == "shared" else "T.constant"
            made = f"{kind}({array_text(leaf.values[0])}, {leaf.name!r})"
        lines.append(f"{leaf.name} = {made}\n")
    lines += [f"{step.name} = {step.source()}\n" for step in program.steps]
    inputs = [leaf for leaf in program.leaves if leaf.kind == "input"]
    shared = [leaf for leaf in program.leaves if leaf.kind == "shared"]
    lines.append(f"shared = {{{', '.join(f'{leaf.name}: {array_text(leaf.values[0])}' for leaf in shared)}}}\n")
    calls = [f"    [{', '.join(f'laid_out({array_text(leaf.values[k])}, {layout_of(leaf)})' for leaf in inputs)}],\n"
             for k in range(program.calls())]
    lines.append(f"calls = [\n{''.join(calls)}]\n")
    lines.append(_TAIL.format(inputs=", ".join(leaf.name for leaf in inputs), outputs=", ".join(program.outputs),
                              updates=", ".join(f"({a}, {b})" for a, b in program.updates)))
    return "".join(lines)


# -- the runner ----------------------------------------------------------------------------------------------


def report(seed: int, program: Program | None, failure: Failure) -> Path | None:
    """Minimize, write the script, say so."""
    if program is None:
        print(f"seed {seed}: {failure.kind}: {failure.detail}", flush=True)
        return None
    program, failure = minimized(program, failure)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"seed_{seed}.py"
    path.write_text(script(program, failure, f"seed {seed}"))
    print(f"seed {seed}: {failure.kind}: {failure.detail.splitlines()[0]}\n    {path}: "
          + "; ".join(f"{s.name} = {s.source()}" for s in program.steps), flush=True)
    return path


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument("--count", type=int, default=10**9, help="at most so many programs")
    parser.add_argument("--flags", default="-O1", help="flags for the C compiler; -O1 compiles faster (default)")
    options = parser.parse_args(arguments)
    config.compiler_flags = options.flags
    first = options.seed if options.seed is not None else int(time.time()) % 10**8
    end, seed, failures = time.monotonic() + options.seconds, first, 0
    while time.monotonic() < end and seed < first + options.count:
        found = apart(lambda: check_seed(seed))
        program, failure = found if isinstance(found, tuple) else (draw(seed), found)
        if failure is not None:
            failures += 1
            report(seed, program, failure)
        seed += 1
    print(f"{seed - first} programs from seed {first}: {failures} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
