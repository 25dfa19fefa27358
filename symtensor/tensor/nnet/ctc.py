"""The names of ``theano.tensor.nnet.ctc``."""

from symtensor.ops.ctc import ConnectionistTemporalClassification, ctc

__all__ = ["ConnectionistTemporalClassification", "ctc"]
