"""Random bits: the counter-based generator Philox4x32-10 as an op.

A generator's state is the uint64 vector (key, counter), a value like any other: there is no hidden state. Block ``c``
of key ``k`` is four 32-bit words, a function of (k, c) alone, so that any number of threads, NumPy, C and CUDA compute
the same numbers. What draws n blocks hands on the state with the counter advanced by n.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant, static_value
from symtensor.ops.shape import specify_shape

__all__ = ["PHILOX", "RandomBits", "RandomOp", "checked_state", "key_of", "philox", "random_state_type"]

Array = np.ndarray[Any, Any]

random_state_type = TensorType("uint64", (2,))
"""The type of a generator's state: key and counter (Theano's name)."""


def key_of(seed: Any) -> int:
    """The 64-bit key that stands for a seed: an int >= 0 of any size, a sequence of such, or None for one that nobody
    chose. ValueError or TypeError for anything else.

    >>> key_of(1) == key_of(1) != key_of(2)
    True
    """
    try:
        return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    except (TypeError, ValueError) as error:
        raise type(error)(f"a seed is an int >= 0, or a sequence of them, got {seed!r}: {error}") from None


_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(key: int, low: Array, high: Array | int = 0) -> tuple[Array, Array, Array, Array]:
    """The four words, as uint64, of the blocks at the 128-bit counters with these 64-bit halves.

    >>> [hex(word[0]) for word in philox(0, np.zeros(1, "uint64"))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    high = np.broadcast_to(np.asarray(high, np.uint64), low.shape)
    a, b, c, e = low & mask, low >> half, high & mask, high >> half
    for turn in range(10):
        left, right = ((part + turn * step) & 0xFFFFFFFF
                       for part, step in zip((key & 0xFFFFFFFF, key >> 32), _WEYL, strict=True))
        m, n = a * np.uint64(_MULTIPLIERS[0]), c * np.uint64(_MULTIPLIERS[1])
        a, b, c, e = (n >> half) ^ b ^ np.uint64(left), n & mask, (m >> half) ^ e ^ np.uint64(right), m & mask
    return a, b, c, e


PHILOX = f"""
#ifndef ST_PHILOX_ROUND
#ifdef __CUDACC__
#define ST_RANDOM static __device__ __forceinline__
#else
#define ST_RANDOM static inline __attribute__((always_inline))
#endif
#define ST_PHILOX_ROUND {{ \\
    const uint64_t m = (uint64_t)a * {_MULTIPLIERS[0]:#x}u, n = (uint64_t)c * {_MULTIPLIERS[1]:#x}u; \\
    a = (uint32_t)(n >> 32) ^ b ^ left; c = (uint32_t)(m >> 32) ^ e ^ right; b = (uint32_t)n; e = (uint32_t)m; \\
    left += {_WEYL[0]:#x}u; right += {_WEYL[1]:#x}u; }}
ST_RANDOM void st_philox(uint64_t key, uint64_t low, uint64_t high, uint32_t *w0, uint32_t *w1, uint32_t *w2,
                         uint32_t *w3)
{{
    uint32_t a = (uint32_t)low, b = (uint32_t)(low >> 32), c = (uint32_t)high, e = (uint32_t)(high >> 32);
    uint32_t left = (uint32_t)key, right = (uint32_t)(key >> 32);
    {"ST_PHILOX_ROUND " * 5}
    {"ST_PHILOX_ROUND " * 5}
    *w0 = a; *w1 = b; *w2 = c; *w3 = e;
}}
#endif
"""
"""C text of ``st_philox(key, low, high, &w0, &w1, &w2, &w3)``."""

_TILE = 256  # blocks of one iteration of the kernel

# The words of a tile, each word's together. Compilers do not see by themselves that a product of 32-bit numbers in
# 64-bit lanes is one instruction, which makes this twice as fast.
_TILES = PHILOX + f"""
#if defined(__AVX2__) && defined(__has_builtin)
#if defined(__AVX512F__) && __has_builtin(__builtin_ia32_pmuludq512_mask)
#define ST_PHILOX_WIDTH 8
#define ST_PHILOX_STEPS {{0, 1, 2, 3, 4, 5, 6, 7}}
#define ST_PHILOX_MUL(x, y) __builtin_ia32_pmuludq512_mask((st_i32s)(x), (st_i32s)(y), (st_i64s){{0}}, 0xff)
#elif __has_builtin(__builtin_ia32_pmuludq256)
#define ST_PHILOX_WIDTH 4
#define ST_PHILOX_STEPS {{0, 1, 2, 3}}
#define ST_PHILOX_MUL(x, y) __builtin_ia32_pmuludq256((st_i32s)(x), (st_i32s)(y))
#endif
#endif
#ifdef ST_PHILOX_WIDTH
typedef uint64_t st_u64s __attribute__((vector_size(8 * ST_PHILOX_WIDTH)));
typedef long long st_i64s __attribute__((vector_size(8 * ST_PHILOX_WIDTH)));
typedef int st_i32s __attribute__((vector_size(8 * ST_PHILOX_WIDTH)));
typedef uint32_t st_u32s __attribute__((vector_size(4 * ST_PHILOX_WIDTH)));
#endif
ST_RANDOM void st_philox_tile(uint64_t key, uint64_t low, int64_t count, uint32_t *words)
{{
#ifdef ST_PHILOX_WIDTH
    const st_u64s steps = ST_PHILOX_STEPS, zero = {{0}};
    const st_u64s first = zero + {_MULTIPLIERS[0]:#x}u, second = zero + {_MULTIPLIERS[1]:#x}u;
    for (int64_t j = 0; j < count; j += ST_PHILOX_WIDTH) {{
        const st_u64s at = low + (uint64_t)j + steps;
        st_u64s a = at & 0xffffffffu, b = at >> 32, c = zero, e = zero;
        uint32_t left = (uint32_t)key, right = (uint32_t)(key >> 32);
#pragma GCC unroll 10
        for (int turn = 0; turn < 10; turn++) {{
            const st_u64s m = (st_u64s)ST_PHILOX_MUL(a, first), n = (st_u64s)ST_PHILOX_MUL(c, second);
            a = (n >> 32) ^ b ^ (uint64_t)left; c = (m >> 32) ^ e ^ (uint64_t)right; b = n; e = m;
            left += {_WEYL[0]:#x}u; right += {_WEYL[1]:#x}u;
        }}
        const st_u32s w[4] = {{__builtin_convertvector(a, st_u32s), __builtin_convertvector(b, st_u32s),
                                __builtin_convertvector(c, st_u32s), __builtin_convertvector(e, st_u32s)}};
        for (int k = 0; k < 4; k++) memcpy(words + {_TILE} * k + j, &w[k], sizeof w[k]);
    }}
#else
#pragma omp simd
    for (int64_t j = 0; j < count; j++) {{
        uint32_t w0, w1, w2, w3;
        st_philox(key, low + (uint64_t)j, 0, &w0, &w1, &w2, &w3);
        words[j] = w0; words[{_TILE} + j] = w1; words[{2 * _TILE} + j] = w2; words[{3 * _TILE} + j] = w3;
    }}
#endif
}}
"""

# uint32 and 64-bit integers become floating point, rounded once, by operations that every vector unit has.
_CONVERSIONS = """
#ifdef __CUDACC__
ST_RANDOM double st_wide(uint64_t x) { return (double)x; }
ST_RANDOM double st_signed_wide(uint64_t x) { return (double)(int64_t)x; }
#else
ST_RANDOM double st_pun(uint64_t bits) { double x; __builtin_memcpy(&x, &bits, 8); return x; }
ST_RANDOM double st_wide(uint64_t x)
{
    return (st_pun(0x4530000000000000u | x >> 32) - 0x1.00000001p84) + st_pun(0x4330000000000000u | (x & 0xffffffffu));
}
ST_RANDOM double st_signed_wide(uint64_t x)
{
    return (st_pun(0x4530000080000000u ^ x >> 32) - 0x1.00000801p84) + st_pun(0x4330000000000000u | (x & 0xffffffffu));
}
#endif
ST_RANDOM float st_narrow(uint32_t x) { return (float)(int32_t)(x >> 16) * 65536.0f + (float)(int32_t)(x & 65535); }
"""

# For each form and dtype: the C text of a value from the bits {0}, and the same in NumPy.
_FORMS: dict[tuple[str, str], tuple[str, Any]] = {
    ("bits", "uint32"): ("{0}", lambda x: x),
    ("bits", "uint64"): ("{0}", lambda x: x),
    ("unit", "float32"): ("(float)(int32_t)({0} >> 8) * 0x1p-24f",
                          lambda x: (x >> np.uint32(8)).astype("float32") * np.float32(2.0**-24)),
    ("unit", "float64"): ("st_wide({0} >> 11) * 0x1p-53",
                          lambda x: (x >> np.uint64(11)).astype("float64") * 2.0**-53),
    ("positive", "float32"): ("(st_narrow({0}) + 0.5f) * 0x1p-32f",
                              lambda x: (x.astype("float32") + np.float32(0.5)) * np.float32(2.0**-32)),
    ("positive", "float64"): ("(st_wide({0}) + 0.5) * 0x1p-64", lambda x: (x.astype("float64") + 0.5) * 2.0**-64),
    ("tail", "float32"): ("((float)(int32_t){0} + 0.5f) * 0x1p-32f",
                          lambda x: (x.view("int32").astype("float32") + np.float32(0.5)) * np.float32(2.0**-32)),
    ("tail", "float64"): ("(st_signed_wide({0}) + 0.5) * 0x1p-64",
                          lambda x: (x.view("int64").astype("float64") + 0.5) * 2.0**-64),
}


class RandomOp(Op):
    """What ops that draw share. Inputs: the state, parameters (those in ``broadcast`` have the rank of the result), and
    the dimensions of the result, the last ``ndim`` inputs. The bits are in no gradient."""

    dtype: str
    ndim: int
    broadcast = range(0)

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a size that is negative, or that a parameter does not fit."""
        axis, own, dim = values[:3]
        if code == "ST_SIZE":
            return ValueError(f"{self}: dimension {axis} of the size is {dim}; a dimension cannot be negative")
        return ValueError(f"{self}: dimension {axis} of a parameter is {own}, of the size {dim}; parameters broadcast "
                          "against the size")

    def dims(self, node: Apply) -> Dims:
        """The dimensions of the result."""
        return node.inputs[len(node.inputs) - self.ndim:]

    def _result(self, inputs: Sequence[Variable]) -> Apply:
        static = [static_value(dim) for dim in inputs[len(inputs) - self.ndim:]]
        for axis, dim in enumerate(static):
            if dim is not None and dim < 0:
                raise self.failure(None, "ST_SIZE", (axis, 1, dim))
        return Apply(self, inputs, [TensorType(self.dtype, static).make_variable()])

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        one = int64_constant(1)
        tests: list[tuple[Variable, str, Dims]] = []
        for axis, dim in enumerate(self.dims(node)):
            at = int64_constant(axis)
            tests.append((d.at_most(0, dim), "ST_SIZE", (at, one, dim)))
            tests += [(d.any_of(d.equal(shapes[k][axis], 1), d.equal(shapes[k][axis], dim)), "ST_SHAPE",
                       (at, shapes[k][axis], dim)) for k in self.broadcast]
        return tests

    def _size(self, node: Apply, inputs: Sequence[Any]) -> tuple[int, ...]:
        size = tuple(int(dim) for dim in inputs[len(inputs) - self.ndim:])
        for axis, dim in enumerate(size):
            if dim < 0:
                raise self.failure(node, "ST_SIZE", (axis, 1, dim))
            for k in self.broadcast:
                if inputs[k].shape[axis] not in (1, dim):
                    raise self.failure(node, "ST_SHAPE", (axis, inputs[k].shape[axis], dim))
        return size

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [tuple(self.dims(node))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] for _ in node.inputs]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None for _ in inputs]


class RandomBits(RandomOp):
    """Independent random elements of the given dimensions. ``form`` says what becomes of the bits:

    - "bits": themselves (uint32 or uint64);
    - "unit": uniform in [0, 1), a multiple of 2**-24 (float32) or 2**-53 (float64);
    - "positive": uniform in (0, 1], with all the digits of small values;
    - "tail": uniform in [-1/2, 1/2] without 0, symmetric, with all the digits of small values.

    Inputs: the state, and the dimensions. Word w of the block at distance b from the counter is element w * blocks + b:
    neighbouring blocks are neighbours in memory for each word, as vector units and GPUs like it.

    >>> RandomBits("float32", 1, "unit")(np.array([1, 0], "uint64"), 2).eval()
    array([0.89025915, 0.8946847 ], dtype=float32)
    """

    __props__ = ("dtype", "ndim", "form")

    def __init__(self, dtype: str, ndim: int, form: str = "bits") -> None:
        if (form, dtype) not in _FORMS:
            raise TypeError(f"RandomBits: no form {form!r} of dtype {dtype}; there are "
                            f"{', '.join(f'{f} {t}' for f, t in _FORMS)}")
        self.dtype, self.ndim, self.form = dtype, ndim, form
        self.words = 2 if dtype.endswith("64") else 4  # elements of a block

    def make_node(self, state: Any, *dims: Any) -> Apply:
        return self._result([checked_state(state), *map(as_index, dims)])

    def blocks(self, dims: Sequence[Any]) -> Variable:
        """The number of blocks that elements of these dimensions take."""
        return d.int_div(d.add(d.product(dims), self.words - 1), self.words)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        size = self._size(node, inputs)
        count = math.prod(size)
        blocks = -(-count // self.words)
        words: tuple[Array, ...] = philox(int(inputs[0][0]), inputs[0][1] + np.arange(blocks, dtype=np.uint64))
        if self.words == 2:
            words = words[0] | words[1] << np.uint64(32), words[2] | words[3] << np.uint64(32)
        bits = np.concatenate(words)[:count].astype(f"uint{128 // self.words}", copy=False)
        outputs[0][0] = np.asarray(_FORMS[self.form, self.dtype][1](bits)).reshape(size)

    def kernel(self, node: Apply) -> Kernel:
        bits = "word[j]" if self.words == 4 else f"((uint64_t)word[{_TILE} + j] << 32 | word[j])"
        count = " * ".join(["(int64_t)1", *(f"OUT0_DIM({k})" for k in range(self.ndim))])
        text = f"""
const int64_t count = {count}, blocks = (count + {self.words - 1}) / {self.words}, first = i * {_TILE};
const int64_t wide = blocks - first < {_TILE} ? blocks - first : {_TILE};
uint32_t words[{4 * _TILE}];
st_philox_tile(IN0(0), IN0(1) + (uint64_t)first, wide, words);
for (int k = 0; k < {self.words}; k++) {{
const uint32_t *const word = words + k * {4 * _TILE // self.words};
OUT0_T *const out = (OUT0_T *)OUT0_PTR + k * blocks + first;
const int64_t room = count - k * blocks - first, n = room < wide ? room : wide;
#pragma omp simd
for (int64_t j = 0; j < n; j++) out[j] = {_FORMS[self.form, self.dtype][0].format(bits)};
}}"""
        tiles = d.int_div(d.add(self.blocks(self.dims(node)), _TILE - 1), _TILE)
        return Kernel(text.strip(), tiles, _TILES + _CONVERSIONS)


def checked_state(state: Any) -> Variable:
    """``state`` as a variable; TypeError where it is no generator's state."""
    variable = as_tensor_variable(state)
    if not random_state_type.accepts(variable.type) and (variable.type.dtype, variable.type.ndim) != ("uint64", 1):
        raise TypeError(f"a random state is a uint64 vector of two elements (key and counter), got {variable} of type "
                        f"{variable.type}; make it with RandomStreams, or random_state_type()")
    return variable if variable.type.shape == (2,) else specify_shape(variable, (2,))
