"""Functions of square matrices: inverse, determinant and its logarithm; and what all pages of linear algebra share.

Every function takes stacks: the last two dimensions are those of the matrices, as in ``numpy.linalg``. Matrices are of
float or complex dtype; integers become float64. Gradients are graphs, so that they have gradients themselves; the
formulas are those of Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), with transposes conjugated for complex matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, is_continuous, is_integer, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.blas import matmul
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.create import zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.dot import BLAS_TYPES
from symtensor.ops.elementwise import add, cast, gt, mul, neg, switch
from symtensor.ops.elementwise_complex import conj, imag
from symtensor.ops.elementwise_math import log
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reshape import swapaxes
from symtensor.ops.shape import shape_i, shape_of
from symtensor.ops.triangle import diagonal, eye

__all__ = ["LU_C", "NO_CONVERGENCE", "SOLVE_C", "Det", "MatrixInverse", "MatrixOp", "SLogDet", "adjoint", "as_matrix",
           "column", "det", "diagonal_of", "given", "inv", "logdet", "per_matrix", "products", "row", "slogdet",
           "stack_c", "with_diagonal"]

_REAL = {"complex64": "float32", "complex128": "float64"}


# -- pieces ----------------------------------------------------------------------------------------------------------


def as_matrix(name: str, x: Any) -> Variable:
    """``x`` as a stack of matrices of a dtype that LAPACK has; TypeError for vectors, scalars and float16."""
    x = as_tensor_variable(x)
    if x.type.ndim < 2:
        raise TypeError(f"{name}: a matrix, or a stack of them, is expected, got {x} of type {x.type}; "
                        "x[:, None] makes a column of a vector")
    if is_integer(x.type.dtype) or x.type.dtype == "bool":
        return cast(x, "float64")
    if x.type.dtype not in BLAS_TYPES:
        raise TypeError(f"{name} is not defined for dtype {x.type.dtype}; convert with .astype('float32') first")
    return x


def adjoint(x: Variable) -> Variable:
    """The conjugate transposes of the matrices."""
    turned = swapaxes(x, -2, -1)
    return conj(turned) if is_complex(x.type.dtype) else turned


def diagonal_of(x: Variable) -> Variable:
    """The diagonals of the matrices, as the last dimension."""
    return diagonal(x, 0, -2, -1)


def with_diagonal(v: Variable) -> Variable:
    """The diagonal matrices with the vectors along the last dimension of ``v``."""
    return mul(column(v), eye(shape_i(v, v.type.ndim - 1), dtype=v.type.dtype))


def column(v: Variable) -> Variable:
    """The vectors along the last dimension as columns."""
    return dimshuffle(v, [*range(v.type.ndim), "x"])


def row(v: Variable) -> Variable:
    """The vectors along the last dimension as rows."""
    return dimshuffle(v, [*range(v.type.ndim - 1), "x", v.type.ndim - 1])


def per_matrix(v: Variable) -> Variable:
    """Numbers, one for each matrix, as they are multiplied with the matrices."""
    return dimshuffle(v, [*range(v.type.ndim), "x", "x"])


def products(*factors: Variable) -> Variable:
    """The matrix product of them all, from left to right."""
    result = factors[0]
    for factor in factors[1:]:
        result = matmul(result, factor)
    return result


def stack_c(ndim: int, operands: Sequence[str]) -> str:
    """C statements for one matrix of a stack for each iteration ``i``: of each operand ``IN0`` the pointer ``in0`` and
    the steps ``in0_row`` and ``in0_col``; ``n``, the rows of the first."""
    batch = range(ndim - 2)
    lines = [unravel_c([f"j{k}" for k in batch], [f"IN0_DIM({k})" for k in batch]),
             f"const int64_t n = IN0_DIM({ndim - 2});"]
    for name in operands:
        low, offset = name.lower(), "".join(f" + j{k} * {name}_STRIDE({k})" for k in batch)
        lines.append(f"const {name}_T *{low} = {name}_PTR{offset};\n"
                     f"const int64_t {low}_row = {name}_STRIDE({ndim - 2}), {low}_col = {name}_STRIDE({ndim - 1});")
    return "\n".join(line for line in lines if line)


LU_C = """char *const memory = RT->alloc((size_t)(n * n + 1) * sizeof(IN0_T) + (size_t)(n + 2) * 8);
if (memory == NULL) FAIL(ST_VALUE, -1);
int64_t *const pivots = (int64_t *)memory;
IN0_T *const lu = (IN0_T *)(memory + (n + 1) * 8 + (n + 1) % 2 * 8);
for (int64_t p = 0; p < n; p++)
    for (int64_t q = 0; q < n; q++) lu[p * n + q] = in0[p * in0_row + q * in0_col];
