"""Derivatives and what steers them, under the name of Theano's module.

>>> from symtensor import tensor as T
>>> from symtensor.gradient import grad, zero_grad
>>> x = T.dscalar("x")
>>> float(grad(x * zero_grad(x), x).eval({x: 3.0}))
3.0
"""

from symtensor import autodiff
from symtensor.autodiff import *  # noqa: F403

__all__ = autodiff.__all__
