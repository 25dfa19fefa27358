"""The rule tables. Importing the package fills them."""

from symtensor.optimize import passes
from symtensor.optimize.rules import arithmetic, blas, layout, nnet, stabilize

__all__ = ["arithmetic", "blas", "layout", "nnet", "passes", "stabilize"]
