"""The text of a program as it grows: functions for kernels, identical ones once, and the driver that calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from symtensor.graph.variable import Variable
from symtensor.link.layout import Product, Symbols, Text
from symtensor.ops.elemwise import C_TYPES

__all__ = ["Driver", "Function", "Names"]

TOGETHER = 32  # calls in one parallel region, at most


class Names(dict[Any, str]):
    """Names by what they stand for. Those made in the body of a loop are forgotten at its end."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver

    def __setitem__(self, key: Any, name: str) -> None:
        if self.driver.scopes and self.driver.section == "steps" and key not in self:
            self.driver.scopes[-1].append((self, key))
        super().__setitem__(key, name)


class Driver:
    """The body of ``st_main`` being written, and the file-level texts it needs.

    `section` is where statements go: "early" (sizes, scalars, checks), "memory", or "steps".
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.sections: dict[str, list[str]] = {"early": [], "memory": [], "steps": []}
        self.section = "early"
        self.scopes: list[list[tuple[dict[Any, Any], Any]]] = []
        self.names: dict[Variable, str] = Names(self)
        self.supports: dict[str, None] = {}
        self.functions: dict[str, str] = {}
        self.shared: dict[str, int] = {}
        self.branches = 0  # how many are open
        self.together = False  # whether the next call may run beside those that wait
        self._waiting: list[tuple[str, str, str, str]] = []
        self._count: dict[str, int] = {}
        self.scalar: Any = None  # the text of a scalar variable; the emitter puts its function here

    def add(self, lines: Iterable[str]) -> None:
        """Append statements to the current section, after the calls that wait."""
        if self._waiting and self.section == "steps":
            self.flush()
        self.sections[self.section].extend(lines)

    def run(self, name: str, context: str, count: str, grain: str) -> None:
        """Append the call of a function, or let it wait for others that may run at the same time."""
        if not self.together or self.section != "steps":
            self.add([f"st_run(rt, {name}, {context}, {count}, {grain});"])
            return
        self.together = False  # a second call of the same step may need the first
        self._waiting.append((name, context, count, grain))
        if len(self._waiting) == TOGETHER:
            self.flush()

    @property
    def waiting(self) -> bool:
        """Whether calls wait."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Append the calls that wait: several share one parallel region."""
        jobs, self._waiting = self._waiting, []
        if len(jobs) == 1:
            self.sections["steps"].append(f"st_run(rt, {', '.join(jobs[0])});")
        elif jobs:
            listed = [f"{{{', '.join(job)}}}," for job in jobs]
            self.sections["steps"] += ["st_together(rt, (const st_job[]){", *listed, f"}}, {len(jobs)});"]

    @contextmanager
    def inside(self, section: str) -> Iterator[None]:
        """Statements of the block go to this section."""
        before, self.section = self.section, section
        try:
            yield
        finally:
            self.section = before

    def push(self) -> None:
        """Enter the body of a loop."""
        self.scopes.append([])

    def pop(self, keep: Callable[[Any], bool] = lambda key: False) -> None:
        """Leave it: what was named there is not known outside, but for what is to be kept."""
        for table, key in self.scopes.pop():
            if keep(key):
                if self.scopes:
                    self.scopes[-1].append((table, key))
            else:
                table.pop(key, None)

    def fresh(self, letter: str) -> str:
        """A new name."""
        number = self._count.get(letter, 0)
        self._count[letter] = number + 1
        return f"{letter}{number}"

    def local(self, ctype: str, value: str, letter: str = "t", const: bool = True) -> str:
        """A new local variable of the driver. In a branch it is declared before, for what else the branch holds."""
        if self.branches and self.section == "steps":
            name = self.declare(ctype, letter)
            self.add([f"{name} = {value};"])
            return name
        name = self.fresh(letter)
        if const:
            ctype = f"{ctype}const" if ctype.endswith("*") else f"const {ctype}"
        line = f"{ctype} {name} = {value};"
        if const and letter in "pt":  # where memory lies, and sizes: what calls that wait do not change
            self.sections[self.section].append(line)
        else:
            self.add([line])
        return name

    def declare(self, ctype: str, letter: str) -> str:
        """A new variable to be set by later statements; where a branch is open, one of the whole program."""
        name = self.fresh(letter)
        if self.branches and self.section == "steps":
            self.sections["memory"].append(f"{ctype} {name} = 0;")
        else:
            self.add([f"{ctype} {name};"])
        return name

    def scratch(self, kind: str, number: int) -> str:
        """Element ``number`` of a local array that all steps share: its length is the most that one of them needs."""
        self.shared[kind] = max(self.shared.get(kind, 0), number + 1)
        return f"{kind}[{number}]"

    def support(self, text: str) -> None:
        """File-level C text, once."""
        if text:
            self.supports.setdefault(text.strip("\n"))

    def declare_reduction(self, record: Any, dtype: str) -> str:
        """The OpenMP name of a reduction that has no operator."""
        name = f"st_{record.name}_{dtype}"
        joined = record.c_combine(dtype, "omp_out", "omp_in")
        self.support(f"#pragma omp declare reduction({name} : {C_TYPES[dtype]} : omp_out = {joined}) "
                     f"initializer(omp_priv = {record.c_init(dtype)})")
        return name

    def product(self, product: Product) -> str:
        """The C text of a product in the driver."""
        factors = [factor.c if isinstance(factor, Text) else self.scalar(factor) for factor in product.factors]
        if product.coefficient != 1 or not factors:
            factors.insert(0, str(product.coefficient))
        return " * ".join(factors)

    def define(self, text: str) -> str:
        """The name of the function whose text, with ``@`` for its name, is ``text``; identical texts are one."""
        name = self.functions.get(text)
        if name is None:
            name = self.functions[text] = f"k{len(self.functions)}"
        return name


