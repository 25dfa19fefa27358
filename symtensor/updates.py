"""Updates of shared variables as a dict (``theano.updates``)."""

from symtensor.ops.scan import OrderedUpdates

__all__ = ["OrderedUpdates"]
