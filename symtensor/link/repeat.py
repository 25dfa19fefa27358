"""The C text of loops over steps: a ``for`` around the kernels of a step, with what is carried in locals or rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symtensor.link.bodies import Carry
from symtensor.link.layout import ONE, Product
from symtensor.link.loops import LoopTarget, emit_loops
from symtensor.link.program import Array, Step
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.fused import ScalarProgram
from symtensor.ops.loop import loop_of

if TYPE_CHECKING:
    from symtensor.link.c import Emitter

__all__ = ["begin_loop", "copy_array", "end_loop", "put"]


def copy_array(emitter: Emitter, step: Step, source: Array, target: str) -> None:
    """Copy an array to contiguous memory at the C expression ``target``."""
    symbols, driver = emitter.program.symbols, emitter.driver
    if source.contiguous and source.root.kind != "scalar":
        size = driver.product(symbols.multiply(Product(np.dtype(source.dtype).itemsize), symbols.size(source.dims)))
        driver.add([f"memcpy({target}, {emitter.storage.pointer(source)}, (size_t)({size}));"])
        return
    ctype = C_TYPES[source.dtype]
    place = driver.local(f"{ctype} *", f"({ctype} *){target}", "p")
    emit_loops(driver, ScalarProgram((source.dtype,), (), ((0, None),)), [symbols.of(dim) for dim in source.dims],
               [emitter.operand(step, source, source.dims)], [LoopTarget(source.dtype, place)])


def begin_loop(emitter: Emitter, step: Step) -> None:
    """Initial rows, and the head of the ``for``."""
    driver, node = emitter.driver, step.node
    if node is None:
        return
    steps = emitter.scalar(node.inputs[0])
    if loop_of(node).until:
        name = driver.fresh("s")
        driver.add([f"int64_t {name} = {steps};"])
        driver.names[node.outputs[-1]] = name
        step.counted = name
    for carry in step.carries:
        _start(emitter, step, carry)
    for array in (*step.reads, *step.writes):  # names of what lies outside are made outside
        if array.root.kind != "scalar":
            emitter.storage.pointer(array)
    driver.push()
    t = step.counter
    if step.fallible:  # known where the call ends, so that an error tells the step
        emitter.counters.append((t, step.info))
    driver.add([f"for ({'' if step.fallible else 'int64_t '}{t} = 0; {t} < {steps}; {t}++) {{"])
    for carry in step.carries:
        if carry.home is None:
            continue
        ring = f" % {carry.state.depth + 1}" if carry.home is not carry.trace else ""
        for tap in (*carry.state.taps, 0):
            shift = carry.state.depth + tap
            text = f"({t} + {shift}){ring}" if shift else f"{t}{ring}"
            driver.add([f"const int64_t {carry.row}_{-tap} = {text};"])
    for row, whole in step.scalars:
        ctype = C_TYPES[whole.dtype]
        at = driver.product(emitter.program.symbols.multiply(whole.strides[0]))
        element = f"{emitter.storage.pointer(whole)}[{t}{'' if at == '1' else f' * {at}'}]"
        driver.names[row] = driver.local(ctype, element, "s")
    for carry in step.carries:
        if not carry.new.type.ndim:
            for tap, variable in zip(carry.state.taps, carry.taps, strict=True):
                driver.names[variable] = f"{carry.row}v{-tap}"


def _start(emitter: Emitter, step: Step, carry: Carry) -> None:
    """The initial rows of a state."""
    driver, state = emitter.driver, carry.state
    if carry.home is not None:
        copy_array(emitter, step, carry.initial, emitter.storage.pointer(carry.home))
    if carry.new.type.ndim:
        return
    ctype = C_TYPES[carry.new.type.dtype]
    stride = driver.product(carry.initial.strides[0])
    for lag in range(1, state.depth + 1):
        source = emitter.storage.pointer(carry.initial)
        if carry.initial.root.kind == "scalar":
            value = emitter.scalar(carry.initial.root.local)  # type: ignore[arg-type]
        else:
            value = f"{source}[{state.depth - lag}{'' if stride == '1' else f' * {stride}'}]"
        driver.add([f"{ctype} {carry.row}v{lag} = {value};"])


def end_loop(emitter: Emitter, step: Step) -> None:
    """The tail of the ``for``: scalars move on; the last rows of rings go to their outputs."""
    loop = step.loop
    if loop is None or loop.node is None:
        return
    driver, op = emitter.driver, loop_of(loop.node)
    for carry in loop.carries:
        if carry.new.type.ndim:
            continue
        value = emitter.scalar(carry.new)
        if carry.home is not None:
            driver.add([f"{emitter.storage.pointer(carry.home)}[{carry.row}_0] = {value};"])
    body = emitter.program.body(loop.node)
    moves = []
    for carry in loop.carries:
        if not carry.new.type.ndim:
            fresh = driver.local(C_TYPES[carry.new.type.dtype], emitter.scalar(carry.new), "s")
            moves += [f"{carry.row}v{lag} = {carry.row}v{lag - 1};" for lag in range(carry.state.depth, 1, -1)]
            moves.append(f"{carry.row}v1 = {fresh};")
    driver.add(moves)
    if op.until:
        driver.add([f"if ({emitter.scalar(body.outputs[-1])}) {{ {loop.counted} = {loop.counter} + 1; break; }}"])
    driver.pop()
    driver.add([f"}} {loop.counter} = -1;" if loop.fallible else "}"])
    steps = loop.counted if op.until else emitter.scalar(loop.node.inputs[0])
    for carry in loop.carries:
        _finish(emitter, carry, steps)


def _finish(emitter: Emitter, carry: Carry, steps: str) -> None:
    state, driver = carry.state, emitter.driver
    if state.keep is None:
        return
    target = emitter.storage.pointer(carry.trace)
    for j in range(state.keep):
        lag = state.keep - j
        if carry.home is None:
            driver.add([f"{target}[{j}] = {carry.row}v{lag};"])
            continue
        size = emitter.program.symbols.multiply(ONE, carry.trace.strides[0])
        row = f"(({steps} + {state.depth - lag}) % {state.depth + 1})"
        one, base = driver.product(size), emitter.storage.pointer(carry.home)
        driver.add([f"memcpy({target} + {j} * ({one}), {base} + {row} * ({one}), sizeof *{target} * (size_t)({one}));"])


def put(emitter: Emitter, step: Step) -> None:
    """A value into a row of what a loop stacks."""
    (target,) = step.writes
    for axis, (have, want) in enumerate(zip(target.dims, step.expected, strict=False)):
        found, wanted = emitter.scalar(have), emitter.scalar(want)
        if found != wanted:
            emitter.driver.add([f"if ({found} != {wanted}) "
                                f"{emitter.fail('ST_SHAPE', step.info, [str(axis), wanted, found])}"])
    if step.source is not None and not step.source.type.ndim:
        emitter.driver.add([f"*{emitter.storage.pointer(target)} = {emitter.scalar(step.source)};"])
        return
    copy_array(emitter, step, step.reads[0], emitter.storage.pointer(target))
