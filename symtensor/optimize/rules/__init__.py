"""The rule tables. Importing the package fills them."""

from symtensor.optimize import passes
from symtensor.optimize.rules import (
    arithmetic,
    blas,
    identities,
    indexing,
    layout,
    linalg,
    nnet,
    reduction,
    selection,
    stabilize,
)

__all__ = ["arithmetic", "blas", "identities", "indexing", "layout", "linalg", "nnet", "passes", "reduction",
           "selection", "stabilize"]
