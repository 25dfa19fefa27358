"""Philox4x32-10 on Python's integers, and samples from its blocks: said again, without the library."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

MASK = 2**32 - 1


def block(key: int, counter: int) -> list[int]:
    """The four words of the block at a 128-bit counter."""
    c = [counter >> 32 * k & MASK for k in range(4)]
    k = [key & MASK, key >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & MASK, a >> 32 ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def integers(state, count: int, bits: int) -> list[int]:
    """``count`` random integers of 32 or 64 bits in the order of the library: word by word of all blocks."""
    per = 128 // bits
    blocks = [block(int(state[0]), (int(state[1]) + b) % 2**64) for b in range(-(-count // per))]
    if bits == 64:
        blocks = [[w[0] | w[1] << 32, w[2] | w[3] << 32] for w in blocks]
    return [w[k] for k in range(per) for w in blocks][:count]


def bits_for(dtype) -> int:
    return 64 if np.dtype(dtype) == np.float64 else 32


def unit(state, shape, dtype) -> np.ndarray:
    """Uniform in [0, 1)."""
    bits = bits_for(dtype)
    keep = 53 if bits == 64 else 24
    values = [(x >> bits - keep) / 2**keep for x in integers(state, math.prod(shape), bits)]
    return np.array(values, np.float64).reshape(shape).astype(dtype)


def positive(state, shape, dtype) -> np.ndarray:
    """Uniform in (0, 1]."""
    bits = bits_for(dtype)
    values = [(x + 0.5) / 2**bits for x in integers(state, math.prod(shape), bits)]
    return np.array(values, np.float64).reshape(shape).astype(dtype)


def normal(state, shape, dtype) -> np.ndarray:
    """Standard normal, by the inverse of its distribution."""
    bits = bits_for(dtype)
    half = 2 ** (bits - 1)
    signed = [x - 2 * half if x >= half else x for x in integers(state, math.prod(shape), bits)]
    v = np.array([(x + 0.5) / 2**bits for x in signed], np.float64).reshape(shape).astype(dtype).astype(np.float64)
    return np.copysign(stats.norm.isf(np.abs(v)), v).astype(dtype)


def pair(state, element: int, attempt: int = 0) -> tuple[float, float]:
    """The two numbers of a try of an element's own stream."""
    w = block(int(state[0]), (int(state[1]) + element) % 2**64 | attempt << 64)
    return tuple((((w[k] | w[k + 1] << 32) >> 12) + 0.5) / 2**52 for k in (0, 2))


def gamma(state, element: int, shape: float) -> float:
    """By the algorithm of Marsaglia and Tsang."""
    if shape == 0:
        return 0.0
    boost = pair(state, element, 2**63)[0] ** (1 / shape) if shape < 1 else 1.0
    d = (shape + 1 if shape < 1 else shape) - 1 / 3
    for attempt in range(1000):
        u, v = pair(state, element, attempt)
        z = math.copysign(stats.norm.isf(abs(u - 0.5)), u - 0.5)
        cube = (1 + z / math.sqrt(9 * d)) ** 3
        if cube > 0 and math.log(v) < z * z / 2 + d - d * cube + d * math.log(cube):
            return d * cube * boost
    raise AssertionError
