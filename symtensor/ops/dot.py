"""Matrix products as ops: `Dot` for vectors and matrices, `BatchedDot` for stacks of them, `Gemm` that adds
to a matrix.

Floats and complex numbers go to the BLAS of the run-time table, other dtypes to plain loops. What users call
(`dot`, `tensordot`, `matmul`, ...) is spelled with these in `symtensor.ops.blas`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.dim_math import equal
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.elementwise import add, cast, mul
from symtensor.ops.kernel_text import gemm_room
from symtensor.ops.reduce import sum

__all__ = ["BLAS_TYPES", "BatchedDot", "Dot", "Gemm"]

BLAS_TYPES = {"float32": "ST_F32", "float64": "ST_F64", "complex64": "ST_C64", "complex128": "ST_C128"}
"""The dtypes that BLAS and LAPACK have, and their names in the run-time table."""


def _common(x: Variable, y: Variable) -> tuple[Variable, Variable]:
    """Both in the dtype of their product."""
    dtype = upcast(x.type.dtype, y.type.dtype)
    return (x if x.type.dtype == dtype else cast(x, dtype)), (y if y.type.dtype == dtype else cast(y, dtype))


def conjugate(x: Variable) -> Variable:
    """What gradients multiply with: the conjugate of a complex tensor."""
    from symtensor.ops.elementwise_complex import conj

    return conj(x) if is_complex(x.type.dtype) else x


def _product(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], product: Any = np.dot) -> np.ndarray[Any, Any]:
    """NumPy's product in the dtype of ``x``; float16 is summed in float32."""
    work = np.dtype("float32") if x.dtype == np.float16 else x.dtype
    with np.errstate(all="ignore"):
        result = product(x.astype(work, copy=False), y.astype(work, copy=False))
    return np.asarray(result).astype(x.dtype, copy=False)


