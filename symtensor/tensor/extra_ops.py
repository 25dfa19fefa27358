"""Further operations, with the names of ``theano.tensor.extra_ops``."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops.count import Unique, bincount, ravel_multi_index, to_one_hot, unique, unravel_index
from symtensor.ops.cumulative import CumOp, cumprod, cumsum, diff
from symtensor.ops.elementwise import tensor_copy
from symtensor.ops.grid import bartlett
from symtensor.ops.index_advanced import compress
from symtensor.ops.repeat import repeat
from symtensor.ops.reshape import squeeze
from symtensor.ops.sort import SearchsortedOp, searchsorted
from symtensor.ops.triangle import fill_diagonal, fill_diagonal_offset

__all__ = ["CpuContiguous", "CumOp", "SearchsortedOp", "Unique", "bartlett", "bincount", "compress", "cpu_contiguous",
           "cumprod", "cumsum", "diff", "fill_diagonal", "fill_diagonal_offset", "ravel_multi_index", "repeat",
           "searchsorted", "squeeze", "to_one_hot", "unique", "unravel_index"]


class CpuContiguous:
    """``CpuContiguous()(x)``: a copy of ``x`` in contiguous memory, in C order (Theano's op)."""

    def __call__(self, x: Any) -> Variable:
        result: Variable = tensor_copy(x)
        return result


cpu_contiguous = CpuContiguous()
