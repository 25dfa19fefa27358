"""Sorting, with the names of ``theano.tensor.sort``."""

from __future__ import annotations

from symtensor.ops.sort import ArgSortOp, SortOp, TopKOp, argsort, argtopk, sort, topk, topk_and_argtopk

__all__ = ["ArgSortOp", "SortOp", "TopKOp", "argsort", "argtopk", "sort", "topk", "topk_and_argtopk"]
