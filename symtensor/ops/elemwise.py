"""The family of elementwise ops: one record of a few lines for each function.

`elementwise` makes a primitive (it has a C text), `composite` one that is spelled with others and stays one node
until lowering. All are `Elemwise` ops: inputs of equal rank, broadcast against each other as NumPy does, at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Op, Shape
from symtensor.graph.types import DTYPES, TensorType, is_complex, is_float, is_integer, upcast
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import as_tensor_variable, int64_constant, static_value
from symtensor.ops.dimshuffle import DimShuffle, pad_left

__all__ = ["C_TYPES", "ELEMENTWISE", "Elemwise", "broadcast_static", "composite", "elementwise", "upgrade_to_float"]

C_TYPES = {
    "bool": "st_bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
    "float16": "st_half", "float32": "float", "float64": "double",
    "complex64": "st_complex64", "complex128": "st_complex128",
}
"""The C type elements are stored in."""

_FLOAT_OF = {"bool": "float32", "int8": "float32", "uint8": "float32", "int16": "float32", "uint16": "float32",
             "int32": "float64", "uint32": "float64", "int64": "float64", "uint64": "float64"}

DtypeRule = str | Callable[..., str]

ELEMENTWISE: dict[str, Elemwise] = {}
"""Every elementwise op by name: tests, printers and documentation read it."""


def upgrade_to_float(*dtypes: str) -> str:
    """The float dtype that functions such as exp compute integers in: float32 up to 16 bits, else float64 (Theano's
    rule); floats and complex numbers stay, and take integers beside them as NumPy does."""
    if any(dtype not in _FLOAT_OF for dtype in dtypes):
        return upcast(*dtypes)
    return upcast(*(_FLOAT_OF[dtype] for dtype in dtypes))


_DTYPE_RULES: dict[str, Callable[..., str]] = {
    "upcast": upcast,
    "float": upgrade_to_float,
    "bool": lambda *dtypes: "bool",
    "first": lambda *dtypes: dtypes[0],
    "real": lambda dtype: str({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)),
}


def _kind(dtype: str) -> str:
    if dtype == "bool":
        return "bool"
    if is_integer(dtype):
        return "uint" if dtype.startswith("u") else "int"
    return "complex" if is_complex(dtype) else "float"


def broadcast_static(op: Any, types: Sequence[TensorType]) -> tuple[int | None, ...]:
    """The static shape of a broadcast; ValueError where known dimensions cannot meet.

    An unknown dimension beside a known one greater than 1 gives the known one.
    """
    if all(t.shape == types[0].shape for t in types):
        return tuple(types[0].shape)
    result: list[int | None] = []
    for axis, dims in enumerate(zip(*(t.shape for t in types), strict=True)):
        known = {dim for dim in dims if dim is not None and dim != 1}
        if len(known) > 1:
            shapes = ", ".join(str(t.shape) for t in types)
            raise ValueError(f"{op}: the shapes {shapes} do not broadcast: dimension {axis} is {sorted(known)}")
        result.append(known.pop() if known else (1 if all(dim == 1 for dim in dims) else None))
    return tuple(result)


class Elemwise(Op):
    """One elementwise function. Instances are made by `elementwise` and `composite` and compared by identity."""

    broadcasts = True

    def __init__(
        self,
        name: str,
        numpy: Callable[..., Any],
        grad: Callable[..., Sequence[Any]] | None,
        *,
        c: str | Mapping[str, str] | None = None,
        body: Callable[..., Variable] | None = None,
        dtype: DtypeRule = "upcast",
        operands: str | Callable[..., Sequence[str]] = "common",
        nin: int | None = 1,
        commutative: bool = False,
        associative: bool = False,
        identity: float | None = None,
        symbol: str = "",
        accepts: str = "biufc",
        sample: tuple[float, float] | Sequence[tuple[float, float]] = (-3.0, 3.0),
        smooth: bool = True,
        support: str = "",
        doc: str = "",
    ) -> None:
        self.name = name
        self.numpy = numpy
        self.gradient = grad
        self.c = {"*": c} if isinstance(c, str) else c
        self.body = body
        self.dtype_rule = _DTYPE_RULES[dtype] if isinstance(dtype, str) else dtype
        self.operands = operands
        self.nin = nin
        self.commutative = commutative
        self.associative = associative
        self.identity = identity
        self.symbol = symbol
        self.accepts = accepts
        self._takes = frozenset(dtype for dtype in DTYPES if _kind(dtype)[0] in accepts)
        self.sample = sample
        self.smooth = smooth
        self.support = support
        self.__doc__ = doc
        self.__name__ = name

    # -- building --------------------------------------------------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        variables = [as_tensor_variable(value) for value in inputs]
        if (self.nin is not None and len(variables) != self.nin) or not variables:
            raise TypeError(f"{self.name} takes {self.nin or 'at least 1'} argument(s), got {len(variables)}")
        dtypes = [variable.type.dtype for variable in variables]
        if not self._takes.issuperset(dtypes):
            raise TypeError(f"{self.name} is not defined for dtype(s) {', '.join(dtypes)}; "
                            f"convert with .astype(...) first")
        rank = max(variable.type.ndim for variable in variables)
        variables = [pad_left(variable, rank) for variable in variables]
        types = [variable.type for variable in variables]
        shape, dtype = broadcast_static(self.name, types), self.dtype_rule(*dtypes)
        like = next((t for t in types if t.shape == shape and t.dtype == dtype and t.device == "cpu"), None)
        return Apply(self, variables, [(like or TensorType(dtype, shape)).make_variable()])

    def operand_dtypes(self, dtypes: Sequence[str]) -> list[str]:
        """The dtypes the inputs are converted to before the function is applied."""
        if not isinstance(self.operands, str):
            return list(self.operands(*dtypes))
        out = self.dtype_rule(*dtypes)
        common = upcast(*dtypes)
        if self.operands == "output" or (is_integer(common) and not is_integer(out)):
            return [out] * len(dtypes)
        return [common] * len(dtypes)

    # -- meaning ---------------------------------------------------------------------------------------------

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        dtypes = self.operand_dtypes([variable.type.dtype for variable in node.inputs])
        arrays = [np.asarray(value).astype(dtype, copy=False) for value, dtype in zip(inputs, dtypes, strict=True)]
        with np.errstate(all="ignore"):
            result = self.numpy(*arrays)
        outputs[0][0] = np.asarray(result).astype(node.outputs[0].type.dtype, copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        from symtensor.ops.elementwise import broadcast_dim

        dims: list[Variable] = []
        for axis, static in enumerate(node.outputs[0].type.shape):
            if static is not None:
                dims.append(int64_constant(static))
                continue
            distinct = list(dict.fromkeys(shape[axis] for shape in shapes if static_value(shape[axis]) != 1))
            if not distinct:
                dims.append(int64_constant(1))
            else:
                dims.append(distinct[0] if len(distinct) == 1 else broadcast_dim(*distinct))
        return [tuple(dims)]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        if self.gradient is None:
            return super().L_op(inputs, outputs, output_grads)
        (g,), (y,) = output_grads, outputs
        picked = _selection(g)
        if picked is None:
            return self._terms(g, y, inputs)
        # What a switch does not select must stay 0 even where the derivative here is inf: select last.
        inner, put_back = picked
        terms = self._terms(inner, y, inputs)
        return [g if term is inner else term if term is None or term is NotImplemented else put_back(term)
                for term in terms]

    def _terms(self, g: Variable, y: Variable, inputs: Sequence[Variable]) -> list[Variable | None]:
        """The cotangents of the inputs, None where values do not matter, NotImplemented where no formula is known.

        Those of a complex function f are ``g * conj(f')``, the conjugate of what the record's text gives for
        ``conj(g)``; a real input takes the real part.
        """
        if not is_complex(y.type.dtype):
            return list(self.gradient(g, y, *inputs))  # type: ignore[misc]
        from symtensor.ops.elementwise_complex import conj, real

        terms = [term if term is None or term is NotImplemented else conj(term)
                 for term in self.gradient(conj(g), y, *inputs)]  # type: ignore[misc]
        return [term if term is None or term is NotImplemented or is_complex(x.type.dtype) else real(term)
                for term, x in zip(terms, inputs, strict=True)]

    @property
    def differentiable(self) -> bool:
        return self.gradient is not None

    # -- native code -----------------------------------------------------------------------------------------

    def c_expression(self, dtypes: Sequence[str], args: Sequence[str]) -> str:
        """The C expression of the function of ``args``, C expressions already converted to `operand_dtypes`.

        float16 is computed in float. KeyError-free: a TypeError names the op where it has no C text for the dtype.
        """
        operand = self.operand_dtypes(dtypes)[-1]
        if self.c is None:
            raise TypeError(f"{self.name} has no C text")
        text = self.c.get(_kind(operand), self.c.get("*"))
        if text is None:
            raise TypeError(f"{self.name} has no C text for dtype {operand}")
        if self.nin is None and "{1}" in text:  # variadic: fold from the left
            result = args[0]
            for arg in args[1:]:
                result = f"({text.format(result, arg, **_names(operand))})"
            return result
        return f"({text.format(*args, **_names(operand))})"

    def has_c(self, dtypes: Sequence[str]) -> bool:
        """Whether there is a C text for inputs of these dtypes."""
        return self.c is not None and ("*" in self.c or _kind(self.operand_dtypes(dtypes)[-1]) in self.c)

    def expand(self, *inputs: Variable) -> Variable | None:
        """The composite spelled with other ops; None for a primitive."""
        return None if self.body is None else self.body(*inputs)

    # -- identity --------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self) >> 4

    def __str__(self) -> str:
        return f"Elemwise{{{self.name}}}"

    def __reduce__(self) -> Any:
        return _by_name, (self.name,)


def _names(dtype: str) -> dict[str, str]:
    """What the braces of a C text may name: {f} the suffix of math.h functions, {T} the C type computed in."""
    compute = "float" if dtype == "float16" else C_TYPES[dtype]
    suffix = "f" if dtype in ("float16", "float32", "complex64") else ""
    bits = {"float16": "32", "float32": "32", "float64": "64"}.get(dtype, "")
    return {"f": suffix, "T": compute, "bits": bits}


def _by_name(name: str) -> Elemwise:
    found = ELEMENTWISE.get(name)
    if found is None:
        raise ValueError(f"no elementwise op named {name!r} is defined in this process")
    return found


def elementwise(name: str, c: str | Mapping[str, str], *, numpy: Callable[..., Any],
                grad: Callable[..., Sequence[Any]] | None = None, **fields: Any) -> Elemwise:
    """Define an elementwise function by its record.

    Parameters
    ----------
    name : the name it is called and printed by.
    c : its C expression: ``{0}``, ``{1}`` are the operands, ``{f}`` is ``f`` for float and empty for double, ``{T}``
        the C type; or a mapping from dtype kind ("bool", "int", "uint", "float", "complex", "*") to such texts.
    numpy : its meaning on arrays.
    grad : ``grad(g, y, *xs)``: the cotangent of each input, given that of the output, the output, and the inputs;
        NotImplemented for an input towards which asking for the gradient is an error.
    dtype : output dtype: "upcast", "float" (integers become floats), "bool", "first", "real", or a function of the
        input dtypes.
    operands : what inputs are converted to first: "common" (their promotion; the output dtype when integers become
        floats), "output", or a function from the input dtypes to those of the operands.
    nin : number of inputs; None: one or more, folded from the left.
    commutative, associative, identity : algebra the rules may use.
    symbol : the infix or prefix symbol it prints as.
    accepts : first letters of the dtype kinds it takes (bool, int, uint, float, complex).
    sample : where tests draw inputs from: one interval for all inputs or one for each; smooth: whether the gradient
        can be checked by differences there.
    support : C text at file level its expression needs.

    >>> import numpy as np
    >>> from symtensor.ops.elemwise import elementwise
    >>> cube = elementwise("doc_cube", "{0} * {0} * {0}", numpy=lambda x: x**3, grad=lambda g, y, x: (3 * x * x * g,))
    >>> cube(2.0).eval()
    array(8., dtype=float32)
    """
    return _register(Elemwise(name, numpy, grad, c=c, **fields))


def composite(name: str, body: Callable[..., Variable], *, numpy: Callable[..., Any],
              grad: Callable[..., Sequence[Any]] | None = None, **fields: Any) -> Elemwise:
    """Define an elementwise function spelled with others; it stays one node until lowering, so that rules see it.

    ``numpy`` must be independent of the spelling: it is the reference the spelling is tested against.
    """
    return _register(Elemwise(name, numpy, grad, body=body, **fields))


def _register(op: Elemwise) -> Elemwise:
    if op.name in ELEMENTWISE:
        raise ValueError(f"there is an elementwise op named {op.name!r} already")
    ELEMENTWISE[op.name] = op
    return op


def _selection(g: Variable) -> tuple[Variable, Callable[[Variable], Variable]] | None:
    """Where switches let only some elements of a cotangent through: what the derivative multiplies instead, and what
    puts zeros into the product where nothing was selected.

    Of ``switch(c, a, 0)`` that is ``a``, so that what is not selected is not even computed with; of a cotangent that
    was since summed, reshaped or added to others, the cotangent itself.
    """
    node = g.owner
    switch = ELEMENTWISE.get("switch")
    if node is None or switch is None:
        return None
    if node.op is switch and (side := _zero_side(node)) is not None:
        return node.inputs[3 - side], lambda term: node.op(node.inputs[0], *((0, term) if side == 1 else (term, 0)))
    mask = _selected(g, 0)
    return None if mask is None else (g, lambda term: switch(mask, term, 0))


def _zero_side(select: Apply) -> int | None:
    """Which of a switch's two sides is 0: 1 or 2; None where neither or both are."""
    zeros = [_is_zero(side) for side in select.inputs[1:]]
    return None if zeros[0] == zeros[1] else 1 + zeros.index(True)


def _selected(g: Variable, depth: int) -> Variable | None:
    """Where a cotangent had something selected, not 0 there; None where no switch is behind it, or behind a part."""
    node = g.owner
    if node is None or depth > 8:
        return None
    if node.op is ELEMENTWISE["switch"]:
        side = _zero_side(node)
        like = np.ones((), g.type.dtype)
        return None if side is None else node.op(node.inputs[0], *((0 * like, like) if side == 1 else (like, 0 * like)))
    if node.op is ELEMENTWISE["add"]:
        parts = [_selected(part, depth + 1) for part in node.inputs]
        return None if any(part is None for part in parts) else node.op(*parts)
    # All of these take 0 to 0 and what is positive to what is positive.
    if type(node.op).__name__ in ("SumTo", "DimShuffle", "Alloc", "Reshape") or getattr(node.op, "name", "") == "sum":
        inner = _selected(node.inputs[0], depth + 1)
        if inner is not None:  # of the shape that the op takes
            return node.op(_spread(inner, node.inputs[0]), *node.inputs[1:])
    return None


def _spread(x: Variable, like: Variable) -> Variable:
    """``x`` in the broadcast shape of both: a switch may have been stretched by the side that is not 0."""
    return x if x.type.shape == like.type.shape and None not in x.type.shape else ELEMENTWISE["second"](like, x)


def _is_zero(x: Variable) -> bool:
    """Whether the variable is a constant 0, also behind the padding of its rank."""
    while x.owner is not None and isinstance(x.owner.op, DimShuffle):
        x = x.owner.inputs[0]
    return isinstance(x, Constant) and x.data.size == 1 and not x.data.any()


def is_real(dtype: str) -> bool:
    """Whether elements are ordered: not complex."""
    return is_float(dtype) or is_integer(dtype)