class Function:
    """One C function of the form ``body(context, begin, end)`` being written, with the parameters it is called with."""

    def __init__(self, driver: Driver, prefix: str = "") -> None:
        self.driver = driver
        self.prefix = prefix  # of the names of sizes: keeps them apart from those in an op's body
        self._fields: dict[str, tuple[str, str]] = {}  # name: (C type, value in the driver)
        self._sizes: dict[Product, str] = {}
        self._pointers: list[str] = []
        self.lines: list[str] = []

    def add(self, lines: Iterable[str]) -> None:
        """Append statements."""
        self.lines.extend(lines)

    def field(self, ctype: str, name: str, value: str) -> str:
        """A parameter, and its name in the function."""
        self._fields[name] = (ctype, value)
        return name

    def pointer(self, ctype: str, name: str, value: str) -> str:
        """A parameter that points to memory nothing else of the function points to."""
        self._fields[name] = (f"{ctype} *restrict const", value)
        return name

    def size(self, product: Product) -> str:
        """A size or stride: its number where it is static, else a parameter."""
        if product.static is not None:
            return str(product.static)
        name = self._sizes.get(product)
        if name is None:
            name = self._sizes[product] = f"{self.prefix}n{len(self._sizes)}"
            self.field("const int64_t", name, self.driver.product(product))
        return name

    def text(self) -> str:
        """The function, with ``@`` for its name."""
        fields = "".join(f"{_bare(ctype)}{name}; " for name, (ctype, _) in self._fields.items())
        unpack = [f"{ctype} {name} = st_c->{name};" for name, (ctype, _) in self._fields.items()]
        head = [f"typedef struct {{ {fields}}} @_t;"] if fields else []
        take = ["const @_t *const st_c = context;"] if fields else []
        body = indented([*take, *unpack, *self.lines])
        return "\n".join([*head, "ST_KERNEL @(void *context, int64_t begin, int64_t end)", "{", *body, "}"])

    def call(self, count: str, grain: str) -> None:
        """Append the call over ``count`` iterations to the driver."""
        name = self.driver.define(self.text())
        values = ", ".join(value for _, value in self._fields.values())
        self.driver.run(name, f"&({name}_t){{{values}}}" if values else "NULL", count, grain)


def _bare(ctype: str) -> str:
    """The type of a struct member: no restrict, no const on the member itself."""
    if "*" in ctype:
        return ctype.replace(" *restrict const", " *").replace(" *const", " *")
    return ctype.removeprefix("const ") + " "


def indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    """Lines indented by their braces."""
    result: list[str] = []
    for chunk in lines:
        for line in chunk.split("\n"):
            text = line.strip()
            level = 0 if text == "done:" else depth - text.startswith("}")
            result.append(text if not text or text[0] == "#" else "    " * level + text)
            depth += text.count("{") - text.count("}")
    return result
