"""Loops under Theano's path, ``symtensor.scan_module.until``; the functions themselves are in `symtensor.ops.scan`."""

from symtensor.ops.checkpoints import scan_checkpoints
from symtensor.ops.folds import foldl, foldr, map, reduce
from symtensor.ops.scan import scan, until
from symtensor.scan_module import scan_op, scan_utils

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "scan_op", "scan_utils", "until"]
