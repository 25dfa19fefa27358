"""The names of ``theano.tensor.nnet.neighbours``."""

from symtensor.ops.neighbours import Images2Neibs, images2neibs, neibs2images

__all__ = ["Images2Neibs", "images2neibs", "neibs2images"]