const int64_t bad = RT->factor(ST_LU, {kind}, n, lu, n, pivots);
"""
"""The factors of the transpose of a matrix (rows are taken for columns), and the first pivot that is 0, plus 1."""

SOLVE_C = """if (bad) { RT->release(memory); FAIL(ST_VALUE, i, n); }
RT->triangle(0, {kind}, n, k, lu, n, 1, x, k, 1);
RT->triangle(ST_UPPER | ST_UNIT, {kind}, n, k, lu, n, 1, x, k, 1);
for (int64_t p = n - 1; p >= 0; p--)
    for (int64_t q = 0; pivots[p] != p && q < k; q++) {{
        const IN0_T saved = x[p * k + q];
        x[p * k + q] = x[pivots[p] * k + q];
        x[pivots[p] * k + q] = saved;
    }}
RT->release(memory);"""
"""``x``, n by k, becomes the solution, given the factors."""


NO_CONVERGENCE = "has no result, for the iteration does not converge: look for nan and inf in it"
"""The `MatrixOp.trouble` of iterative methods."""


class MatrixOp(Op):
    """An op on a stack of matrices: a subclass says what its results are, and what NumPy computes them.

    ``square``: whether the matrices must be square; ``trouble``: what is wrong with a matrix that has no result, and
    the remedy. A cotangent that no one uses is given to `L_op` as one of another type than a tensor's.
    """

    __props__: ClassVar[tuple[str, ...] | None] = ()
    abstract = True
    square = True
    trouble = "is singular: add a multiple of the identity, or use pinv or lstsq"

    @property
    def name(self) -> str:
        """What users call."""
        return type(self).__name__.lower()

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        """The dtype of each output ("": that of the input; "real", "complex": made of it), and its dimensions after
        those of the stack, for matrices of m rows and n columns, the lesser of which is k."""
        return [("", (m, n))]

    def value(self, x: Any) -> Any:
        """The outputs for an array, as NumPy computes them: an array, or a tuple of them."""
        raise NotImplementedError

    def matrices(self, x: Any) -> Variable:
        """The first input: TypeError, or LinAlgError where matrices are known not to be square."""
        x = as_matrix(self.name, x)
        rows, columns = x.type.shape[-2:]
        if self.square and rows is not None and columns is not None and rows != columns:
            raise self._shapes((rows, columns))
        return x

    def make_node(self, *inputs: Any) -> Apply:
        x = self.matrices(*inputs)
        *batch, m, n = x.type.shape
        made = {"": x.type.dtype, "real": _REAL.get(x.type.dtype, x.type.dtype),
                "complex": upcast(x.type.dtype, "complex64")}
        kinds = self.results(m, n, None if None in (m, n) else min(m, n))
        return Apply(self, [x], [TensorType(made.get(dtype, dtype), (*batch, *dims), x.type.device).make_variable()
                                 for dtype, dims in kinds])

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        *batch, m, n = shapes[0]
        return [(*batch, *dims) for _, dims in self.results(m, n, d.minimum(m, n))]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        made = self.host(node, self.value, *inputs)
        found = made if isinstance(made, tuple) else (made,)
        for storage, value, output in zip(outputs, found, node.outputs, strict=True):
            storage[0] = np.asarray(value, output.type.dtype)

    def host(self, node: Apply, function: Callable[..., Any], *arrays: Any) -> Any:
        """``function(*arrays)`` of NumPy; its LinAlgError names the matrix."""
        if self.square and arrays[0].shape[-1] != arrays[0].shape[-2]:
            raise self._shapes(arrays[0].shape[-2:])
        with np.errstate(all="ignore"):
            try:
                return function(*arrays)
            except np.linalg.LinAlgError:
                for number, at in enumerate(np.ndindex(arrays[0].shape[:-2])):
                    try:
                        function(*(array[at] for array in arrays))
                    except np.linalg.LinAlgError as error:
                        raise self.failure(node, "ST_VALUE", (number, *arrays[0].shape[-2:])) from error
                raise

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[is_continuous(output.type.dtype) for output in node.outputs] for _ in node.inputs]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        rows, columns = shapes[0][-2:]
        return [(d.equal(rows, columns), "ST_SHAPE", (rows, columns))] if self.square else []

    def _shapes(self, dims: Sequence[int]) -> Exception:
        return np.linalg.LinAlgError(f"{self.name}: square matrices are expected, got {dims[0]} by {dims[1]}")

    def failure(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        """The words of a failure: values are the two dimensions, or (number of the matrix, its rows,
        its columns where it need not be square)."""
        if code == "ST_SHAPE":
            return self._shapes(values)
        if values[0] < 0:
            return MemoryError(f"{self.name}: no memory for the factors of a matrix")
        which = f" number {values[0]} of the stack" if node.inputs[0].type.ndim > 2 else ""
        dims = f"({values[1]} by {values[1 if self.square else 2]})"
        return np.linalg.LinAlgError(f"{self.name}: the matrix{which} {dims} {self.trouble}")

    def stack_kernel(self, node: Apply, body: str) -> Kernel:
        """The kernel with one matrix for each iteration: ``body`` after `stack_c`, with ``{kind}`` replaced."""
        x = node.inputs[0]
        operands = [f"IN{k}" for k in range(len(node.inputs))]
        text = stack_c(x.type.ndim, operands) + "\n" + body.replace("{kind}", BLAS_TYPES[x.type.dtype])
        item = np.dtype(x.type.dtype).itemsize

        def room(shapes: Sequence[Sequence[int]], strides: Sequence[Sequence[int]]) -> list[int]:
            n = shapes[0][-1]
            return [(n * n + 1) * item + (n + 2) * 8]

        return Kernel(text, d.product(shape_of(x)[:-2]), room=room if "RT->alloc" in body else None)


def given(g: Any) -> bool:
    """Whether an output has a cotangent."""
    return g is not None and isinstance(g.type, TensorType)


# -- the inverse -----------------------------------------------------------------------------------------------------


class MatrixInverse(MatrixOp):
    """The inverses of square matrices (Theano's op); see `inv`."""

    __props__ = ()

    @property
    def name(self) -> str:
        """What users call."""
        return "inv"

    def value(self, x: Any) -> Any:
        return np.linalg.inv(x)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        turned = adjoint(outputs[0])
        return [neg(products(turned, output_grads[0], turned))]

    def kernel(self, node: Apply) -> Kernel:
        return self.stack_kernel(node, LU_C + """OUT0_T *const x = OUT0_PTR + i * n * n;
const int64_t k = n;
for (int64_t p = 0; p < n; p++)
    for (int64_t q = 0; q < n; q++) x[p * n + q] = p == q;
""" + SOLVE_C)


def inv(a: Any) -> Variable:
    """The inverses of the square matrices of a stack, as ``numpy.linalg.inv`` (Theano's ``matrix_inverse``).

    LinAlgError where a matrix is singular or not square. To solve a system, `solve` is faster and more accurate:
    ``dot(inv(a), b)`` becomes it.

    >>> from symtensor import tensor as T
    >>> inv(T.dmatrix()).type
    TensorType(float64, matrix)
    """
    result: Variable = MatrixInverse()(a)
    return result


# -- determinants ----------------------------------------------------------------------------------------------------


class Det(MatrixOp):
    """The determinants of square matrices (Theano's op); see `det`."""

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("", ())]

    def value(self, x: Any) -> Any:
        return np.linalg.det(x)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        scale = mul(output_grads[0], conj(outputs[0]) if is_complex(outputs[0].type.dtype) else outputs[0])
        return [mul(per_matrix(scale), adjoint(inv(inputs[0])))]

    def kernel(self, node: Apply) -> Kernel:
        x = node.inputs[0]
        wide = "st_complex128" if is_complex(x.type.dtype) else "double"
        return self.stack_kernel(node, LU_C + f"""{wide} value = 1;
for (int64_t p = 0; p < n; p++) value *= pivots[p] == p ? lu[p * n + p] : -lu[p * n + p];
OUT0_PTR[i] = bad ? 0 : (OUT0_T)value;
RT->release(memory);""")


