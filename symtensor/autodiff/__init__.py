"""Derivatives: graph to graph, reverse and forward mode (the names of ``theano.gradient``)."""

from symtensor.autodiff import loops as _loops  # noqa: F401  (loops are differentiated)
from symtensor.autodiff.checks import format_as
from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import Lop, grad, hessian_vector_product, subgraph_grad
from symtensor.autodiff.jacobians import hessian, jacobian
from symtensor.autodiff.null import DisconnectedType, NullType, grad_not_implemented, grad_undefined
from symtensor.autodiff.numeric import numeric_grad
from symtensor.autodiff.stop import (
    DisconnectedGrad,
    GradClip,
    GradScale,
    UndefinedGrad,
    ZeroGrad,
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)
from symtensor.autodiff.verify import GradientError, verify_grad
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError

__all__ = [
    "DisconnectedGrad",
    "DisconnectedInputError",
    "DisconnectedType",
    "GradClip",
    "GradScale",
    "GradientError",
    "Lop",
    "NullType",
    "NullTypeGradError",
    "Rop",
    "UndefinedGrad",
    "ZeroGrad",
    "consider_constant",
    "disconnected_grad",
    "format_as",
    "grad",
    "grad_clip",
    "grad_not_implemented",
    "grad_scale",
    "grad_undefined",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "numeric_grad",
    "subgraph_grad",
    "undefined_grad",
    "verify_grad",
    "zero_grad",
]
