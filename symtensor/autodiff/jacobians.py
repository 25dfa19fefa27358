"""Matrices of derivatives: `jacobian` and `hessian`, for sizes known at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.autodiff.checks import check_stop, check_wrt, format_as, refuse_null, settle
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.reverse import carries_gradient, pullback
from symtensor.config import config
from symtensor.graph.types import TensorType, is_complex
from symtensor.graph.variable import Variable

__all__ = ["hessian", "jacobian"]


def jacobian(
    expression: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The derivative of every element of ``expression`` by every element of ``wrt`` (Theano's name).

    Parameters
    ----------
    expression : a real tensor of 0 or 1 dimensions.
    wrt : a float variable of any rank, or a list or tuple of such.
    consider_constant, disconnected_inputs : as for `grad`.

    Returns
    -------
    For each ``wrt`` a tensor of shape ``expression.shape + wrt.shape``.

    Raises
    ------
    ValueError for an expression of more dimensions (flatten it), TypeError for a complex one; else as `grad`.

    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> jacobian(x ** 2, x).eval({x: [1.0, 2.0]})
    array([[2., 0.],
           [0., 4.]])
    """
    if not isinstance(expression, Variable) or not isinstance(expression.type, TensorType):
        raise TypeError(f"jacobian: the expression must be a tensor variable, got {expression!r}")
    if expression.type.ndim > 1:
        raise ValueError(f"jacobian: the expression must have 0 or 1 dimensions, got {expression} of type "
                         f"{expression.type} with {expression.type.ndim}; make it a vector with .flatten()")
    if is_complex(expression.type.dtype):
        raise TypeError(f"jacobian: the expression must be real, got dtype {expression.type.dtype}; take "
                        "real(...) and imag(...) of it")
    if expression.type.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    targets = check_wrt("jacobian", wrt)
    from symtensor.ops.create import arange
    from symtensor.ops.elementwise import cast
    from symtensor.ops.elementwise_compare import eq
    from symtensor.ops.loop_build import build_loop
    from symtensor.ops.shape import shape_of

    (length,) = shape_of(expression)
    index = TensorType("int64", ()).make_variable("row")
    dtype = expression.type.dtype if carries_gradient(expression) else config.floatX
    one_hot = cast(eq(arange(length), index), dtype)
    found = pullback([expression], [one_hot], targets, stop=check_stop(consider_constant))
    rows: list[Any] = []
    for variable, term in zip(targets, found, strict=True):
        refuse_null("jacobian", variable, term)
        rows.append(settle("jacobian", variable, term, expression, disconnected_inputs, "zero"))
    stacked = build_loop(length, [(index, arange(length))], [], rows, name="jacobian").rows
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), stacked)


def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The matrix of second derivatives of a scalar cost by each vector of ``wrt`` (Theano's name).

    Returns one square matrix for each vector, in a list or tuple as ``wrt`` is one. ValueError for a ``wrt``
    that is no vector; else as `grad`. For a product with a vector, `hessian_vector_product` is much cheaper.

    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> hessian(x[0] ** 2 * x[1], x).eval({x: [1.0, 2.0]})
    array([[4., 2.],
           [2., 0.]])
    """
    targets = check_wrt("hessian", wrt)
    for variable in targets:
        if variable.type.ndim != 1:
            raise ValueError(f"hessian: wrt holds vectors, got {variable} of type {variable.type} with "
                             f"{variable.type.ndim} dimension(s); use jacobian(grad(cost, x).flatten(), x) "
                             "for others")
    firsts = grad(cost, targets, consider_constant, disconnected_inputs)
    matrices = [jacobian(first, variable, consider_constant, "ignore")
                for first, variable in zip(firsts, targets, strict=True)]
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), matrices)
