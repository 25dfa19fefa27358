"""Checking gradients against finite differences: `verify_grad`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symtensor.autodiff.gradient import Lop
from symtensor.autodiff.numeric import TOLERANCE, numeric_grad
from symtensor.graph.errors import SymtensorError
from symtensor.graph.op import compilers
from symtensor.graph.run import run_nodes, value_of
from symtensor.graph.types import TensorType, is_complex
from symtensor.graph.variable import Variable
from symtensor.graph.walk import toposort

__all__ = ["GradientError", "evaluate", "numeric_grad", "verify_grad"]

Array = np.ndarray[Any, Any]



class GradientError(SymtensorError):
    """A gradient that differs from the numeric one (Theano's name). The attributes say where and by how much.

    Attributes
    ----------
    arg, err_pos, shape : number of the argument, flat position in it, its shape.
    val1, val2 : the symbolic and the numeric value there.
    abs_err, rel_err, abs_tol, rel_tol : errors and what was allowed; both must be exceeded.
    """

    def __init__(self, arg: int, err_pos: int, shape: tuple[int, ...], val1: float, val2: float,
                 abs_err: float, rel_err: float, abs_tol: float, rel_tol: float) -> None:
        super().__init__(arg, err_pos, shape, val1, val2, abs_err, rel_err, abs_tol, rel_tol)
        self.arg, self.err_pos, self.shape = arg, err_pos, shape
        self.val1, self.val2 = val1, val2
        self.abs_err, self.rel_err = abs_err, rel_err
        self.abs_tol, self.rel_tol = abs_tol, rel_tol

    def __str__(self) -> str:
        position = tuple(int(i) for i in np.unravel_index(self.err_pos, self.shape)) if self.shape else ()
        return (f"verify_grad: the gradient of argument {self.arg} is wrong at position {position} of shape "
                f"{self.shape}: symbolic {self.val1!r}, numeric {self.val2!r}; maximum error: absolute "
                f"{self.abs_err:.3g} (allowed {self.abs_tol:.3g}), relative {self.rel_err:.3g} (allowed "
                f"{self.rel_tol:.3g})")


def evaluate(outputs: Sequence[Variable], givens: Mapping[Variable, Any]) -> list[Any]:
    """The values of ``outputs`` by each op's `perform`, given the values of some variables.

    Nothing is optimized or compiled: this is what the graph says. ValueError where a value is missing.
    """
    known: dict[Variable, Any] = dict(givens)
    run_nodes(toposort(outputs, known), known)
    return [value_of(output, known) for output in outputs]


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: Any = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Check the gradient of ``fun`` at the point ``pt`` against finite differences (Theano's name).

    The outputs are weighed with random numbers, so that one number is differentiated.

    Parameters
    ----------
    fun : a function of variables that returns a variable, or several; an op is one.
    pt : float arrays, one for each argument.
    n_tests : number of random weighings.
    rng : a NumPy generator or RandomState; by default one of fixed seed.
    eps : the step of plain central differences; by default steps are extrapolated to 0, see `numeric_grad`.
    out_type : the dtype of the output, where it should lower the precision expected; by default its own.
    abs_tol, rel_tol : an element is wrong where both are exceeded. Default: 1e-6 in float64, 1e-3 in float32,
        5e-2 in float16, by the lowest dtype among arguments and outputs (Theano's: 1e-4, 1e-2, 5e-2).
    mode : compile with this mode; by default the graph is evaluated as it is, op by op.
    cast_to_output_type : weigh in the output's dtype instead of float64.
    no_debug_ref : taken for Theano's sake, without effect.

    Raises
    ------
    GradientError naming the argument, position and both values; TypeError for points that are no floats;
    ValueError for a gradient of another shape than its argument.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> verify_grad(lambda x: T.tanh(x) * x, [np.array([0.3, -1.2])])
    """
    points = _points(pt)
    rng = rng if rng is not None else np.random.default_rng(23455)
    types = [TensorType(point.dtype.name, (None,) * point.ndim) for point in points]
    inputs = [type_.make_variable(f"input {i}") for i, type_ in enumerate(types)]
    outputs = _outputs(fun(*inputs))
    dtypes = [o.type.dtype for o in outputs] + ([np.dtype(out_type).name] if out_type is not None else [])
    default = max(TOLERANCE.get(d, 0.0) for d in [*dtypes, *(p.dtype.name for p in points)])
    abs_tol, rel_tol = (default if tol is None else tol for tol in (abs_tol, rel_tol))
    weights = [output.type.make_variable() for output in outputs]
    value_f = _function(inputs, outputs, mode)
    grad_f = _function([*inputs, *weights], Lop(outputs, inputs, weights, disconnected_inputs="ignore"), mode)
    shapes = [np.shape(value) for value in value_f(*points)]
    coarse = min((d for d in dtypes if d in TOLERANCE), key=lambda d: np.finfo(d).bits, default=None)
    for _ in range(n_tests):
        draws = [np.asarray(rng.random(shape) + 0.5, dtype=output.type.dtype)
                 for shape, output in zip(shapes, outputs, strict=True)]
        cost = _weighed(value_f, draws, None if cast_to_output_type else "float64")
        grads = list(grad_f(*points, *draws))
        _compare(numeric_grad(cost, points, eps, coarse), grads, points, abs_tol, rel_tol)


def _points(pt: Any) -> list[Array]:
    """``pt`` as float arrays; TypeError where it is not."""
    if not isinstance(pt, (list, tuple)):
        raise TypeError(f"verify_grad: pt is a list of arrays, got {type(pt).__name__}")
    points = [np.array(p) for p in pt]
    for at, point in enumerate(points):
        if point.dtype.name not in TOLERANCE:
            raise TypeError(f"verify_grad: argument {at} has dtype {point.dtype}; it must be float16, "
                            "float32 or float64 (wrap fun to hold others constant)")
    return points


def _outputs(made: Any) -> list[Variable]:
    """What ``fun`` returned as a list; TypeError where it is no real tensor."""
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    for output in outputs:
        if not isinstance(output, Variable) or is_complex(output.type.dtype):
            raise TypeError(f"verify_grad: fun must return real tensor variables, got {output!r}")
    return outputs


def _weighed(f: Callable[..., Sequence[Any]], weights: Sequence[Array],
             dtype: str | None) -> Callable[..., float]:
    """The sum of the outputs of ``f`` times weights, as one number."""
    def cost(*arrays: Any) -> float:
        pairs = zip(weights, f(*arrays), strict=True)
        return float(sum(np.sum(np.multiply(weight, value, dtype=dtype)) for weight, value in pairs))

    return cost


def _compare(numeric: numeric_grad, grads: list[Any], points: list[Array], abs_tol: float,
             rel_tol: float) -> None:
    for at, (value, point) in enumerate(zip(grads, points, strict=True)):
        if np.asarray(value).dtype != point.dtype:
            raise TypeError(f"verify_grad: the gradient of argument {at} has dtype "
                            f"{np.asarray(value).dtype}, the argument has dtype {point.dtype}")
    arg, position, abs_err, rel_err = numeric.max_err(grads, abs_tol, rel_tol)
    if abs_err > abs_tol and rel_err > rel_tol:
        raise GradientError(arg, position, points[arg].shape, float(np.asarray(grads[arg]).flat[position]),
                            float(numeric.gf[arg].flat[position]), abs_err, rel_err, abs_tol, rel_tol)


def _function(inputs: Sequence[Variable], outputs: Sequence[Variable],
              mode: Any) -> Callable[..., Sequence[Any]]:
    """A function of arrays: compiled where there is a mode, else by `evaluate`."""
    if mode is not None:
        return compilers[-1](inputs, outputs, mode)
    return lambda *arrays: evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