class Dot(Op):
    """The product of vectors and matrices, of rank 1 or 2 each (Theano's op). Operands become their common
    dtype.

    ValueError where inner dimensions differ: when the graph is built where they are known, at run time
    otherwise.
    """

    __props__ = ()

    def __str__(self) -> str:
        return "dot"

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = _common(as_tensor_variable(x), as_tensor_variable(y))
        if x.type.ndim not in (1, 2) or y.type.ndim not in (1, 2):
            raise TypeError(f"Dot: the operands are vectors or matrices, got {x} of type {x.type} and {y} of "
                            f"type {y.type}; dot(x, y) takes any rank")
        a, b = x.type.shape, y.type.shape
        if a[-1] is not None and b[0] is not None and a[-1] != b[0]:
            raise self._mismatch(a, b)
        kind = TensorType(x.type.dtype, (*a[:-1], *b[1:]), x.type.device)
        return Apply(self, [x, y], [kind.make_variable()])

    @staticmethod
    def _mismatch(a: Sequence[int | None], b: Sequence[int | None]) -> ValueError:
        return ValueError(f"dot: shapes {tuple(a)} and {tuple(b)} do not fit: the last dimension of the "
                          f"first is {a[-1]}, the first of the second is {b[0]}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, y = inputs
        if x.shape[-1] != y.shape[0]:
            raise self._mismatch(x.shape, y.shape)
        outputs[0][0] = _product(x, y)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(*shapes[0][:-1], *shapes[1][1:])]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g,) = output_grads
        x, y = map(conjugate, inputs)
        ranks = x.type.ndim, y.type.ndim
        if ranks == (1, 1):
            return [mul(g, y), mul(g, x)]
        if ranks == (2, 1):
            return [mul(dimshuffle(g, 0, "x"), dimshuffle(y, "x", 0)), self(transpose(x), g)]
        if ranks == (1, 2):
            return [self(g, transpose(y)), mul(dimshuffle(x, 0, "x"), dimshuffle(g, "x", 0))]
        return [self(g, transpose(y)), self(transpose(x), g)]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        (x, y), (tx, ty) = inputs, tangents
        terms = [self(*pair) for pair, t in (((tx, y), tx), ((x, ty), ty)) if t is not None]
        return [add(*terms) if len(terms) == 2 else terms[0] if terms else None]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        last, first = shapes[0][-1], shapes[1][0]
        return [(equal(last, first), "ST_SHAPE", (int64_constant(len(shapes[0]) - 1), last, first))]

    def kernel(self, node: Apply) -> Kernel:
        x, y = node.inputs
        dtype = x.type.dtype
        last = x.type.ndim - 1
        m = "IN0_DIM(0)" if x.type.ndim == 2 else "1"
        n = "IN1_DIM(1)" if y.type.ndim == 2 else "1"
        sizes = f"const int64_t m = {m}, n = {n}, count = IN0_DIM({last});\n"
        strides = {
            "row_a": "IN0_STRIDE(0)" if x.type.ndim == 2 else "0", "col_a": f"IN0_STRIDE({last})",
            "row_b": "IN1_STRIDE(0)", "col_b": "IN1_STRIDE(1)" if y.type.ndim == 2 else "0",
        }
        if x.type.ndim == y.type.ndim == 1:
            return Kernel(sizes + _inner(dtype))
        text = _blas(dtype, x.type.ndim, y.type.ndim) if dtype in BLAS_TYPES else _loops(dtype)
        for name, stride in strides.items():
            text = text.replace(name, stride)
        room = partial(gemm_room, dtype, 0)
        return Kernel(sizes + text, room=room if dtype in BLAS_TYPES else None)

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: values are (axis, its size, the other's)."""
        a = [*node.inputs[0].type.shape[:-1], values[1]]
        return self._mismatch(a, [values[2], *node.inputs[1].type.shape[1:]])


def _inner(dtype: str) -> str:
    """C text of the product of two vectors."""
    wide = {"float16": "double", "float32": "double", "float64": "double", "complex64": "st_complex128",
            "complex128": "st_complex128", "bool": "int"}.get(dtype, "uint64_t")
    simd = "" if is_complex(dtype) else "#pragma omp simd reduction(+:total)\n    "
    loop = "for (int64_t k = 0; k < count; k++) total += ({W})IN0_PTR[k{A}] * ({W})IN1_PTR[k{B}];"
    unit = loop.format(W=wide, A="", B="")
    general = loop.format(W=wide, A=" * IN0_STRIDE(0)", B=" * IN1_STRIDE(0)")
    if dtype == "bool":
        unit, general, simd = (text.replace("+=", "|=") for text in (unit, general, ""))
    return f"""{wide} total = 0;
(void)m; (void)n;
if (IN0_STRIDE(0) == 1 && IN1_STRIDE(0) == 1) {{
    {simd}{unit}
}} else {{
    {general}
}}
OUT0() = (OUT0_T)total;"""


_CLEAR = "for (int64_t q = 0; q < m * n; q++) OUT0_PTR[q] = 0;"


def _blas(dtype: str, rank_a: int, rank_b: int) -> str:
    """C text of a product with a matrix by the run-time table; BLAS is never called with a dimension of 0."""
    kind = BLAS_TYPES[dtype]
    if rank_a == rank_b == 2:
        call = (f"RT->gemm({kind}, m, n, count, &one, IN0_PTR, row_a, col_a, IN1_PTR, row_b, col_b, "
                "&zero, OUT0_PTR, n);")
    elif rank_a == 2:
        call = f"RT->gemv({kind}, m, count, &one, IN0_PTR, row_a, col_a, IN1_PTR, row_b, &zero, OUT0_PTR, 1);"
    else:
        call = f"RT->gemv({kind}, n, count, &one, IN1_PTR, col_b, row_b, IN0_PTR, col_a, &zero, OUT0_PTR, 1);"
    return f"""const OUT0_T one = 1, zero = 0;
if (count == 0) {{ {_CLEAR} }}
else if (m > 0 && n > 0) {{ {call} }}"""


def _loops(dtype: str) -> str:
    """C text of a product with a matrix by plain loops, in the order that walks rows of the second and the
    output."""
    if dtype == "float16":
        return """for (int64_t p = 0; p < m; p++) for (int64_t q = 0; q < n; q++) {
    float total = 0;
    for (int64_t k = 0; k < count; k++)
        total += (float)IN0_PTR[p * row_a + k * col_a] * (float)IN1_PTR[k * row_b + q * col_b];
    OUT0_PTR[p * n + q] = (st_half)total;
}"""
    join = "out[q] |= a & IN1_PTR[k * row_b + q * col_b]" if dtype == "bool" else (
        "out[q] = (OUT0_T)(out[q] + a * IN1_PTR[k * row_b + q * col_b])")
    return f"""{_CLEAR}
for (int64_t p = 0; p < m; p++) for (int64_t k = 0; k < count; k++) {{
    const IN0_T a = IN0_PTR[p * row_a + k * col_a];
    OUT0_T *out = OUT0_PTR + p * n;
    for (int64_t q = 0; q < n; q++) {join};
}}"""


_STACK_SUPPORT = """typedef struct {
    const st_runtime *rt;
    int kind;
    int64_t m, n, k, row_a, col_a, step_a, row_b, col_b, step_b, step_c;
    const char *a, *b;
    char *c;
    const void *one, *zero;
} st_products;
static void st_some_products(void *context, int64_t begin, int64_t end)
{
    const st_products *p = context;
    for (int64_t i = begin; i < end; i++)
        p->rt->gemm(p->kind, p->m, p->n, p->k, p->one, p->a + i * p->step_a, p->row_a, p->col_a, p->b + i * p->step_b,
                    p->row_b, p->col_b, p->zero, p->c + i * p->step_c, p->n);
}"""

_STACK = """const OUT0_T one = 1, zero = 0;
const int64_t batch = IN0_DIM(0), size = sizeof(OUT0_T);
if (count == 0) {
    for (int64_t q = 0; q < batch * m * n; q++) OUT0_PTR[q] = 0;
} else if (m > 0 && n > 0 && batch > 0) {
    st_products all = {RT, KIND, m, n, count, IN0_STRIDE(1), IN0_STRIDE(2), IN0_STRIDE(0) * size, IN1_STRIDE(1),
                       IN1_STRIDE(2), IN1_STRIDE(0) * size, m * n * size, (const char *)IN0_PTR, (const char *)IN1_PTR,
                       (char *)OUT0_PTR, &one, &zero};
    const double work = (double)m * (double)n * (double)count;
    if (batch >= RT->threads || work < 1e6) st_run(RT, st_some_products, &all, batch, (int64_t)(5e4 / work) + 1);
    else st_some_products(&all, 0, batch);  /* few large products: each uses all threads */
}"""


class BatchedDot(Op):
    """Products of the matrices of two stacks: ``z[i] = dot(x[i], y[i])`` (Theano's op, for rank 3 each).

    ValueError where the numbers of matrices or the inner dimensions differ; nothing broadcasts.
    """

    __props__ = ()

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = _common(as_tensor_variable(x), as_tensor_variable(y))
        if x.type.ndim != 3 or y.type.ndim != 3:
            raise TypeError(f"BatchedDot: the operands have 3 dimensions, got {x} of type {x.type} and {y} "
                            f"of type {y.type}; batched_dot(x, y) takes matrices too")
        a, b = x.type.shape, y.type.shape
        if (None not in (a[0], b[0]) and a[0] != b[0]) or (None not in (a[2], b[1]) and a[2] != b[1]):
            raise self._mismatch(a, b)
        batch = b[0] if a[0] is None else a[0]
        kind = TensorType(x.type.dtype, (batch, a[1], b[2]), x.type.device)
        return Apply(self, [x, y], [kind.make_variable()])

    @staticmethod
    def _mismatch(a: Sequence[int | None], b: Sequence[int | None]) -> ValueError:
        return ValueError(f"batched_dot: shapes {tuple(a)} and {tuple(b)} do not fit: the first dimensions "
                          "must be equal, and the last of the first that before the last of the second")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, y = inputs
        if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
            raise self._mismatch(x.shape, y.shape)
        outputs[0][0] = _product(x, y, np.matmul)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(shapes[0][0], shapes[0][1], shapes[1][2])]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g,) = output_grads
        x, y = map(conjugate, inputs)
        return [self(g, dimshuffle(y, 0, 2, 1)), self(dimshuffle(x, 0, 2, 1), g)]

    R_op = Dot.R_op

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        a, b = shapes[:2]
        return [(equal(a[k], b[k // 2]), "ST_SHAPE", (int64_constant(k), a[k], b[k // 2])) for k in (0, 2)]

    def kernel(self, node: Apply) -> Kernel:
        dtype = node.inputs[0].type.dtype
        sizes = "const int64_t m = IN0_DIM(1), n = IN1_DIM(2), count = IN0_DIM(2);\n"
        if dtype in BLAS_TYPES:
            return Kernel(sizes + _STACK.replace("KIND", BLAS_TYPES[dtype]), support=_STACK_SUPPORT,
                          room=partial(gemm_room, dtype, 0))
        text = _loops(dtype)
        for name, stride in (("row_a", "IN0_STRIDE(1)"), ("col_a", "IN0_STRIDE(2)"),
                             ("row_b", "IN1_STRIDE(1)"), ("col_b", "IN1_STRIDE(2)"),
                             ("IN0_PTR", "left"), ("IN1_PTR", "right"), ("OUT0_PTR", "result")):
            text = text.replace(name, stride)
        return Kernel(f"""{sizes}for (int64_t batch = 0; batch < IN0_DIM(0); batch++) {{
const IN0_T *left = IN0_PTR + batch * IN0_STRIDE(0);
const IN1_T *right = IN1_PTR + batch * IN1_STRIDE(0);
OUT0_T *result = OUT0_PTR + batch * m * n;
{text}
}}""")

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: values are (axis of the first, its size, the other's)."""
        a, b = list(node.inputs[0].type.shape), list(node.inputs[1].type.shape)
        a[values[0]], b[values[0] // 2] = values[1], values[2]
        return self._mismatch(a, b)


class Gemm(Op):
    """``beta * c + alpha * dot(a, b)`` for matrices of one float or complex dtype (Theano's op; made by
    rules).

    Inputs in Theano's order ``(c, alpha, a, b, beta)``; ``alpha`` and ``beta`` are scalars. The output may be
    computed in the memory of ``c``. With ``beta == 0``, ``c`` is not read: NaN there does not spread. Nothing
    broadcasts: ValueError where shapes differ.
    """

    __props__ = ()
    may_overwrite = {0: (0,)}

    def make_node(self, c: Any, alpha: Any, a: Any, b: Any, beta: Any) -> Apply:
        inputs = [as_tensor_variable(value) for value in (c, alpha, a, b, beta)]
        dtype = inputs[0].type.dtype
        for k in (1, 4):
            inputs[k] = cast(inputs[k], dtype) if inputs[k].type.dtype != dtype else inputs[k]
        if [x.type.ndim for x in inputs] != [2, 0, 2, 2, 0] or dtype not in BLAS_TYPES or any(
                x.type.dtype != dtype for x in inputs):
            raise TypeError("Gemm takes (matrix, scalar, matrix, matrix, scalar) of one float or complex "
                            f"dtype, got {', '.join(str(x.type) for x in inputs)}")
        rows, columns, inner = zip(*((None, None, None), *self._dims([x.type.shape for x in inputs])))
        known = [{dim for dim in dims if dim is not None} for dims in (rows, columns, inner)]
        if any(len(dims) > 1 for dims in known):
            raise self._mismatch([x.type.shape for x in inputs])
        shape = [min(dims) if dims else None for dims in known[:2]]
        return Apply(self, inputs, [inputs[0].type.clone(shape=shape).make_variable()])

    @staticmethod
    def _dims(shapes: Sequence[Sequence[Any]]) -> list[tuple[Any, Any, Any]]:
        """(rows, columns, inner dimension) as the matrices c, a, b state them."""
        c, _, a, b, _ = shapes
        return [(c[0], c[1], a[1]), (a[0], b[1], b[0])]

    @staticmethod
    def _mismatch(shapes: Sequence[Sequence[int | None]]) -> ValueError:
        c, _, a, b, _ = (tuple(shape) for shape in shapes)
        return ValueError(f"gemm: shapes {c} and dot of {a} and {b} do not fit")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        c, alpha, a, b, beta = inputs
        first, second = self._dims([np.shape(x) for x in inputs])
        if first != second:
            raise self._mismatch([np.shape(x) for x in inputs])
        with np.errstate(all="ignore"):
            product = alpha * np.dot(a, b)
            result = product if beta == 0 else beta * c + product
        outputs[0][0] = np.asarray(result, dtype=c.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (g,), dot = output_grads, Dot()
        c, alpha, a, b, beta = map(conjugate, inputs)
        return [mul(beta, g), sum(mul(g, dot(a, b))), mul(alpha, dot(g, transpose(b))),
                mul(alpha, dot(transpose(a), g)), sum(mul(g, c))]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        pairs = zip(*self._dims(shapes[:5]))
        return [(equal(first, second), "ST_SHAPE", (int64_constant(k), first, second))
                for k, (first, second) in enumerate(pairs)]

    def kernel(self, node: Apply) -> Kernel:
        dtype = node.inputs[0].type.dtype
        kind = BLAS_TYPES[dtype]
        return Kernel(f"""const int64_t m = IN2_DIM(0), n = IN3_DIM(1), count = IN2_DIM(1);
const OUT0_T alpha = IN1(), one = 1;
OUT0_T beta = IN4();
if (beta != 0 && (OUT0_PTR != IN0_PTR || count == 0)) {{
    for (int64_t p = 0; p < m; p++)
        for (int64_t q = 0; q < n; q++) OUT0_PTR[p * n + q] = (count == 0 ? beta : one) * IN0(p, q);
}} else if (count == 0) {{
    for (int64_t q = 0; q < m * n; q++) OUT0_PTR[q] = 0;
}}
if (m > 0 && n > 0 && count > 0)
    RT->gemm({kind}, m, n, count, &alpha, IN2_PTR, IN2_STRIDE(0), IN2_STRIDE(1), IN3_PTR, IN3_STRIDE(0),
             IN3_STRIDE(1), &beta, OUT0_PTR, n);""", room=partial(gemm_room, dtype, 2))

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: values are (rows, columns or inner: 0, 1, 2; two sizes)."""
        what = ("rows", "columns", "inner dimensions")[values[0]]
        return ValueError(f"gemm: the {what} are {values[1]} and {values[2]}, which do not fit")
