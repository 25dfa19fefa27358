"""The ops of ``theano.compile.ops``: functions as ops, views, copies, and shapes."""

from __future__ import annotations

from typing import Any, NoReturn

from symtensor.graph.variable import Variable
from symtensor.ops import shape as _shape
from symtensor.ops.host import FromFunctionOp, as_op
from symtensor.ops.identity import DeepCopyOp, OutputGuard, Rebroadcast, ViewOp, deep_copy_op, output_guard, view_op
from symtensor.ops.shape import Shape, Shape_i, SpecifyShape, shape, specify_shape

__all__ = [
    "DeepCopyOp", "FromFunctionOp", "OutputGuard", "Rebroadcast", "Shape", "Shape_i", "SpecifyShape", "ViewOp",
    "as_op", "deep_copy_op", "output_guard", "register_deep_copy_op_c_code", "register_rebroadcast_c_code",
    "register_shape_c_code", "register_shape_i_c_code", "register_specify_shape_c_code",
    "register_view_op_c_code", "shape", "shape_i", "specify_shape", "view_op",
]


def shape_i(var: Any, i: int, fgraph: Any = None) -> Variable:
    """Dimension ``i`` of ``var`` as an int64 scalar. ``fgraph`` is taken for Theano's sake, without effect."""
    return _shape.shape_i(var, i)


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"{name}: types bring no C code of their own here; ops do: write Op.kernel(node), which "
                              "returns a symtensor.graph.op.Kernel")


def register_view_op_c_code(type: Any, code: str, version: Any = ()) -> NoReturn:
    """NotImplementedError: there is no C code for each type here; see `symtensor.graph.op.Kernel`."""
    _refuse("register_view_op_c_code")


def register_deep_copy_op_c_code(typ: Any, code: str, version: Any = ()) -> NoReturn:
    """NotImplementedError, as `register_view_op_c_code`."""
    _refuse("register_deep_copy_op_c_code")


def register_rebroadcast_c_code(typ: Any, code: str, version: Any = ()) -> NoReturn:
    """NotImplementedError, as `register_view_op_c_code`."""
    _refuse("register_rebroadcast_c_code")


def register_shape_c_code(type: Any, code: str, version: Any = ()) -> NoReturn:
    """NotImplementedError, as `register_view_op_c_code`."""
    _refuse("register_shape_c_code")


def register_shape_i_c_code(typ: Any, code: str, check_input: Any, version: Any = ()) -> NoReturn:
    """NotImplementedError, as `register_view_op_c_code`."""
    _refuse("register_shape_i_c_code")


def register_specify_shape_c_code(typ: Any, code: str, version: Any = (), c_support_code_apply: Any = None) -> NoReturn:
    """NotImplementedError, as `register_view_op_c_code`."""
    _refuse("register_specify_shape_c_code")
