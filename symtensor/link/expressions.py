"""The C text of 0-d variables: each is a local of the driver, computed where it is first needed."""

from __future__ import annotations

from collections.abc import Sequence

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.link.functions import Driver
from symtensor.link.nodes import is_scalar_code, scalar_program
from symtensor.link.program import Program
from symtensor.link.scalars import elementwise_text, literal, program_text
from symtensor.ops.elemwise import C_TYPES, Elemwise
from symtensor.ops.fused import Fused
from symtensor.ops.shape import Shape_i

__all__ = ["Scalars"]


class Scalars:
    """Writes scalars into the driver: those that are early into its early section."""

    def __init__(self, program: Program, driver: Driver) -> None:
        self.program = program
        self.driver = driver
        driver.scalar = self.text

    def text(self, scalar: Variable) -> str:
        """The C text of a 0-d variable; what is early and not there yet is computed in the early section."""
        stack = [scalar]
        while stack:
            variable = stack[-1]
            if variable in self.driver.names:
                stack.pop()
                continue
            pending = [need for need in self._needs(variable) if need not in self.driver.names]
            if pending:
                stack.extend(reversed(pending))
                continue
            stack.pop()
            early = variable not in self.program.symbols.bound and self.program.is_early(variable)
            with self.driver.inside("early" if early else self.driver.section):
                self.driver.names[variable] = self._compute(variable)
        return self.driver.names[scalar]

    def _needs(self, variable: Variable) -> Sequence[Variable]:
        bound = self.program.symbols.bound.get(variable)
        if bound is not None:
            return [factor for factor in bound.factors if isinstance(factor, Variable)]
        if variable.owner is None:
            return ()
        if isinstance(variable.owner.op, Shape_i):
            target = self.program.resolve(variable)
            return () if target is variable else (target,)
        return variable.owner.inputs

    def _compute(self, variable: Variable) -> str:
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
            self._fused(node)
            return self.driver.names[variable]
        op = node.op
        if not isinstance(op, Elemwise):
            raise KeyError(f"{op} has no C text for scalars")
        args = [v.data if isinstance(v, Constant) else self.driver.names[v] for v in node.inputs]
        self.driver.support(op.support)
        return self.driver.local(ctype, elementwise_text(op, args, [v.type.dtype for v in node.inputs]),
                                 "n" if dtype == "int64" else "s")

    def _fused(self, node: Apply) -> None:
        program = scalar_program(node)
        values = {k: self.driver.names[v] for k, v in enumerate(node.inputs)}
        for output in node.outputs:
            name = self.driver.declare(C_TYPES[output.type.dtype], "s")
            self.driver.names[output] = name
        lines = program_text(program, values, range(len(program.inputs) + len(program.steps)))
        stores = [f"{self.driver.names[output]} = {values[number]};"
                  for output, (number, _) in zip(node.outputs, program.outputs, strict=True)]
        for text in program.support:
            self.driver.support(text)
        self.driver.add(["{", *lines, *stores, "}"])