class SLogDet(MatrixOp):
    """Signs and logarithms of the absolute values of determinants; see `slogdet`."""

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("", ()), ("real", ())]

    def value(self, x: Any) -> Any:
        return tuple(np.linalg.slogdet(x))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (sign, _), (g_sign, g) = outputs, output_grads
        if not given(g):
            g = zeros_like(outputs[1])
        if given(g_sign) and is_complex(sign.type.dtype):
            # d log det = tr(inv(A) dA): the sign takes the imaginary part
            g = add(g, mul(neg(imag(mul(conj(g_sign), sign))), np.complex64(1j)))
        return [mul(per_matrix(g), adjoint(inv(inputs[0])))]

    def kernel(self, node: Apply) -> Kernel:
        x = node.inputs[0]
        size, wide = ("cabs", "st_complex128") if is_complex(x.type.dtype) else ("fabs", "double")
        return self.stack_kernel(node, LU_C + f"""{wide} sign = 1;
double total = 0;
for (int64_t p = 0; p < n && !bad; p++) {{
    const {wide} pivot = pivots[p] == p ? lu[p * n + p] : -lu[p * n + p];
    const double size = {size}(pivot);
    sign *= pivot / size;
    total += log(size);
}}
OUT0_PTR[i] = bad ? 0 : (OUT0_T)sign;
OUT1_PTR[i] = bad ? -INFINITY : (OUT1_T)total;
RT->release(memory);""")


