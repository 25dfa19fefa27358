"""Shapes as symbolic integers: one scalar expression for each dimension of each variable.

Dimensions are interned and simplified as they are built, so that two dimensions are known to be equal when they are
the same variable. Under the assumption that operands of broadcasting ops have equal dimensions wherever neither is
known to be 1, dimensions are united, and each union is recorded as a `Guard` to be checked at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symtensor.graph.fgraph import FunctionGraph, Guard, Interner
from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.convert import as_index, int64_constant, static_value
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.infer_algebra import Simplifier

__all__ = ["ShapeInference"]

Dims = tuple[Variable, ...]


class ShapeInference:
    """The shapes of the variables of one interned graph.

    Parameters
    ----------
    interner : where dimensions are interned; the variables asked about belong to it.
    assume : unite the dimensions that meet in broadcasting ops, as `guards` tells.
    guards : equalities to start from (those of the graph).
    inputs : the inputs of the graph, in order: their dimensions represent the others.

    A dimension that cannot be computed from those of the inputs is a ``Shape_i{k}(v)`` node.

    >>> from symtensor import tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> graph = FunctionGraph.build([x, y], [x[1:].sum() + T.concatenate([x, y])])
    >>> [str(dim.owner) for dim in ShapeInference.of(graph).shape_of(graph.outputs[0])]
    ['Elemwise{add}(Shape_i{0}.0, Shape_i{0}.0)']
    """

    def __init__(self, interner: Interner, assume: bool = False, guards: Iterable[Guard] = (),
                 inputs: Sequence[Variable] = ()) -> None:
        self.interner = interner
        self.assume = assume
        self.guards: list[Guard] = []
        self.unions = 0  # how many: what was found out about shapes may be more after a further one
        self._shapes: dict[Variable, Dims] = {}
        self._ranks: dict[Variable, tuple[int, ...]] = {}
        self._number = {variable: index for index, variable in enumerate(inputs)}
        self._parent: dict[Variable, Variable] = {}
        self._computable: dict[Variable, bool] = {}
        self._simplifier = Simplifier(interner, self._element, self.find, self._rank)
        for guard in guards:
            self._unite(self.simplify(guard.left), self.simplify(guard.right))

    @classmethod
    def of(cls, graph: FunctionGraph, assume: bool = False) -> ShapeInference:
        """The inference for a graph, starting from its guards."""
        return cls(graph.interner, assume, graph.guards, graph.inputs)

    # -- questions ---------------------------------------------------------------------------------------------------

    def shape_of(self, variable: Variable) -> Dims:
        """The dimensions as int64 scalars; those known to be equal are the same variable. () for other types."""
        found = self._shapes.get(variable)
        if found is None:
            self._infer(variable)
            found = self._shapes[variable]
        return tuple([self.simplify(dim) for dim in found])

    def bind(self, variable: Variable, dims: Sequence[Variable]) -> None:
        """State the dimensions of a variable that is computed elsewhere (a row of an array)."""
        self._shapes[variable] = tuple(dims)

    def simplify(self, scalar: Variable) -> Variable:
        """The interned and simplified equal of an integer scalar (a dimension, a position)."""
        return self._simplifier(scalar)

    def same_shape(self, a: Variable, b: Variable) -> bool:
        """Whether two variables are known to have equal shapes."""
        return a is b or self.shape_of(a) == self.shape_of(b)

    def is_one(self, dim: Variable) -> bool:
        """Whether a dimension is known to be 1."""
        return static_value(dim) == 1

    def run(self, order: Iterable[Apply]) -> list[Guard]:
        """Infer all shapes of the nodes; the guards that were assumed so far."""
        for node in order:
            for output in node.outputs:
                self.shape_of(output)
        return self.guards

    # -- inference ---------------------------------------------------------------------------------------------------

    def _infer(self, variable: Variable) -> None:
        for node in toposort([variable], self._shapes):
            self._infer_node(node)
        if variable not in self._shapes:
            self._shapes[variable] = self._own_shape(variable)

    def _infer_node(self, node: Apply) -> None:
        if self.assume and node.op.broadcasts:
            self._assume_equal(node)
        infer = node.op.infer_shape
        if infer is None:
            for output in node.outputs:
                self._shapes[output] = self._own_shape(output)
            return
        given = [self.shape_of(v) if isinstance(v.type, TensorType) else None for v in node.inputs]
        shapes = infer(node, given)
        if len(shapes) != len(node.outputs):
            raise ValueError(f"{node.op}: infer_shape returned {len(shapes)} shape(s) for {len(node.outputs)} "
                             "output(s)")
        for output, shape in zip(node.outputs, shapes, strict=True):
            self._shapes[output] = self._checked(node, output, shape)

    def _checked(self, node: Apply, output: Variable, shape: Any) -> Dims:
        if not isinstance(output.type, TensorType):
            return ()
        if shape is None:  # the op does not know this one
            return self._own_shape(output)
        static = output.type.shape
        if len(shape) != len(static):
            raise ValueError(f"{node.op}: infer_shape returned {len(shape)} dimension(s) for an output of type "
                             f"{output.type}")
        return tuple([
            self.simplify(as_index(dim)) if known is None else int64_constant(known)
            for dim, known in zip(shape, static, strict=True)
        ])

    def _own_shape(self, variable: Variable) -> Dims:
        """Static dimensions, and ``Shape_i`` nodes for the others."""
        from symtensor.ops.shape import Shape_i

        if not isinstance(variable.type, TensorType):
            return ()
        if isinstance(variable, Constant):
            return tuple(map(int64_constant, variable.data.shape))
        dims: list[Variable] = []
        for axis, known in enumerate(variable.type.shape):
            if known is None:
                (dim,) = self.interner.intern([Shape_i(axis)(variable)])
            else:
                dim = int64_constant(known)
            dims.append(dim)
        return tuple(dims)

    def _element(self, variable: Variable, axis: int) -> Variable:
        """Dimension ``axis`` of ``variable``, for expressions that read it."""
        if variable not in self._shapes:
            self._infer(variable)
        return self._shapes[variable][axis]

    # -- assumed equalities ------------------------------------------------------------------------------------------

    def find(self, dim: Variable) -> Variable:
        """The representative of the dimensions united with ``dim``."""
        parent = self._parent.get(dim, dim)
        while parent is not dim:
            dim, parent = parent, self._parent.get(parent, parent)
        return dim

    def _assume_equal(self, node: Apply) -> None:
        shapes = [self.shape_of(variable) for variable in node.inputs]
        rank = max(map(len, shapes), default=0)
        for axis in range(rank):
            first: Variable | None = None
            for shape in shapes:
                at = axis - rank + len(shape)
                if at < 0:
                    continue
                dim = self.simplify(shape[at])
                if dim is first or self.is_one(dim) or not self._guardable(dim):
                    continue
                if first is None:
                    first = dim
                elif not (isinstance(dim, Constant) and isinstance(first, Constant)):
                    self.guards.append(Guard(first, dim, axis, str(node.op), tuple(shapes), node.origin))
                    first = self._unite(first, dim)

    def require_equal(self, a: Variable, b: Variable, axis: int, node: Apply) -> bool:
        """Whether two dimensions are equal, or may be assumed to be: then an optional guard is recorded, which makes
        the call run the general variant where they are not."""
        a, b = self.simplify(a), self.simplify(b)
        if a is b:
            return True
        if not self.assume or (isinstance(a, Constant) and isinstance(b, Constant)):
            return False
        if not (self._guardable(a) and self._guardable(b)):
            return False
        shapes = tuple(self.shape_of(v) for v in node.inputs)
        self.guards.append(Guard(a, b, axis, str(node.op), shapes, node.origin, optional=True))
        self._unite(a, b)
        return True

    def require(self, guard: Guard) -> None:
        """Take the dimensions of a guard for equal."""
        if self.find(guard.left) is not self.find(guard.right):
            self.guards.append(guard)
            self._unite(guard.left, guard.right)

    def _unite(self, a: Variable, b: Variable) -> Variable:
        a, b = self.find(a), self.find(b)
        if a is b:
            return a
        if isinstance(a, Constant) and isinstance(b, Constant):  # a shape error, which the program will report
            return a
        if self._rank(b) < self._rank(a):
            a, b = b, a
        self._parent[b] = a
        self.unions += 1
        self._simplifier.forget()
        return a

    def _rank(self, dim: Variable) -> tuple[int, ...]:
        """The order among equals: constants, dimensions of inputs, other scalars as they came."""
        found = self._ranks.get(dim)
        if found is None:
            source = dim.owner.inputs[0] if dim.owner is not None and type(dim.owner.op).__name__ == "Shape_i" else dim
            number = self._number.get(source)
            if isinstance(dim, Constant):
                found = (0,)
            elif number is not None:
                found = (1, number, dim.owner.op.i if dim.owner is not None else -1)  # type: ignore[attr-defined]
            else:
                found = (2, len(self._ranks))
            self._ranks[dim] = found
        return found

    def _guardable(self, dim: Variable) -> bool:
        """Whether a dimension is computed from the shapes of inputs and integer scalar inputs alone, that is, before
        anything else runs."""
        found = self._computable.get(dim)
        if found is not None:
            return found
        pending, seen, good = [dim], {dim}, True
        while pending and good:
            variable = pending.pop()
            node = variable.owner
            if node is None:
                kind = variable.type
                good = isinstance(kind, TensorType) and kind.ndim == 0 and is_integer(kind.dtype)
            elif type(node.op).__name__ == "Shape_i":
                good = node.inputs[0].owner is None
            elif isinstance(node.op, Elemwise):
                pending.extend(v for v in node.inputs if v not in seen)
                seen.update(node.inputs)
            else:
                good = False
        self._computable[dim] = good
        return good
