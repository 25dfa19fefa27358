"""The program of a graph: steps in order, arrays with their layouts, and what each step needs.

A 0-d variable is a C local; every other one is an `Array`. A scalar is *early* where it is computed from the shapes
of inputs and from 0-d inputs alone: sizes, guards and checks are, mostly, and run before anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symtensor.graph.errors import SymtensorError
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.op import Kernel, Op, View
from symtensor.graph.record import Record
from symtensor.graph.trace import Origin
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.link.bodies import Body, Carry, add_branch, add_loop, knows_rows, make_body
from symtensor.link.gather import add_gather
from symtensor.link.layout import ONE, ZERO, Product, Symbols
from symtensor.link.nodes import is_elementwise, is_scalar_code
from symtensor.ops.branch import IfElse, Path, paths
from symtensor.ops.fused import Fused
from symtensor.ops.infer import ShapeInference
from symtensor.ops.loop import Loop
from symtensor.ops.reduction import Reduction
from symtensor.ops.shape import Shape_i

Check = tuple[Variable, str, tuple[Variable, ...]]

_INT64 = TensorType("int64", ())
__all__ = ["Array", "CannotEmit", "NodeInfo", "Program", "Step"]


class CannotEmit(SymtensorError):
    """A graph has no native program (values that are no tensors); it runs on the interpreter."""


class NodeInfo(Record):
    """What an error report needs to know of a node (or guard: ``node`` is None)."""

    op: str
    origin: Origin
    node: Apply | None = None
    types: str = ""


@dataclass(eq=False)
class Array:
    """An array of the program. Roots own memory; views lie in that of ``root``, reached through ``parent``.

    ``kind``: "input", "constant", "buffer", "host" (made by a host call), "scalar" (a 0-d local seen as an array), or
    "view". ``place`` of a buffer is decided by the memory planner: ("slot", k), ("output", k), ("input", k) in the
    memory of an input that is updated, or ("dynamic", k).
    """

    dtype: str
    dims: tuple[Variable, ...]
    strides: tuple[Product, ...]
    kind: str
    contiguous: bool = True
    variable: Variable | None = None
    parent: Array | None = None
    offset: Product = ZERO
    number: int = -1
    place: tuple[str, int] | None = None
    local: Variable | None = None  # the 0-d variable a "scalar" stands for
    rows: Array | None = None  # the integers that say which rows of the parent these are
    aliases: list[Array] = field(default_factory=list)  # what the result of a host call may share memory with

    @property
    def root(self) -> Array:
        """The array that owns the memory."""
        array = self
        while array.parent is not None:
            array = array.parent
        return array


    @property
    def memory(self) -> object:
        """What is equal for roots that may lie in the same memory."""
        return ("input", self.number) if self.kind == "input" else self.place or self


@dataclass(eq=False)
class Step:
    """One step: "scalar" (an inline statement), "view", "loop", "kernel", "host", "copy" (into output memory), "store"
    (a scalar into output memory), "repeat" (a loop over steps: ``body``), "again" (its end) or "put" (into a row of
    what a loop stacks). ``reads`` and ``writes`` are the arrays touched."""

    kind: str
    node: Apply | None
    info: int
    reads: list[Array]
    writes: list[Array]
    kernel: Kernel | None = None
    output: int = -1
    source: Variable | None = None
    fallible: bool = False
    body: list[Step] = field(default_factory=list)
    counter: str = ""
    scalars: list[tuple[Variable, Array]] = field(default_factory=list)  # rows of vectors that the body reads
    carries: list[Carry] = field(default_factory=list)
    loop: Step | None = None
    counted: str = ""
    expected: list[Variable] = field(default_factory=list)  # the dimensions that a "put" must find
    path: Path = ()  # the conditions under which the step runs


class Program:
    """The steps of a graph in a valid order, before memory is planned."""

    def __init__(self, graph: FunctionGraph, updates: dict[int, int]) -> None:
        self.graph = graph
        self.updates = updates
        self.infer = ShapeInference.of(graph)
        self.symbols = Symbols()
        self.input_number = {variable: k for k, variable in enumerate(graph.inputs)}
        self.nodes: list[NodeInfo] = []
        self.constants: list[Array] = []
        self.arrays: dict[Variable, Array] = {}
        self.steps: list[Step] = []
        self._dims: dict[Variable, tuple[Variable, ...]] = {}
        self._early: dict[Variable, bool] = {}
        self._checks: dict[Apply, list[Check]] = {}
        self._bodies: dict[Apply, Body] = {}
        self.loops = 0
        self.copies: dict[tuple[Apply, int, Variable], Array] = {}
        for variable in (*graph.inputs, *graph.outputs):
            self._require_tensor(variable)
        self.paths: dict[Apply, Path] = {}
        self.order = self._ordered()
        self.paths.update(paths(self.order, graph.roots, self.needs))
        if self.paths:  # conditions before what they decide
            self.order = self._ordered()
        for node in self.order:
            self.add(node)
        for k, output in enumerate(graph.outputs):
            self._add_output(k, output)

    # -- dimensions and scalars ---------------------------------------------------------------------------------------

    def dims(self, variable: Variable) -> tuple[Variable, ...]:
        """The dimensions of a variable."""
        found = self._dims.get(variable)
        if found is None:
            found = self._dims[variable] = self.infer.shape_of(variable)
        return found

    def resolve(self, scalar: Variable) -> Variable:
        """The scalar that computes a dimension: ``Shape_i`` of an inferred variable is its inferred dimension."""
        node = scalar.owner
        if node is None or not isinstance(node.op, Shape_i) or node.inputs[0] in self.input_number:
            return scalar
        return self.dims(node.inputs[0])[node.op.i]

    def is_early(self, scalar: Variable) -> bool:
        """Whether a 0-d variable is computed before the steps."""
        stack = [scalar]
        while stack:
            variable = stack[-1]
            if variable in self._early:
                stack.pop()
                continue
            found, pending = self._early_from(variable)
            if pending:
                stack.extend(pending)
            else:
                self._early[variable] = found
                stack.pop()
        return self._early[scalar]

    def _early_from(self, variable: Variable) -> tuple[bool, list[Variable]]:
        bound = self.symbols.bound.get(variable)
        if bound is not None:
            needs = [factor for factor in bound.factors if isinstance(factor, Variable)]
        elif variable.owner is None:
            return isinstance(variable, Constant) or variable in self.input_number, []
        elif isinstance(variable.owner.op, Shape_i):
            target = self.resolve(variable)
            if target is variable:
                return variable.owner.inputs[0].owner is None, []
            needs = [target]
        elif is_scalar_code(variable.owner):
            needs = list(variable.owner.inputs)
        else:
            return False, []
        pending = [need for need in needs if need not in self._early]
        return all(self._early[need] for need in needs) if not pending else False, pending

    def product_is_early(self, product: Product) -> bool:
        """Whether a product is known before the steps."""
        return all(isinstance(factor, Variable) and self.is_early(factor) for factor in product.factors)

    # -- order --------------------------------------------------------------------------------------------------------

    def needs(self, node: Apply) -> Iterator[Variable]:
        """What must be there before a node's steps."""
        if isinstance(node.op, Shape_i):
            (target,) = node.outputs
            resolved = self.resolve(target)
            if resolved is not target:
                yield resolved
            elif node.inputs[0] not in self.input_number:
                yield node.inputs[0]
            return
        for variable in (*node.inputs, *node.outputs):
            self._require_tensor(variable)
        yield from (condition for condition, _ in self.paths.get(node, ()))
        yield from node.inputs
        if isinstance(node.op, Loop) and knows_rows(self, node):
            yield from self.body(node).needs
        for output in node.outputs:
            for dim in self.dims(output):
                if dim.owner is None or not (isinstance(dim.owner.op, Shape_i) and dim.owner.inputs[0].owner is node):
                    yield dim

    def _ordered(self) -> list[Apply]:
        """The nodes needed, dimensions included, each after what it needs."""
        return toposort(self.graph.roots, self.input_number, self.needs)

    def body(self, node: Apply) -> Body:
        """The inner graph of a loop node in the variables of the program."""
        found = self._bodies.get(node)
        if found is None:
            found = self._bodies[node] = make_body(self, node)
        return found

    def _require_tensor(self, variable: Variable) -> None:
        if not isinstance(variable.type, TensorType):
            raise CannotEmit(f"{variable} of type {variable.type} is no tensor; the program runs on the interpreter")

    # -- steps --------------------------------------------------------------------------------------------------------

    def add(self, node: Apply) -> None:
        """Append the steps of a node."""
        if isinstance(node.op, Shape_i):
            return
        if isinstance(node.op, IfElse):
            add_branch(self, node)
            return
        if isinstance(node.op, Loop) and knows_rows(self, node):
            reads = [array for v in node.inputs if (array := self.array(v)) is not None]
            add_loop(self, node, self.step("repeat", node, reads))
            return
        if is_scalar_code(node) and all(v.type.ndim == 0 for v in node.inputs):
            if not all(self.is_early(output) for output in node.outputs):
                self.step("scalar", node, [])
            return
        if 0 in node.op.view_map and len(node.outputs) == 1 and self._add_view(node):
            return
        reads = [array for v in node.inputs if (array := self.array(v)) is not None]
        if isinstance(node.op, (Fused, Reduction)) or is_elementwise(node):
            self.step("loop", node, reads)
            return
        if add_gather(self, node):
            return
        kernel = node.op.kernel(node)
        if kernel is None:
            step = self.step("host", node, reads, kind="host")
            step.fallible = True
            for k, bases in node.op.view_map.items():
                made = self.array(node.outputs[k])
                if made is not None:
                    made.aliases = [base.root for i in bases if (base := self.array(node.inputs[i])) is not None]
            return
        step = self.step("kernel", node, reads)
        step.kernel = kernel
        step.fallible |= "FAIL" in kernel.body or self.has_late_checks(node)

    def step(self, name: str, node: Apply | None, reads: list[Array], kind: str = "buffer") -> Step:
        reads = [*reads, *(array.rows for array in reads if array.rows is not None)]
        step = Step(name, node, self.note(node) if node is not None else -1, reads, [],
                    path=self.paths.get(node, ()) if node is not None else ())
        for output in node.outputs if node is not None else ():
            if output.type.ndim:
                dims = self.dims(output)
                step.writes.append(self._new(Array(output.type.dtype, dims, self.symbols.strides(dims), kind,
                                                   variable=output)))
        sizes = [dim for array in (*reads, *step.writes) for dim in array.dims]
        step.fallible = not all(self.is_early(dim) for dim in sizes)  # checks of shapes, and memory, at the step
        self.steps.append(step)
        return step

    def _new(self, array: Array) -> Array:
        if array.variable is not None:
            self.arrays[array.variable] = array
        return array

    def array(self, variable: Variable) -> Array | None:
        """The array of a variable; None for a 0-d one."""
        if not variable.type.ndim:
            return None
        found = self.arrays.get(variable)
        if found is None:  # inputs and constants, at their first use
            self._require_tensor(variable)
            dims = self.dims(variable)
            kind = "constant" if isinstance(variable, Constant) else "input"
            found = self._new(Array(variable.type.dtype, dims, self.symbols.strides(dims), kind, variable=variable))
            if kind == "constant":
                found.number = len(self.constants)
                self.constants.append(found)
            else:
                found.number = self.input_number[variable]
        return found

    def _add_view(self, node: Apply) -> bool:
        """A view step; False where the view map names no usable base."""
        base, output = node.inputs[node.op.view_map[0][0]], node.outputs[0]
        if base.type.dtype != output.type.dtype or any(len(bases) != 1 for bases in node.op.view_map.values()):
            return False
        source = self.array(base)
        dims = self.dims(output)
        if source is None:  # a 0-d local, seen with dimensions of 1
            if output.type.ndim == 0 or any(self.symbols.of(dim) != ONE for dim in dims):
                return False
            seen = self._new(Array(output.type.dtype, dims, (ZERO,) * len(dims), "scalar", variable=output, local=base))
            step = Step("view", node, self.note(node), [], [seen], fallible=self.has_late_checks(node),
                        path=self.paths.get(node, ()))
            self.steps.append(step)
            return True
        view = self._view_of(node, source)
        if view is None:
            if type(node.op).view is Op.view:  # it does not say how it views
                return False
            view = View(0, ())
            if not source.contiguous:
                source = self.contiguous_copy(node, source)
        offset, strides = self._view_layout(view, dims)
        contiguous = self.symbols.contiguous(dims, strides)
        array = Array(output.type.dtype, dims, strides, "view", contiguous, output, source, offset)
        step = Step("view", node, self.note(node), [source], [array], fallible=self.has_late_checks(node),
                    path=self.paths.get(node, ()))
        if output.type.ndim:
            self._new(array)
        self.steps.append(step)
        return True

    def _view_of(self, node: Apply, source: Array) -> View | None:
        placeholders = []
        for stride in source.strides:
            variable = Variable(_INT64)
            self.symbols.bound[variable] = stride
            placeholders.append(variable)
        shapes = [self.dims(variable) for variable in (*node.inputs, *node.outputs)]
        return node.op.view(node, shapes, tuple(placeholders))

    def _view_layout(self, view: View, dims: Sequence[Variable]) -> tuple[Product, tuple[Product, ...]]:
        if not view.strides and dims:
            return ZERO, self.symbols.strides(dims)
        of = self.symbols.of
        offset = Product(view.offset) if isinstance(view.offset, int) else of(view.offset)
        return offset, tuple(Product(s) if isinstance(s, int) else of(s) for s in view.strides)

    def contiguous_copy(self, node: Apply, source: Array) -> Array:
        copy = Array(source.dtype, source.dims, self.symbols.strides(source.dims), "buffer")
        step = Step("loop", None, self.note(node), [source], [copy], path=self.paths.get(node, ()))
        self.steps.append(step)
        return copy

    def _add_output(self, k: int, output: Variable) -> None:
        """A step that puts the value into the memory of output ``k``; the planner drops it where it is there."""
        array = self.array(output)
        step = Step("store" if array is None else "copy", None, -1, [array] if array is not None else [], [],
                    output=k, source=output)
        self.steps.append(step)

    def has_late_checks(self, node: Apply) -> bool:
        """Whether a check of the node needs data."""
        return any(not self.is_early(ok) for ok, _, _ in self.checks(node))

    def checks(self, node: Apply) -> list[Check]:
        """What must hold before the node runs: (condition, code, values). Conditions known to hold are left out."""
        found = self._checks.get(node)
        if found is None:
            hook = getattr(node.op, "checks", None)
            shapes = [self.dims(variable) for variable in (*node.inputs, *node.outputs)] if hook is not None else []
            found = []
            for ok, code, values in hook(node, shapes) if hook is not None else ():
                condition = self.infer.simplify(ok)
                if not (isinstance(condition, Constant) and condition.data):
                    found.append((condition, code, tuple(self.infer.simplify(value) for value in values)))
            self._checks[node] = found
        return found

    # -- the table of nodes -------------------------------------------------------------------------------------------

    def note(self, node: Apply) -> int:
        """The number of a node in the table that error reports read."""
        types = ", ".join(str(variable.type) for variable in node.inputs)
        self.nodes.append(NodeInfo(str(node.op), node.origin, node, types))
        return len(self.nodes) - 1

    def note_guard(self, op: str, origin: Origin) -> int:
        """The number of a guard in the table."""
        self.nodes.append(NodeInfo(op, origin))
        return len(self.nodes) - 1
