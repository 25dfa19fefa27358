"""The C text of a program: one translation unit with kernels and the driver ``st_main``.

The driver has three sections: early (sizes, scalars, guards, checks), memory (arena and outputs), steps. Names are
counters: n sizes, s scalars, p pointers, t temporaries, k functions, c constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from symtensor.graph.variable import Apply, Variable
from symtensor.link.branches import Branches, choose
from symtensor.link.expressions import Scalars
from symtensor.link.functions import Driver, Names
from symtensor.link.kernels import KernelOperand, emit_kernel
from symtensor.link.layout import ONE, ZERO, Product, Text
from symtensor.link.loops import LoopOperand, LoopTarget, emit_loops
from symtensor.link.memory import Plan
from symtensor.link.nests import CHUNKS, Gather
from symtensor.link.nodes import scalar_program
from symtensor.link.program import Array, Program, Step
from symtensor.link.repeat import begin_loop, copy_array, end_loop, put
from symtensor.link.storage import Storage
from symtensor.link.units import assemble
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.fused import ScalarProgram
from symtensor.ops.reduction import Reduction
from symtensor.ops.shape import Shape_i

__all__ = ["Emitter"]

SHARED = {
    "parts": f"_Alignas(64) char parts[{{0}}][{CHUNKS * 16}];",  # partial results of reductions over all axes
    "given": "st_value given[{0}];", "made": "st_value made[{0}];",  # what host calls take and give
}
"""Local arrays of the driver that steps share."""


class Emitter:
    """Writes the C text of a planned program."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program = program
        self.plan = plan
        self.driver = Driver(program.symbols)
        scalars = Scalars(program, self.driver)
        self.scalar = scalars.text
        self.storage = Storage(program, plan, self.driver, scalars)
        self.selected: dict[tuple[Product, Product], Product] = Names(self.driver)  # type: ignore[assignment]
        self.checked: dict[tuple[Product, Product], str] = Names(self.driver)
        self.hosts: list[Apply] = []
        self.touched: tuple[set[object], set[object]] = set(), set()  # memory that calls read and write that wait
        self.counters: list[tuple[str, int]] = []  # of loops in which the call may end, outer ones first

    def emit(self) -> tuple[str, int]:
        """The text, and the number of units it is compiled in."""
        self._guards()
        for step in self.plan.steps:
            if step.node is not None and not step.path:
                self._checks(step, early=True)
                self._reduction_checks(step, early=True)
        with self.driver.inside("memory"):
            self.storage.reserve()
        self.driver.section = "steps"
        branches = Branches(self)
        for at, step in enumerate(self.plan.steps):
            branches.enter(step)
            if step.node is not None:
                if step.path:
                    self._checks(step, early=True)
                    self._reduction_checks(step, early=True)
                self._checks(step, early=False)
                self._reduction_checks(step, early=False)
            for array in step.writes:
                self.storage.take_late(array)
            self._let_wait(step)
            getattr(self, f"_{step.kind}")(step)
            self.driver.together = False
            for number in self.plan.releases.get(at, ()):
                self.driver.add([f"{f'if (held[{number}] != NULL) ' if self.program.paths else ''}"
                                 f"rt->release(held[{number}]); held[{number}] = NULL;"])
        self.driver.flush()
        branches.close()
        return self._assemble()

    def _let_wait(self, step: Step) -> None:
        """Whether the calls of loops that touch different memory may run at the same time."""
        if step.kind == "view":
            return
        writes, reads = ({root.memory for array in arrays for root in (array.root, *array.root.aliases)}
                         for arrays in (step.writes, step.reads))
        if not self.driver.waiting:
            self.touched = set(), set()
        read, written = self.touched
        if step.kind != "loop" or writes & (read | written) or reads & written:
            self.driver.flush()
            read, written = set(), set()
        self.touched = read | reads, written | writes
        self.driver.together = step.kind == "loop" and not step.path

    # -- checks -------------------------------------------------------------------------------------------------------

    def fail(self, code: str, node: int, values: Sequence[str]) -> str:
        """The statement that ends the call with a failure."""
        return f"{{ status = st_fail(call, {code}, {node}, ST_VALUES({', '.join(values) or '0'})); goto done; }}"

    def _guards(self) -> None:
        for guard in self.program.graph.guards:
            if guard.left is guard.right:
                continue
            left, right = self.scalar(guard.left), self.scalar(guard.right)
            if guard.optional or self.program.paths:  # the branch that needs it may not be taken
                self.driver.add([f"if ({left} != {right}) return ST_GENERAL;"])
                continue
            number = self.program.note_guard(guard.op, guard.origin)
            self.driver.add([f"if ({left} != {right}) {{",
                             f"if ({left} == 1 || {right} == 1) return ST_GENERAL;",
                             self.fail("ST_SHAPE", number, [str(guard.axis), left, right]), "}"])

    def _checks(self, step: Step, early: bool) -> None:
        if step.node is None:
            return
        for ok, code, values in self.program.checks(step.node):
            if self.program.is_early(ok) != early:
                continue
            with self.driver.inside("early" if early and not step.path else self.driver.section):
                texts = [self.scalar(value) for value in values[:8]]
                self.driver.add([f"if (!{self.scalar(ok)}) {self.fail(code, step.info, texts)}"])

    def _reduction_checks(self, step: Step, early: bool) -> None:
        """Reductions without identity need an element for each result."""
        if step.node is None or step.kind != "loop":
            return
        for reduction in scalar_program(step.node).reductions:
            if reduction.record.identity is not None:
                continue
            dims = self.loop_dims(step)
            axes = reduction.axes(len(dims))
            symbols = self.program.symbols
            gone = symbols.multiply(ONE, *(symbols.of(dims[axis]) for axis in axes))
            kept = symbols.multiply(ONE, *(symbols.of(dim) for axis, dim in enumerate(dims) if axis not in axes))
            known = self.program.product_is_early(gone) and self.program.product_is_early(kept)
            if gone.static or known != early:
                continue
            with self.driver.inside("early" if early and not step.path else "steps"):
                test = f"{self.driver.product(gone)} == 0"
                if kept != ONE:
                    test = f"({test}) && {self.driver.product(kept)} != 0"
                self.driver.add([f"if ({test}) {self.fail('ST_EMPTY', step.info, [str(axes[0] if axes else 0)])}"])

    # -- steps --------------------------------------------------------------------------------------------------------

    def _scalar(self, step: Step) -> None:
        for output in step.node.outputs if step.node is not None else ():
            self.scalar(output)

    def _view(self, step: Step) -> None:
        (array,) = step.writes
        if array.variable is None or array.variable.type.ndim:
            return  # its pointer is computed where it is first needed
        source = array.parent
        if source is None:
            return
        if source.root.local is not None:
            self.driver.names[array.variable] = self.scalar(source.root.local)
            return
        element = f"{self.storage.pointer(source)}[{self.driver.product(array.offset)}]"
        self.driver.names[array.variable] = self.driver.local(C_TYPES[array.dtype], element, "s")

    def loop_dims(self, step: Step) -> tuple[Variable, ...]:
        """The dimensions a loop step runs over."""
        node = step.node
        if node is None:
            return step.reads[0].dims
        if isinstance(node.op, Reduction):
            return self.program.dims(node.inputs[0])
        program, ndim = scalar_program(node), node.inputs[0].type.ndim
        for k, output in enumerate(node.outputs):
            if not program.gone(k, ndim) and program.outputs[k][1] is None:
                return self.program.dims(output)
        from symtensor.ops.shape import broadcast_shape

        shapes = [self.program.dims(variable) for variable in node.inputs]
        return tuple(self.program.infer.simplify(dim) for dim in broadcast_shape(*shapes))

    def _loop(self, step: Step) -> None:
        node, symbols = step.node, self.program.symbols
        dims = self.loop_dims(step)
        sizes = [symbols.of(dim) for dim in dims]
        if node is None:
            (source,), (made,) = step.reads, step.writes
            copy = ScalarProgram((source.dtype,), (), ((0, None),))
            emit_loops(self.driver, copy, sizes, [self.operand(step, source, dims)],
                       [LoopTarget(made.dtype, self.storage.pointer(made))])
            return
        operands = []
        for variable in node.inputs:
            array = self.program.array(variable)
            if array is None:
                operands.append(LoopOperand(variable.type.dtype, value=self.scalar(variable)))
            else:
                operands.append(self.operand(step, array, dims))
        targets = []
        for k, output in enumerate(node.outputs):
            dtype = output.type.dtype
            array = self.program.array(output)
            if array is None:
                name = self.driver.declare(C_TYPES[dtype], "s")
                self.driver.names[output] = name
                targets.append(LoopTarget(dtype, lvalue=name))
            else:
                targets.append(LoopTarget(dtype, self.storage.pointer(array)))
                self._mark_overwritten(step, k, operands)
        emit_loops(self.driver, scalar_program(node), sizes, operands, targets)

    def _mark_overwritten(self, step: Step, output: int, operands: Sequence[LoopOperand]) -> None:
        over = self.plan.overwritten.get((step, output))
        if over is None or step.node is None:
            return
        arrays = [self.program.array(variable) for variable in step.node.inputs]
        root = arrays[over].root if arrays[over] is not None else None  # type: ignore[union-attr]
        for operand, array in zip(operands, arrays, strict=True):
            if array is not None and array.root is root:
                operand.overwritten_by = output

    def operand(self, step: Step, array: Array, dims: Sequence[Variable]) -> LoopOperand:
        if array.root.kind == "scalar" and array.root.local is not None:
            return LoopOperand(array.dtype, value=self.scalar(array.root.local))
        walk = partial(self._walk, step, array.dims, dims=dims)
        operand = LoopOperand(array.dtype, walk(array.strides), self.storage.pointer(array))
        if (rows := array.rows) is not None and (table := array.parent) is not None:
            free = (ZERO,) * (len(array.dims) - len(rows.dims))
            operand.gather = Gather(rows.dtype, walk((*rows.strides, *free)), self.storage.pointer(rows),
                                    self.program.symbols.of(table.dims[0]), table.strides[0])
        return operand

    def _walk(self, step: Step, own_dims: Sequence[Variable], own_strides: Sequence[Product],
              dims: Sequence[Variable]) -> tuple[Product, ...]:
        """The strides of an operand along the dimensions of a loop: 0 where it is broadcast."""
        symbols = self.program.symbols
        strides = []
        for axis, (own, dim, stride) in enumerate(zip(own_dims, dims, own_strides, strict=True)):
            mine, loop = symbols.of(own), symbols.of(dim)
            if mine == ONE:
                strides.append(ZERO)
            elif mine == loop:
                strides.append(stride)
            else:
                self._broadcast_check(step, axis, own, dim)
                strides.append(stride if mine.static is not None else self._select(own, stride))
        return tuple(strides)

    def _broadcast_check(self, step: Step, axis: int, own: Variable, dim: Variable) -> None:
        key = (self.program.symbols.of(own), self.program.symbols.of(dim))
        if key in self.checked:
            return
        self.checked[key] = ""
        early = not step.path and self.program.is_early(own) and self.program.is_early(dim)
        with self.driver.inside("early" if early else self.driver.section):
            mine, loop = self.scalar(own), self.scalar(dim)
            self.driver.add([f"if ({mine} != {loop} && {mine} != 1) "
                             f"{self.fail('ST_SHAPE', step.info, [str(axis), loop, mine])}"])

    def _select(self, own: Variable, stride: Product) -> Product:
        """The stride of an operand that may be broadcast at run time: 0 where its dimension is 1."""
        key = (self.program.symbols.of(own), stride)
        found = self.selected.get(key)
        if found is None:
            text = f"{self.scalar(own)} == 1 ? 0 : {self.driver.product(stride)}"
            found = self.selected[key] = self.program.symbols.atom(Text(self.driver.local("int64_t", text)))
        return found

    def _kernel(self, step: Step) -> None:
        node, kernel = step.node, step.kernel
        if node is None or kernel is None:
            return
        over = {k: self.plan.overwritten.get((step, k)) for k in range(len(node.outputs))}
        shared = {k for k in over.values() if k is not None}
        inputs = [self._kernel_operand(v, k in shared) for k, v in enumerate(node.inputs)]
        for output in node.outputs:
            if not output.type.ndim:
                name = self.driver.declare(C_TYPES[output.type.dtype], "s")
                self.driver.names[output] = name
        outputs = [self._kernel_operand(v, over[k] is not None) for k, v in enumerate(node.outputs)]
        size = self.scalar(self.program.infer.simplify(kernel.size)) if kernel.size is not None else None
        work = self.scalar(self.program.infer.simplify(kernel.work)) if kernel.work is not None else None
        emit_kernel(self.driver, kernel, step.info, inputs, outputs, size, work)

    def _kernel_operand(self, variable: Variable, shared: bool) -> KernelOperand:
        array = self.program.array(variable)
        dtype = variable.type.dtype
        if array is None:
            name = self.scalar(variable)
            if not name.isidentifier():
                name = self.driver.local(C_TYPES[dtype], name, "s")
            return KernelOperand(dtype, (), (), f"&{name}")
        sizes = tuple(map(self.program.symbols.of, array.dims))
        return KernelOperand(dtype, sizes, array.strides, self.storage.pointer(array), shared)

    def _host(self, step: Step) -> None:
        node = step.node
        if node is None:
            return
        product, symbols = self.driver.product, self.program.symbols
        values = []
        for variable in node.inputs:
            operand = self._kernel_operand(variable, False)
            item = np.dtype(operand.dtype).itemsize
            dims = ", ".join(map(product, operand.dims)) or "0"
            steps = ", ".join(product(symbols.multiply(Product(item), stride)) for stride in operand.strides) or "0"
            values.append(f"{{(char *){operand.pointer}, {len(operand.dims)}, {{{dims}}}, {{{steps}}}}}")
        scratch = self.driver.scratch
        self.driver.add([f"{scratch('given', k)} = (st_value){value};" for k, value in enumerate(values)])
        self.driver.add([f"{scratch('made', k)} = (st_value){{0}};" for k in range(len(node.outputs))])
        self.driver.add([f"if (call->host_call(call->host, {len(self.hosts)}, {'given' if values else 'NULL'}, made)) "
                         "{ status = ST_PYTHON; goto done; }"])
        self.hosts.append(node)
        for k, output in enumerate(node.outputs):
            self._host_output(step, f"made[{k}]", output)

    def _host_output(self, step: Step, value: str, output: Variable) -> None:
        rank, ctype = output.type.ndim, C_TYPES[output.type.dtype]
        wrong = self.fail("ST_RANK", step.info, [f"{value}.ndim", str(rank)])
        self.driver.add([f"if ({value}.ndim != {rank}) {wrong}"])
        if not rank:
            self.driver.names[output] = self.driver.local(ctype, f"*(const {ctype} *){value}.data", "s")
            return
        for axis, dim in enumerate(self.program.dims(output)):
            own = dim.owner is not None and isinstance(dim.owner.op, Shape_i) and dim.owner.inputs[0] is output
            if own:
                self.driver.names[dim] = self.driver.local("int64_t", f"{value}.shape[{axis}]", "n")
            else:
                want = self.scalar(dim)
                self.driver.add([f"if ({value}.shape[{axis}] != {want}) "
                                 f"{self.fail('ST_SHAPE', step.info, [str(axis), f'{value}.shape[{axis}]', want])}"])
        array = self.program.array(output)
        if array is not None:
            self.storage.place(array, self.driver.local(f"{ctype} *", f"({ctype} *){value}.data", "p"))

    def _copy(self, step: Step) -> None:
        (array,), k = step.reads, step.output
        if not self.storage.dims_are_early(array.dims):
            self.storage.take_output(k, array.dtype, array.dims)
        copy_array(self, step, array, f"out[{k}].data")

    def _choose(self, step: Step) -> None:
        choose(self, step)

    def _repeat(self, step: Step) -> None:
        begin_loop(self, step)

    def _again(self, step: Step) -> None:
        end_loop(self, step)

    def _put(self, step: Step) -> None:
        put(self, step)

    def _store(self, step: Step) -> None:
        if step.source is None:
            return
        ctype, k = C_TYPES[step.source.type.dtype], step.output
        where = f"in[{self.plan.inplace[k]}]" if k in self.plan.inplace else f"out[{k}]"
        self.driver.add([f"*({ctype} *){where}.data = {self.scalar(step.source)};"])

    # -- the file -----------------------------------------------------------------------------------------------------

    def _assemble(self) -> tuple[str, int]:
        count = len(self.program.graph.outputs)
        owned = [k for k in range(count) if k not in self.plan.inplace]
        held = len(self.plan.dynamic)
        fields = [*([(f"void *held[{held}] = {{0}};", "held")] if held else []),
                  *((SHARED[kind].format(number), kind) for kind, number in sorted(self.driver.shared.items())),
                  *((f"int64_t {counter} = -1;", counter) for counter, _ in self.counters)]
        sections = self.driver.sections
        body = ["call->error.code = 0;", *(f"out[{k}].data = NULL;" for k in range(count)), "(void)in;",
                *sections["early"], *sections["memory"], *sections["steps"]]
        after = [*(f"if (status != ST_OK) st_in_step(call, {info}, {counter});" for counter, info in self.counters),
                 *([f"for (int k = 0; k < {held}; k++) if (held[k] != NULL) rt->release(held[k]);"] if held else [])]
        if owned:
            after += [f"if (status != ST_OK) for (int k = 0; k < {count}; k++) if (out[k].data != NULL) {{ "
                      "rt->release(out[k].data); out[k].data = NULL; }"]
        functions = [(name, text.replace("@", name)) for text, name in self.driver.functions.items()]
        return assemble([*self.driver.supports, *self.storage.static], functions, fields, body,
                        [*after, "return status;"])
