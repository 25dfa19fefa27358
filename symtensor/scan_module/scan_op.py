"""The op of loops under Theano's name, for programs that look for it in a graph."""

from symtensor.ops.loop import Loop as Scan

__all__ = ["Scan"]
