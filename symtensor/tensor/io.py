"""Arrays from files, as in ``theano.tensor.io``."""

from symtensor.ops.host import LoadFromDisk, load

__all__ = ["LoadFromDisk", "load"]
