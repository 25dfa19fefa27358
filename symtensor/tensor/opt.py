"""The ops of ``theano.tensor.opt`` that programs use; rewriting is in `symtensor.optimize`."""

from symtensor.ops.identity import Assert, assert_op
from symtensor.ops.shape import MakeVector

__all__ = ["Assert", "MakeVector", "assert_", "assert_op", "make_vector"]

assert_ = assert_op
make_vector = MakeVector("int64")
