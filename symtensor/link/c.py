"""The C text of a program: one translation unit with kernels and the driver ``st_main``.

The driver has three sections: early (sizes, scalars, guards, checks), memory (arena and outputs), steps. Names are
counters: n sizes, s scalars, p pointers, t temporaries, k functions, c constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.link.functions import Driver, indented
from symtensor.link.kernels import KernelOperand, emit_kernel
from symtensor.link.layout import ONE, ZERO, Product, Text
from symtensor.link.loops import LoopOperand, LoopTarget, emit_loops
from symtensor.link.memory import Bytes, Plan
from symtensor.link.program import Array, Program, Step, is_scalar_code, scalar_program
from symtensor.link.scalars import elementwise_text, literal, program_text
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.fused import Fused, ScalarProgram
from symtensor.ops.reduction import Reduction
from symtensor.ops.shape import Shape_i

__all__ = ["INLINE_BYTES", "Emitter"]

INLINE_BYTES = 4096  # constants up to this size are in the text; larger ones are inputs


class Emitter:
    """Writes the C text of a planned program."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program = program
        self.plan = plan
        self.driver = Driver(program.symbols)
        self.driver.scalar = self.scalar
        self.pointers: dict[Array, str] = {}
        self.selected: dict[tuple[Product, Product], Product] = {}
        self.checked: set[tuple[Product, Product]] = set()
        self.constant_inputs: list[np.ndarray] = []
        self.static: list[str] = []
        self.host_nodes: list[Apply] = []

    def emit(self) -> tuple[str, str]:
        """File-level text, and the body of the driver."""
        self._guards()
        for step in self.plan.steps:
            if step.node is not None:
                self._checks(step, early=True)
                if step.kind in ("loop",):
                    self._reduction_checks(step)
        with self._section("memory"):
            self._arena()
            for k, array in self.plan.outputs.items():
                if self.program.product_is_early(self.program.symbols.size(array.dims)):
                    self._take_output(k, array.dtype, array.dims)
            for step in self.plan.steps:
                if step.kind in ("store", "copy") and step.output not in self.plan.inplace and step.source is not None:
                    dims = self.program.dims(step.source)
                    if self.program.product_is_early(self.program.symbols.size(dims)):
                        self._take_output(step.output, step.source.type.dtype, dims)
        self.driver.section = "steps"
        for at, step in enumerate(self.plan.steps):
            if step.node is not None:
                self._checks(step, early=False)
            for array in step.writes:
                self._take_late(array)
            getattr(self, f"_{step.kind}")(step)
            for number in self.plan.releases.get(at, ()):
                self.driver.add([f"rt->release(held[{number}]); held[{number}] = NULL;"])
        return self._file_level(), self._main()

    @contextmanager
    def _section(self, name: str) -> Iterator[None]:
        before, self.driver.section = self.driver.section, name
        try:
            yield
        finally:
            self.driver.section = before

    # -- scalars ------------------------------------------------------------------------------------------------------

    def scalar(self, scalar: Variable) -> str:
        """The C text of a 0-d variable; what is early and not there yet is computed in the early section."""
        stack = [scalar]
        while stack:
            variable = stack[-1]
            if variable in self.driver.names:
                stack.pop()
                continue
            pending = [need for need in self._scalar_needs(variable) if need not in self.driver.names]
            if pending:
                stack.extend(reversed(pending))
                continue
            stack.pop()
            early = variable not in self.program.symbols.bound and self.program.is_early(variable)
            with self._section("early" if early else self.driver.section):
                self.driver.names[variable] = self._scalar_text(variable)
        return self.driver.names[scalar]

    def _scalar_needs(self, variable: Variable) -> Sequence[Variable]:
        bound = self.program.symbols.bound.get(variable)
        if bound is not None:
            return [factor for factor in bound.factors if isinstance(factor, Variable)]
        if variable.owner is None:
            return ()
        if isinstance(variable.owner.op, Shape_i):
            target = self.program.resolve(variable)
            return () if target is variable else (target,)
        return variable.owner.inputs

    def _scalar_text(self, variable: Variable) -> str:
        bound = self.program.symbols.bound.get(variable)
        if bound is not None:
            return f"({self.driver.product(bound)})"
        if isinstance(variable, Constant):
            return literal(variable.data, variable.type.dtype)
        dtype = variable.type.dtype
        ctype = C_TYPES[dtype]
        if variable.owner is None:
            number = self.program.input_number[variable]
            return self.driver.local(ctype, f"*(const {ctype} *)in[{number}].data", "s")
        node = variable.owner
        if isinstance(node.op, Shape_i):
            target = self.program.resolve(variable)
            if target is not variable:
                return self.driver.names[target]
            number = self.program.input_number[node.inputs[0]]
            return self.driver.local("int64_t", f"in[{number}].shape[{node.op.i}]", "n")
        if not is_scalar_code(node):
            raise KeyError(f"the scalar {variable} of {node.op} is used before it is computed")
        if isinstance(node.op, Fused):
            self._fused_scalar(node)
            return self.driver.names[variable]
        args = [v.data if isinstance(v, Constant) else self.driver.names[v] for v in node.inputs]
        self.driver.support(node.op.support)
        return self.driver.local(ctype, elementwise_text(node.op, args, [v.type.dtype for v in node.inputs]),
                                 "n" if dtype == "int64" else "s")

    def _fused_scalar(self, node: Apply) -> None:
        program = scalar_program(node)
        values = {k: self.driver.names[v] for k, v in enumerate(node.inputs)}
        for output in node.outputs:
            name = self.driver.fresh("s")
            self.driver.add([f"{C_TYPES[output.type.dtype]} {name};"])
            self.driver.names[output] = name
        lines = program_text(program, values, range(len(program.inputs) + len(program.steps)))
        stores = [f"{self.driver.names[output]} = {values[number]};"
                  for output, (number, _) in zip(node.outputs, program.outputs, strict=True)]
        for step in program.steps:
            self.driver.support(step.op.support)
        self.driver.add(["{", *lines, *stores, "}"])

    # -- checks -------------------------------------------------------------------------------------------------------

    def fail(self, code: str, node: int, values: Sequence[str]) -> str:
        """The statement that ends the call with a failure."""
        return f"{{ status = st_fail(call, {code}, {node}, ST_VALUES({', '.join(values) or '0'})); goto done; }}"

    def _guards(self) -> None:
        for guard in self.program.graph.guards:
            if guard.left is guard.right:
                continue
            left, right = self.scalar(guard.left), self.scalar(guard.right)
            if guard.optional:
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
            with self._section("early" if early else self.driver.section):
                texts = [self.scalar(value) for value in values[:8]]
                self.driver.add([f"if (!{self.scalar(ok)}) {self.fail(code, step.info, texts)}"])

    def _reduction_checks(self, step: Step) -> None:
        """Reductions without identity need an element for each result."""
        if step.node is None:
            return
        program = scalar_program(step.node)
        for _, reduction in program.outputs:
            if reduction is None or reduction.record.identity is not None:
                continue
            dims = self.loop_dims(step)
            axes = reduction.axes(len(dims))
            symbols = self.program.symbols
            gone = symbols.multiply(ONE, *(symbols.of(dims[axis]) for axis in axes))
            kept = symbols.multiply(ONE, *(symbols.of(dim) for axis, dim in enumerate(dims) if axis not in axes))
            if gone.static:
                continue
            early = self.program.product_is_early(gone) and self.program.product_is_early(kept)
            with self._section("early" if early else "steps"):
                test = f"{self.driver.product(gone)} == 0"
                if kept != ONE:
                    test = f"({test}) && {self.driver.product(kept)} != 0"
                self.driver.add([f"if ({test}) {self.fail('ST_EMPTY', step.info, [str(axes[0] if axes else 0)])}"])

    # -- memory -------------------------------------------------------------------------------------------------------

    def _bytes(self, size: Bytes) -> str:
        item, elements = size
        text = str(item * elements.coefficient)
        for factor in elements.factors:
            factor_text = factor.c if isinstance(factor, Text) else self.scalar(factor)
            text = f"st_times({text}, {factor_text})"
        return text

    def _arena(self) -> None:
        if not self.plan.slots:
            return
        at = "(int64_t)0"
        offsets = []
        for sizes in self.plan.slots:
            offsets.append(at)
            texts = list(dict.fromkeys(self._bytes(size) for size in sizes))
            largest = texts[0]
            for text in texts[1:]:
                largest = f"st_most({largest}, {text})"
            at = self.driver.local("int64_t", f"st_slot({at}, {largest})", "m")
        self.driver.add([f"char *const arena = {at} >= ST_TOO_MUCH ? NULL : call->arena(call, (size_t){at});",
                         f"if (arena == NULL && {at} > 0) {{ status = ST_MEMORY; goto done; }}"])
        self.slot_offsets = ["0" if offset.startswith("(") else offset for offset in offsets]

    def _take_output(self, k: int, dtype: str, dims: Sequence[Variable]) -> None:
        symbols = self.program.symbols
        size = (np.dtype(dtype).itemsize, symbols.size(dims))
        lines = [f"out[{k}].shape[{axis}] = {self.driver.product(symbols.of(dim))};" for axis, dim in enumerate(dims)]
        self.driver.add([*lines, f"out[{k}].data = st_take(rt, {self._bytes(size)});",
                         f"if (out[{k}].data == NULL) {{ status = ST_MEMORY; goto done; }}"])

    def _take_late(self, array: Array) -> None:
        """Memory of buffers whose size is known only now."""
        if array.kind != "buffer" or array.place is None:
            return
        kind, number = array.place
        elements = self.program.symbols.size(array.dims)
        if kind == "dynamic" and self.plan.dynamic[number] is array:
            size = (np.dtype(array.dtype).itemsize, elements)
            self.driver.add([f"held[{number}] = st_take(rt, {self._bytes(size)});",
                             f"if (held[{number}] == NULL) {{ status = ST_MEMORY; goto done; }}"])
        elif kind == "output" and not self.program.product_is_early(elements):
            self._take_output(number, array.dtype, self.plan.outputs[number].dims)

    def pointer(self, array: Array) -> str:
        """The C name of an array's first element in the driver."""
        chain = [array]
        while chain[-1] not in self.pointers and chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        for each in reversed(chain):  # what a view is based on first: a chain of views may be long
            if each not in self.pointers:
                self.pointers[each] = self._pointer_text(each)
        return self.pointers[array]

    def _pointer_text(self, array: Array) -> str:
        ctype = C_TYPES[array.dtype]
        if array.kind == "view" and array.parent is not None:
            base = self.pointer(array.parent)
            if array.offset == ZERO:
                return base
            return self.driver.local(f"{ctype} *", f"{base} + {self.driver.product(array.offset)}", "p")
        if array.kind == "scalar" and array.local is not None:
            name = self.scalar(array.local)
            if not name.isidentifier():
                name = self.driver.local(ctype, name, "s")
            return f"(({ctype} *)&{name})"
        if array.kind == "constant":
            return self._constant(array)
        if array.kind == "input":
            return self._at_start(ctype, f"in[{array.number}].data")
        place = array.place
        if place is None:
            raise KeyError(f"no memory was planned for {array.variable}")
        kind, number = place
        if kind == "slot":
            offset = self.slot_offsets[number]
            return self.driver.local(f"{ctype} *", f"({ctype} *)(arena{'' if offset == '0' else f' + {offset}'})", "p")
        where = {"output": f"out[{number}].data", "input": f"in[{number}].data", "dynamic": f"held[{number}]"}[kind]
        return self.driver.local(f"{ctype} *", f"({ctype} *){where}", "p")

    def _at_start(self, ctype: str, text: str) -> str:
        with self._section("memory"):
            return self.driver.local(f"{ctype} *", f"({ctype} *){text}", "p")

    def _constant(self, array: Array) -> str:
        variable = array.variable
        assert isinstance(variable, Constant)  # noqa: S101  (the planner makes no other)
        data = np.ascontiguousarray(variable.data)
        ctype = C_TYPES[array.dtype]
        if data.nbytes > INLINE_BYTES:
            self.constant_inputs.append(data)
            return self._at_start(ctype, f"in[{len(self.program.graph.inputs) + len(self.constant_inputs) - 1}].data")
        values = [literal(value, array.dtype) for value in data.ravel()] or ["0"]
        rows = [", ".join(values[at:at + 8]) for at in range(0, len(values), 8)]
        name = f"c{len(self.static)}"
        self.static.append(f"static const {ctype} {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows) + "\n};")
        return f"(({ctype} *){name})"

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
        name = self.driver.local(C_TYPES[array.dtype], f"{self.pointer(source)}[{self.driver.product(array.offset)}]", "s")
        self.driver.names[array.variable] = name

    def loop_dims(self, step: Step) -> tuple[Variable, ...]:
        """The dimensions a loop step runs over."""
        node = step.node
        if node is None:
            return step.reads[0].dims
        if isinstance(node.op, Reduction):
            return self.program.dims(node.inputs[0])
        for output, (_, reduction) in zip(node.outputs, scalar_program(node).outputs, strict=True):
            if reduction is None:
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
            emit_loops(self.driver, copy, sizes, [self._operand(step, source, dims)],
                       [LoopTarget(made.dtype, self.pointer(made))])
            return
        operands = []
        for k, variable in enumerate(node.inputs):
            array = self.program.array(variable)
            if array is None:
                operands.append(LoopOperand(variable.type.dtype, value=self.scalar(variable)))
            else:
                operands.append(self._operand(step, array, dims))
        targets = []
        for k, output in enumerate(node.outputs):
            dtype = output.type.dtype
            array = self.program.array(output)
            if array is None:
                name = self.driver.fresh("s")
                self.driver.add([f"{C_TYPES[dtype]} {name};"])
                self.driver.names[output] = name
                targets.append(LoopTarget(dtype, lvalue=name))
            else:
                targets.append(LoopTarget(dtype, self.pointer(array)))
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

    def _operand(self, step: Step, array: Array, dims: Sequence[Variable]) -> LoopOperand:
        if array.root.kind == "scalar" and array.root.local is not None:
            return LoopOperand(array.dtype, value=self.scalar(array.root.local))
        symbols = self.program.symbols
        strides = []
        for axis, (own, dim, stride) in enumerate(zip(array.dims, dims, array.strides, strict=True)):
            mine, loop = symbols.of(own), symbols.of(dim)
            if mine == ONE:
                strides.append(ZERO)
            elif mine == loop:
                strides.append(stride)
            else:
                self._broadcast_check(step, axis, own, dim)
                strides.append(stride if mine.static is not None else self._select(own, stride))
        return LoopOperand(array.dtype, tuple(strides), self.pointer(array))

    def _broadcast_check(self, step: Step, axis: int, own: Variable, dim: Variable) -> None:
        key = (self.program.symbols.of(own), self.program.symbols.of(dim))
        if key in self.checked:
            return
        self.checked.add(key)
        early = self.program.is_early(own) and self.program.is_early(dim)
        with self._section("early" if early else self.driver.section):
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
                name = self.driver.fresh("s")
                self.driver.add([f"{C_TYPES[output.type.dtype]} {name};"])
                self.driver.names[output] = name
        outputs = [self._kernel_operand(v, over[k] is not None) for k, v in enumerate(node.outputs)]
        size = self.scalar(self.program.infer.simplify(kernel.size)) if kernel.size is not None else None
        emit_kernel(self.driver, kernel, step.info, inputs, outputs, size)

    def _kernel_operand(self, variable: Variable, shared: bool) -> KernelOperand:
        array = self.program.array(variable)
        dtype = variable.type.dtype
        if array is None:
            name = self.scalar(variable)
            if not name.isidentifier():
                name = self.driver.local(C_TYPES[dtype], name, "s")
            return KernelOperand(dtype, (), (), f"&{name}")
        symbols = self.program.symbols
        return KernelOperand(dtype, tuple(map(symbols.of, array.dims)), array.strides, self.pointer(array), shared)

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
        given, made = self.driver.fresh("h"), self.driver.fresh("h")
        self.driver.add([f"const st_value {given}[] = {{{', '.join(values) or '{NULL, 0, {0}, {0}}'}}};",
                         f"st_value {made}[{len(node.outputs)}] = {{0}};",
                         f"if (call->host_call(call->host, {len(self.host_nodes)}, {given}, {made})) "
                         "{ status = ST_PYTHON; goto done; }"])
        self.host_nodes.append(node)
        for k, output in enumerate(node.outputs):
            self._host_output(step, f"{made}[{k}]", output)

    def _host_output(self, step: Step, value: str, output: Variable) -> None:
        rank, ctype = output.type.ndim, C_TYPES[output.type.dtype]
        self.driver.add([f"if ({value}.ndim != {rank}) {self.fail('ST_RANK', step.info, [f'{value}.ndim', str(rank)])}"])
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
            self.pointers[array] = self.driver.local(f"{ctype} *", f"({ctype} *){value}.data", "p")

    def _copy(self, step: Step) -> None:
        (array,), k = step.reads, step.output
        ctype = C_TYPES[array.dtype]
        elements = self.program.symbols.size(array.dims)
        if not self.program.product_is_early(elements):
            self._take_output(k, array.dtype, array.dims)
        if array.contiguous:
            bytes_ = self.program.symbols.multiply(Product(np.dtype(array.dtype).itemsize), elements)
            self.driver.add([f"memcpy(out[{k}].data, {self.pointer(array)}, (size_t)({self.driver.product(bytes_)}));"])
            return
        copy = ScalarProgram((array.dtype,), (), ((0, None),))
        target = self.driver.local(f"{ctype} *", f"({ctype} *)out[{k}].data", "p")
        emit_loops(self.driver, copy, [self.program.symbols.of(dim) for dim in array.dims],
                   [self._operand(step, array, array.dims)], [LoopTarget(array.dtype, target)])

    def _store(self, step: Step) -> None:
        if step.source is None:
            return
        ctype, k = C_TYPES[step.source.type.dtype], step.output
        where = f"in[{self.plan.inplace[k]}]" if k in self.plan.inplace else f"out[{k}]"
        self.driver.add([f"*({ctype} *){where}.data = {self.scalar(step.source)};"])

    # -- the file -----------------------------------------------------------------------------------------------------

    def _file_level(self) -> str:
        functions = [text.replace("@", name) for text, name in self.driver.functions.items()]
        return "\n\n".join([*self.driver.supports, *self.static, *functions])

    def _main(self) -> str:
        count = len(self.program.graph.outputs)
        owned = [k for k in range(count) if k not in self.plan.inplace]
        held = len(self.plan.dynamic)
        sections = self.driver.sections
        text = [
            "const st_runtime *const rt = call->rt;", "const st_input *const in = call->inputs;",
            "st_output *const out = call->outputs;", "int status = ST_OK;",
            *([f"void *held[{held}] = {{0}};"] if held else []),
            "call->error.code = 0;",
            *(f"out[{k}].data = NULL;" for k in range(count)),
            *(["(void)in;"]), *sections["early"], *sections["memory"], *sections["steps"],
            "done:",
            *([f"for (int k = 0; k < {held}; k++) if (held[k] != NULL) rt->release(held[k]);"] if held else []),
        ]
        if owned:
            text += [f"if (status != ST_OK) for (int k = 0; k < {count}; k++) if (out[k].data != NULL) {{ "
                     "rt->release(out[k].data); out[k].data = NULL; }"]
        return "\n".join(["int st_main(st_call *call)", "{", *indented([*text, "return status;"]), "}"])

