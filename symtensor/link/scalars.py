"""C text of single values: literals, conversions between dtypes, and the steps of a scalar program."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import is_complex, is_float
from symtensor.ops.elemwise import C_TYPES, Elemwise
from symtensor.ops.fused import Literal, ScalarProgram

__all__ = ["convert", "elementwise_text", "literal", "program_text"]


def literal(value: Any, dtype: str) -> str:
    """The C constant expression of exactly this value.

    >>> literal(0.1, "float64")
    '0x1.999999999999ap-4'
    """
    value = np.asarray(value, dtype=dtype)[()]
    if dtype == "bool":
        return "1" if value else "0"
    if is_complex(dtype):
        part = "float32" if dtype == "complex64" else "float64"
        return f"__builtin_complex({_typed(value.real, part)}, {_typed(value.imag, part)})"
    if dtype == "float16":
        return f"(st_half){_floating(float(value), 'f')}"
    if dtype in ("float32", "float64"):
        return _floating(float(value), "f" if dtype == "float32" else "")
    return _integer(int(value), dtype)


def _typed(value: Any, dtype: str) -> str:
    text = _floating(float(value), "f" if dtype == "float32" else "")
    return text if text[-1] not in "NY)" else f"({C_TYPES[dtype]}){text}"


def _floating(value: float, suffix: str) -> str:
    if value != value:
        return "(-NAN)" if np.signbit(value) else "(NAN)"  # no identifiers: a literal has no address
    if value in (float("inf"), float("-inf")):
        return "(INFINITY)" if value > 0 else "(-INFINITY)"
    if value == int(value) and abs(value) < 1e6:
        text = f"{value:.1f}{suffix}"
    else:
        mantissa, exponent = value.hex().split("p")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa}p{exponent}{suffix}"
    return f"({text})" if text[0] == "-" else text


def _integer(value: int, dtype: str) -> str:
    if dtype == "uint64":
        return f"UINT64_C({value})"
    if dtype == "int64":
        if value == -(2**63):
            return "(INT64_MIN)"
        text = str(value) if abs(value) < 2**31 else f"INT64_C({value})"
        return f"({text})" if value < 0 else text
    if dtype == "uint32":
        return f"{value}u"
    if dtype == "int32" and value == -(2**31):
        return "(INT32_MIN)"
    return f"({value})" if value < 0 else str(value)


def convert(text: str, source: str, target: str) -> str:
    """The C expression ``text`` of dtype ``source`` as one of ``target``, as NumPy's astype converts.

    float16 is converted to float where it is an operand: ask for "float32" then.
    """
    if source == target:
        return text
    if target == "bool":
        return f"(st_bool)({text} != 0)"
    if source == "bool" and is_float(target):  # compilers make a vector of a choice, not of a widened byte
        one = "1.0" if target == "float64" else "1.0f"
        return f"({text} ? {one} : {one.replace('1', '0', 1)})"
    if is_complex(source) and not is_complex(target):
        text = f"__real__ {text}" if text.isidentifier() else f"__real__ ({text})"
    return f"({C_TYPES[target]}){text}" if text.isidentifier() else f"({C_TYPES[target]})({text})"


def elementwise_text(op: Elemwise, args: Sequence[Any], dtypes: Sequence[str]) -> str:
    """The C expression of an elementwise op on C expressions, or values known now, of these dtypes."""
    converted = []
    for arg, dtype, operand in zip(args, dtypes, op.operand_dtypes(dtypes), strict=True):
        target = "float32" if operand == "float16" else operand
        if isinstance(arg, str):
            converted.append(convert(arg, dtype, target))
        else:
            with np.errstate(all="ignore"):
                converted.append(literal(np.asarray(arg).astype(operand), target))
    return op.c_expression(dtypes, converted)


def program_text(program: ScalarProgram, values: dict[int, str], needed: Collection[int]) -> list[str]:
    """The C statements of the steps in ``needed``. ``values`` holds C expressions by value number: those of the inputs
    are given, those of the steps are added; a step that is there already is not computed again."""
    first = len(program.inputs)
    lines: list[str] = []
    for at, step in enumerate(program.steps):
        number = first + at
        if number in values or number not in needed or not isinstance(step.op, Elemwise):
            continue
        dtypes = [program.dtype(arg) for arg in step.args]
        args = [arg.value if isinstance(arg, Literal) else values[arg] for arg in step.args]
        values[number] = f"v{number}"
        lines.append(f"const {C_TYPES[step.dtype]} v{number} = {elementwise_text(step.op, args, dtypes)};")
    return lines
