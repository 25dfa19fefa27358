"""The workloads in PyTensor."""

from __future__ import annotations

from typing import Any

import pytensor
import pytensor.tensor as T
from pytensor.tensor.random.utils import RandomStream

from benchmarks.graphs import Graphs

pytensor.config.floatX = "float32"
_streams = RandomStream(1)
_graphs = Graphs(pytensor, T, lambda x: T.special.softmax(x, axis=1), T.sigmoid,
                 lambda shape, chances: T.cast(_streams.bernoulli(chances, size=shape), "float32"))


def __getattr__(name: str) -> Any:
    return getattr(_graphs, name)
