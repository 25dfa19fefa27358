"""The names of ``theano.tensor.nnet.sigm``."""

from symtensor.ops.elementwise_math import hard_sigmoid, sigmoid, softplus, ultra_fast_sigmoid

__all__ = ["hard_sigmoid", "sigmoid", "softplus", "ultra_fast_sigmoid"]
