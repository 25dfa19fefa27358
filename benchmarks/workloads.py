"""What is measured. A framework's module has a function of the same name for each workload.

Each such function takes a `numpy.random.Generator` and returns a callable without arguments that does one step and
waits until its result is there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["BATCH", "CLASSES", "FRAMEWORKS", "HIDDEN", "PIXELS", "RATE", "WORKLOADS", "Workload", "digits",
           "glorot", "reals"]

BATCH, PIXELS, HIDDEN, CLASSES, RATE = 600, 784, 500, 10, 0.13
BATCHES = 4

FRAMEWORKS = ("symtensor", "pytensor", "jax", "torch", "torch_compile")


class Workload(NamedTuple):
    """A row of the table; ``repeat`` steps make one timed sample."""

    name: str
    title: str
    repeat: int


WORKLOADS = (
    Workload("logreg", f"logistic regression {BATCH}x{PIXELS} -> {CLASSES}, forward + backward + update", 200),
    Workload("mlp", f"MLP {PIXELS}-{HIDDEN}-{CLASSES}, batch {BATCH}, forward + backward + update", 20),
    Workload("chain", "elementwise chain over 1e6 floats", 40),
    Workload("chain_grad", "the chain's gradient", 20),
    Workload("scalar", "x + 1 on a scalar: the cost of a call", 20_000),
)


def digits(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a few batches, as random numbers."""
    images = rng.random((BATCHES * BATCH, PIXELS), dtype="float32")
    return images, rng.integers(0, CLASSES, BATCHES * BATCH).astype("int32")


def glorot(rng: np.random.Generator) -> np.ndarray:
    """The hidden layer's first weights."""
    bound = np.sqrt(6.0 / (PIXELS + HIDDEN))
    return rng.uniform(-bound, bound, (PIXELS, HIDDEN)).astype("float32")


def reals(rng: np.random.Generator) -> np.ndarray:
    """A million floats around zero."""
    return rng.standard_normal(1_000_000).astype("float32")
