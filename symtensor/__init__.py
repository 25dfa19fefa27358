"""symtensor: symbolic tensor expressions, differentiated, optimized and compiled to native code.

>>> import numpy as np
>>> import symtensor
>>> from symtensor import tensor as T
>>> x = T.dvector("x")
>>> f = symtensor.function([x], symtensor.grad((x**2).sum(), x))
>>> f(np.array([1.0, 2.0]))
array([2., 4.])

Names are imported when they are first used: ``import symtensor`` itself loads little more than NumPy.
"""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from symtensor.config import config
from symtensor.graph.op import compilers, evaluators, language, testers
from symtensor.link.errors import details

if TYPE_CHECKING:
    from symtensor import gradient, printing, tensor  # noqa: F401
    from symtensor.autodiff import Lop, Rop, grad, hessian, jacobian, verify_grad  # noqa: F401
    from symtensor.compile.explain import explain  # noqa: F401
    from symtensor.compile.function import Function, function  # noqa: F401
    from symtensor.compile.io import In, Out  # noqa: F401
    from symtensor.compile.mode import Mode, get_default_mode, get_mode  # noqa: F401
    from symtensor.compile.shared import shared  # noqa: F401
    from symtensor.graph.errors import MissingInputError, UnusedInputError  # noqa: F401
    from symtensor.graph.op import Op  # noqa: F401
    from symtensor.graph.shared import SharedVariable  # noqa: F401
    from symtensor.graph.types import TensorType, Type  # noqa: F401
    from symtensor.graph.variable import Apply, Constant, Variable  # noqa: F401
    from symtensor.link.doctor import doctor  # noqa: F401
    from symtensor.printing import debugprint, pp, pydotprint  # noqa: F401

__version__ = "0.1.0"

_HOMES = {
    "Apply": "graph.variable", "Constant": "graph.variable", "Variable": "graph.variable", "Op": "graph.op",
    "SharedVariable": "graph.shared", "TensorType": "ops.tensor_variable", "Type": "graph.types",
    "FunctionGraph": "graph.fgraph",
    "MissingInputError": "graph.errors", "UnusedInputError": "graph.errors", "SymtensorError": "graph.errors",
    "DisconnectedInputError": "graph.errors", "NullTypeGradError": "graph.errors",
    "Function": "compile.function", "function": "compile.function", "In": "compile.io", "Out": "compile.io",
    "Mode": "compile.mode", "get_default_mode": "compile.mode", "get_mode": "compile.mode",
    "shared": "compile.shared", "clone": "compile.cloning", "explain": "compile.explain", "doctor": "link.doctor",
    "loop": "ops.carry", "scan": "ops.scan", "map": "ops.folds", "reduce": "ops.folds",
    "foldl": "ops.folds", "foldr": "ops.folds", "scan_checkpoints": "ops.checkpoints",
    "as_op": "ops.host", "dot": "ops.blas", "sparse_grad": "sparse.basic",
    "debugprint": "printing", "pp": "printing", "pydotprint": "printing",
}
"""Where each public name is defined."""

_GRADIENTS = ("grad", "Lop", "Rop", "jacobian", "hessian", "verify_grad", "grad_undefined",
              "grad_not_implemented", "disconnected_grad", "zero_grad", "grad_clip", "grad_scale",
              "consider_constant", "DisconnectedType", "subgraph_grad", "undefined_grad")
_HOMES.update(dict.fromkeys(_GRADIENTS, "autodiff"))
_ROOMS = {"tensor": "tensor", "sandbox": "sandbox", "sparse": "sparse", "typed_list": "typed_list",
          "printing": "printing", "gradient": "gradient", "ifelse": "ifelse", "scan_module": "scan_module"}

__all__ = ["config", *_HOMES, *_ROOMS]


def _evaluate(variable: Any, values: Any) -> Any:
    """``x.eval({...})``: the compiler is loaded at the first one."""
    from symtensor.compile.evaluate import evaluate

    return evaluate(variable, values)


def _printed_graph(node: Any) -> str:
    """The graph of the node that failed, for those who ask with ``config.exception_verbosity='high'``."""
    if config.exception_verbosity != "high":
        return ""
    from symtensor.printing import debugprint

    lines = str(debugprint(list(node.outputs), file="str")).splitlines()
    return "\n".join(["  its graph:", *(f"    {line}" for line in lines)])


def _compile(inputs: Any, outputs: Any, mode: Any) -> Any:
    """``verify_grad(..., mode=...)``: the function to check."""
    from symtensor.compile.function import function

    return function(list(inputs), list(outputs), mode=mode, on_unused_input="ignore")


def _function_of_the_language(path: str) -> Any:
    """``np.linalg.det(x)``: the tensor language is loaded at the first such call."""
    return attrgetter(path)(import_module("symtensor.tensor"))


def _compute_test_value(node: Any) -> None:
    """A new node where ``config.compute_test_value`` is on."""
    from symtensor.link.test_values import compute_test_value

    compute_test_value(node)


evaluators.append(_evaluate)
language.append(_function_of_the_language)
compilers.append(_compile)
testers.append(_compute_test_value)
details.append(_printed_graph)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        found: Any = import_module(f"symtensor.{_ROOMS[name]}")
    elif name in _HOMES:
        found = getattr(import_module(f"symtensor.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'symtensor' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
