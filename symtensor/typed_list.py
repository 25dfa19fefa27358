"""Symbolic lists of tensors of one type: Theano's ``typed_list``.

>>> import symtensor
>>> from symtensor import tensor as T, typed_list
>>> x, v = typed_list.TypedListType(T.dvector)("x"), T.dvector("v")
>>> f = symtensor.function([x, v], [typed_list.append(x, v)[-1], typed_list.length(x)])
>>> f([[1.0], [2.0, 3.0]], [4.0])
[array([4.]), array(2)]
"""

from symtensor.ops import typed_list as _ops
from symtensor.ops.typed_list import *  # noqa: F403
from symtensor.ops.typed_list import index

index_ = index

__all__ = [*_ops.__all__, "index_"]
