# ruff: noqa: F401, F403  (names are imported to be found here)
"""Functions of neural networks, as in ``theano.tensor.nnet``."""

from symtensor.ops.elementwise_math import hard_sigmoid, ultra_fast_sigmoid
from symtensor.ops.neighbours import images2neibs, neibs2images
from symtensor.tensor.nnet import blocksparse, bn, ctc, neighbours, nnet, sigm
from symtensor.tensor.nnet.blocksparse import sparse_block_dot
from symtensor.tensor.nnet.bn import batch_normalization, batch_normalization_test, batch_normalization_train
from symtensor.tensor.nnet.nnet import *

__all__ = [
    *nnet.__all__, "batch_normalization", "batch_normalization_test", "batch_normalization_train",
    "hard_sigmoid", "images2neibs", "neibs2images", "sparse_block_dot", "ultra_fast_sigmoid",
]
