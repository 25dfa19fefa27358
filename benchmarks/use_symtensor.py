"""The workloads in symtensor."""

from __future__ import annotations

from typing import Any

import symtensor
from benchmarks.graphs import Graphs
from symtensor import tensor as T
from symtensor.tensor.shared_randomstreams import RandomStreams

symtensor.config.floatX = "float32"
_streams = RandomStreams(1)
_graphs = Graphs(symtensor, T, T.nnet.softmax, T.nnet.sigmoid,
                 lambda shape, chances: _streams.binomial(size=shape, n=1, p=chances, dtype="float32"))


def __getattr__(name: str) -> Any:
    return getattr(_graphs, name)
