"""The rule tables. Importing the package fills them."""

from symtensor.optimize import passes
from symtensor.optimize.rules import arithmetic, blas, layout, linalg, nnet, stabilize

__all__ = ["arithmetic", "blas", "layout", "linalg", "nnet", "passes", "stabilize"]
