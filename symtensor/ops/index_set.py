"""``x`` with a part of it set or increased: `set_subtensor`, `inc_subtensor`, and their op for basic
indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import COMPLEX_DTYPES
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, constant, int64_constant
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle, pad_left
from symtensor.ops.index import AdvancedSubtensor, AdvancedSubtensor1, Reader, Subtensor
from symtensor.ops.index_key import Slot, scalar_mask_axes
from symtensor.ops.index_region import Check, Indexing
from symtensor.ops.index_text import REGION_SUPPORT, array_check_text, nest_text, own_text, walk_region
from symtensor.ops.reshape import Reshape, reshape
from symtensor.ops.shape import SpecifyShape, Unbroadcast, shape_of

__all__ = ["WRITERS", "AdvancedIncSubtensor", "AdvancedIncSubtensor1", "IncSubtensor", "inc_subtensor", "set_subtensor"]


class IncSubtensor(Indexing):
    """A copy of input 0 whose region ``idx_list`` is set to, or increased by, input 1, which is broadcast
    (Theano's op). Input 1 has the rank of the region and the dtype of input 0; the index values follow."""

    __props__: ClassVar[tuple[str, ...] | None] = ("idx_list", "set_instead_of_inc")
    may_overwrite = {0: (0,)}
    first_index = 2
    reader: type[Reader] = Subtensor
    """The op that reads the region."""

    def __init__(self, idx_list: Sequence[Slot], inplace: bool = False, set_instead_of_inc: bool = False) -> None:
        super().__init__(idx_list)
        self.set_instead_of_inc = bool(set_instead_of_inc)

    @property
    def verb(self) -> str:
        """The name users call it by."""
        return "set_subtensor" if self.set_instead_of_inc else "inc_subtensor"

    def make_node(self, x: Any, y: Any, *index: Any) -> Apply:
        x, y = as_tensor_variable(x), as_tensor_variable(y)
        inputs = [x, y, *self.index_variables(x, index)]
        region = self.static_region(inputs)
        if y.type.ndim > len(region):
            raise ValueError(f"{self.verb}: a value with {y.type.ndim} dimension(s), {y}, does not fit in a "
                             f"part with {len(region)}")
        inputs[1] = y = pad_left(_fitted(y, x, self.verb), len(region))
        for axis, (dim, own) in enumerate(zip(region, y.type.shape, strict=True)):
            if dim is not None and own not in (None, 1, dim):
                raise self._misfit(axis, own, dim)
        return Apply(self, inputs, [x.type.make_variable()])

    def _misfit(self, axis: int, own: int, dim: int) -> ValueError:
        return ValueError(f"{self.verb}: dimension {axis} of the value is {own}, which does not broadcast to "
                          f"the {dim} of the part")

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception | None:
        """The words for an index or value that does not fit."""
        if code == "ST_SHAPE" and values[3] < 0:
            return self._misfit(*values[:3])
        return super().failure(node, code, values)

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[Check]:
        """What must hold at run time."""
        checks = self.region_checks(node.inputs, shapes)
        for axis, (dim, own) in enumerate(zip(self.region_dims(node.inputs, shapes), shapes[1], strict=True)):
            good = d.any_of(d.equal(own, 1), d.equal(own, dim))
            checks.append((good, "ST_SHAPE", (int64_constant(axis), own, dim, int64_constant(-1))))
        return checks

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, y, *values = inputs
        key = self.numpy_key(node, x, values)
        for axis, (dim, own) in enumerate(zip(np.shape(x[key]), y.shape, strict=True)):
            if own not in (1, dim):
                raise self._misfit(axis, own, dim)
        result = np.array(x)
        if self.set_instead_of_inc:
            result[key] = y
        elif "a" in self.idx_list:
            np.add.at(result, key, y)
        else:
            result[key] += y
        outputs[0][0] = result

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def kernel(self, node: Apply) -> Kernel:
        """Each range of iterations owns a part of the output: it copies it, where the output is not computed in place,
        and makes all changes to it, in order. Index arrays are checked before anything is written: a failed call
        changes nothing."""
        x, y = node.inputs[:2]
        walk = walk_region(self, node, own=True)
        ends = [""]  # of the innermost loop there are two variants, each with a stride that the compiler knows
        places: list[str] = []
        for k, ((name, _, _), dim) in enumerate(zip(walk.loops, y.type.shape, strict=True)):
            if dim is None:
                walk.before.append(f"const int64_t y{k} = IN1_DIM({k}) != 1;")
            if dim is None and k == y.type.ndim - 1:
                ends = [name, "0"]
            else:
                places.append("0" if dim == 1 else name if dim is not None else f"{name} * y{k}")
        target = f"OUT0({', '.join(f'x{axis}' for axis in range(x.type.ndim))})"
        values = [f"IN1({', '.join([*places, end] if end else places)})" for end in ends]
        if self.set_instead_of_inc:
            changes = [f"{target} = {value};" for value in values]
        elif x.type.dtype == "bool":
            changes = [f"{target} = {target} | {value};" for value in values]
        else:
            changes = [f"{target} = (OUT0_T)({target} + {value});" for value in values]
        shapes = [shape_of(v) for v in node.inputs]
        body = [*array_check_text(self, node), *own_text(self, node), *walk.before,
                *nest_text(walk, changes, f"y{y.type.ndim - 1}")]
        size: Variable = int64_constant(1)
        for dim in shapes[0]:
            size = d.maximum(size, dim)
        work = d.product(self.region_dims(node.inputs, shapes))
        return Kernel("\n".join(body), size, REGION_SUPPORT, ranged=True, work=work)

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.reduce import sum_to_shape

        _, y, *index = inputs
        (g,) = output_grads
        to_x = g
        if self.set_instead_of_inc:
            to_x = self.of(self.idx_list, set_instead_of_inc=True)(g, constant(0, dtype=g.type.dtype), *index)
        to_y = sum_to_shape(self.reader.of(self.idx_list)(g, *index), y)
        return [to_x, to_y, *(None for _ in index)]

    def __str__(self) -> str:
        head, _, tail = super().__str__().partition("{")
        return f"{head}{{{'set' if self.set_instead_of_inc else 'inc'}; {tail}"


class AdvancedIncSubtensor(IncSubtensor):
    """A copy of input 0 whose elements at integer arrays are set to, or increased by, input 1 (Theano's op).

    Positions named repeatedly are increased repeatedly, in order; of several values set, the last one stays.
    """

    reader: type[Reader] = AdvancedSubtensor


class AdvancedIncSubtensor1(AdvancedIncSubtensor):
    """A copy of input 0 whose rows at a vector of integers are set to, or increased by, input 1 (Theano's
    op)."""

    __props__: ClassVar[tuple[str, ...] | None] = ("set_instead_of_inc",)
    reader = AdvancedSubtensor1
    rows = True

    def __init__(self, inplace: bool = False, set_instead_of_inc: bool = False) -> None:
        super().__init__(("a",), inplace, set_instead_of_inc)

    def __str__(self) -> str:
        return f"AdvancedIncSubtensor1{{{'set' if self.set_instead_of_inc else 'inc'}}}"


WRITERS: dict[type[Reader], type[IncSubtensor]] = {
    op.reader: op for op in (IncSubtensor, AdvancedIncSubtensor, AdvancedIncSubtensor1)}
"""The op that sets or increases what each reader reads."""


def _fitted(y: Variable, x: Variable, verb: str) -> Variable:
    """The value in the dtype of ``x``; TypeError where that is of a lesser kind, unless it is a constant that
    fits."""
    if y.type.dtype == x.type.dtype:
        return y
    lossless = y.type.dtype not in COMPLEX_DTYPES or x.type.dtype in COMPLEX_DTYPES
    if isinstance(y, Constant) and lossless and np.array_equal(y.data.astype(x.type.dtype), y.data):
        return constant(y.data, dtype=x.type.dtype)
    if not np.can_cast(y.type.dtype, x.type.dtype, "same_kind"):
        raise TypeError(f"{verb}: a value of dtype {y.type.dtype} does not fit in a tensor of dtype "
                        f"{x.type.dtype}; convert one of them with .astype(...)")
    from symtensor.ops.elementwise import cast

    return cast(y, x.type.dtype)


def set_subtensor(x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False) -> Variable:
    """The tensor of which ``x`` is a part, ``x = a[key]``, with that part set to ``y``, which is broadcast
    (Theano's name). ``a`` itself does not change; the compiler works in place where it can, so ``inplace`` is
    ignored.

    TypeError where ``x`` is no part of a tensor or dtypes do not fit, ValueError where shapes do not.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> a = T.dvector("a")
    >>> set_subtensor(a[1:], 7).eval({a: np.zeros(3)})
    array([0., 7., 7.])
    """
    return _update(x, y, True)


def inc_subtensor(x: Any, y: Any, inplace: bool = False, set_instead_of_inc: bool = False,
                  tolerate_inplace_aliasing: bool = False, ignore_duplicates: bool = False) -> Variable:
    """The tensor of which ``x`` is a part, ``x = a[key]``, with ``y``, which is broadcast, added to that part
    (Theano's name). Positions that are named repeatedly are increased repeatedly, in order, unless
    ``ignore_duplicates``. ``inplace`` and errors are as for `set_subtensor`.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> a = T.dvector("a")
    >>> inc_subtensor(a[[0, 0, 2]], 1).eval({a: np.zeros(3)})
    array([2., 0., 1.])
    """
    if ignore_duplicates and not set_instead_of_inc:
        from symtensor.ops.elementwise import add

        return _update(x, add(x, y), True)
    return _update(x, y, set_instead_of_inc)


def _update(part: Any, y: Any, set_it: bool) -> Variable:
    """Walk from the part back through views to the indexing that made it, taking the value along."""
    from symtensor.ops.create import alloc

    verb = "set_subtensor" if set_it else "inc_subtensor"
    y = _fitted(as_tensor_variable(y), as_tensor_variable(part), verb)
    while isinstance(part, Variable) and part.owner is not None:
        op = part.owner.op
        x, *index = part.owner.inputs
        if isinstance(op, Reader):
            gone = scalar_mask_axes(op.arrays(index))
            result: Variable = op.writer(set_it)(x, y, *index)
            return dimshuffle(result, [axis for axis in range(x.type.ndim) if axis not in gone])
        if y.type.ndim > part.type.ndim:
            raise ValueError(f"{verb}: a value with {y.type.ndim} dimension(s), {y}, does not fit in a part "
                             f"with {part.type.ndim}")
        if isinstance(op, DimShuffle):
            back: list[int | str] = ["x"] * op.ndim
            for at, axis in enumerate(op.order):
                if axis != "x":
                    back[axis] = at  # type: ignore[index]
            y = DimShuffle(part.type.ndim, back)(pad_left(y, part.type.ndim))
        elif isinstance(op, Reshape):
            y = reshape(alloc(y, *shape_of(part)), shape_of(x))
        elif not isinstance(op, (SpecifyShape, Unbroadcast)):
            break
        part = x
    raise TypeError(f"{verb}: {part} is no part of a tensor; give x[...] itself, as in {verb}(x[1:], y)")