def det(a: Any) -> Variable:
    """The determinants of the square matrices of a stack, as ``numpy.linalg.det``: one number for each.

    It is 0 for a singular matrix, whose gradient raises LinAlgError: the formula has the inverse. For the logarithm of
    a determinant, which neither overflows nor underflows, see `logdet`; ``log(det(a))`` becomes it.
    """
    result: Variable = Det()(a)
    return result


def slogdet(a: Any) -> list[Variable]:
    """``[sign, logabsdet]`` of the determinants, as ``numpy.linalg.slogdet``: ``det = sign * exp(logabsdet)``.

    The sign is 0, and the logarithm -inf, for a singular matrix; for complex matrices the sign is a complex number of
    modulus 1, and the logarithm real.
    """
    result: list[Variable] = SLogDet()(a)
    return result


def logdet(a: Any) -> Variable:
    """The logarithms of the determinants of the square matrices of a stack; nan where one is negative, -inf where it
    is 0. LinAlgError where a matrix is not square.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> round(float(logdet(T.constant(np.eye(200) * 0.01)).eval()), 3)  # the determinant itself underflows
    -921.034
    """
    sign, size = slogdet(a)
    if is_complex(sign.type.dtype):
        return add(size, log(sign))
    result: Variable = switch(gt(sign, 0), size, log(sign))
    return result
