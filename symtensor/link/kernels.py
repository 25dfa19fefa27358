"""From an op's `Kernel` to a C function: the macros its body is written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symtensor.graph.op import Kernel
from symtensor.link.functions import Driver, Function
from symtensor.link.layout import ONE, Product
from symtensor.ops.elemwise import C_TYPES

__all__ = ["KernelOperand", "emit_kernel"]

GRAIN = 16384  # elements touched that are worth a thread


@dataclass
class KernelOperand:
    """An input or output of a kernel. ``shared``: its memory is also that of another operand."""

    dtype: str
    dims: tuple[Product, ...]
    strides: tuple[Product, ...]
    pointer: str
    shared: bool = False


def emit_kernel(driver: Driver, kernel: Kernel, node: int, inputs: Sequence[KernelOperand],
                outputs: Sequence[KernelOperand], size: str | None, work: str | None = None) -> None:
    """Append the function of a kernel and its call; ``size`` is the number of iterations as C text, None for a body
    that runs once; ``work`` is `Kernel.work` as C text. The call is followed by a check for failures where the body has
    any."""
    function = Function(driver, "st_")
    body = kernel.body
    macros: list[str] = []
    if "FAIL" in body:
        function.field("st_call *const", "st_call_", "call")
        function.field("const int32_t", "st_node", str(node))
    if "RT" in body:
        function.field("const st_runtime *const", "st_rt", "rt")
        macros.append("RT st_rt")
    operands = [*((f"IN{k}", operand) for k, operand in enumerate(inputs)),
                *((f"OUT{k}", operand) for k, operand in enumerate(outputs))]
    for name, operand in operands:
        if name in body:
            macros += _operand(function, name, operand, body)
    lines = body.strip("\n").split("\n")
    names = [macro.split("(")[0].split(" ")[0] for macro in macros]
    whole = size is None or kernel.ranged
    loop = ["{", *lines, "}"] if whole else ["for (int64_t i = begin; i < end; i++) {", *lines, "}"]
    function.add([*(f"#define {macro}" for macro in macros), *loop, *(f"#undef {name}" for name in names)])
    driver.support(kernel.support)
    if size is None:
        function.call("1", "1")
    else:
        touched = [operand for name, operand in operands if not work or (name[0] == "O" and not operand.shared)]
        total = " + ".join([*([work] if work else []), *(driver.product(_elements(driver, each)) for each in touched)])
        count = driver.local("int64_t", size)
        grain = f"st_grain({GRAIN}, {count}, {total})"  # a ranged body may do something for each range: few of them
        function.call(count, f"st_most({grain}, st_blocks({count}, rt->threads))" if kernel.ranged else grain)
    if "FAIL" in body:
        driver.add(["if (call->error.code) { status = ST_FAILED; goto done; }"])


def _elements(driver: Driver, operand: KernelOperand) -> Product:
    return driver.symbols.multiply(ONE, *operand.dims)


def _operand(function: Function, name: str, operand: KernelOperand, body: str) -> list[str]:
    """The parameters of one operand, and the macros that read them."""
    low, ctype = f"st_{name.lower()}", C_TYPES[operand.dtype]
    qualified = f"const {ctype}" if name.startswith("IN") else ctype
    if operand.shared:
        function.field(f"{qualified} *const", low, operand.pointer)
    else:
        function.pointer(qualified, low, operand.pointer)
    macros = [f"{name}_T {ctype}", f"{name}_PTR {low}"]
    rank = len(operand.dims)
    if f"{name}_DIM" in body:
        sizes = ", ".join(map(function.size, operand.dims)) or "0"
        function.add([f"const int64_t {low}_dim[] = {{{sizes}}};"])
        macros.append(f"{name}_DIM(k) {low}_dim[k]")
    if f"{name}_STRIDE" in body:
        steps = ", ".join(map(function.size, operand.strides)) or "0"
        function.add([f"const int64_t {low}_step[] = {{{steps}}};"])
        macros.append(f"{name}_STRIDE(k) {low}_step[k]")
    if f"{name}(" in body:
        letters = [f"a{axis}" for axis in range(rank)]
        terms = []
        for letter, stride in zip(letters, operand.strides, strict=True):
            text = function.size(stride)
            terms.append(f"({letter})" if text == "1" else f"({letter}) * {text}")
        macros.append(f"{name}({', '.join(letters)}) {low}[{' + '.join(terms) or '0'}]")
    return macros
