"""The walls of the house: floors, sizes of pages and functions, and what library code never contains."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "symtensor"
PAGES = sorted(PACKAGE.rglob("*.py"))
FLOORS = {
    "config": 0,
    "graph": 1,
    "ops": 2,
    "autodiff": 3,
    "optimize": 4,
    "link": 4,
    "cuda_kernels": 4,
    "compile": 5,
    "tensor": 5,
    "printing": 5,
    "sparse": 5,
    "typed_list": 5,
    "gradient": 5,
    "ifelse": 5,
    "updates": 5,
    "scan_module": 5,
    "sandbox": 6,
    "compat": 7,
    "__init__": 8,
}
FORBIDDEN_CALLS = {"eval", "exec", "compile"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve"}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    rooms = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "symtensor" else [f"symtensor.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("symtensor.")}
    return rooms


def type_checking_removed(tree: ast.Module) -> ast.Module:
    """The tree without `if TYPE_CHECKING:` blocks: names for the type checker are no dependency."""

    class Remove(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    return Remove().visit(tree)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downward(page: Path) -> None:
    room = room_of(page)
    tree = type_checking_removed(ast.parse(page.read_text()))
    for other in imported_rooms(tree):
        assert other in FLOORS, f"{other} has no floor: add it to FLOORS"
        if other != room:
            assert FLOORS[other] < FLOORS[room], f"{page.name} in {room} imports {other}, which is not below it"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_pages_and_functions_are_short(page: Path) -> None:
    text = page.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= 60, f"{node.name} is longer than 60 lines"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_runs_text_or_unpickles(page: Path) -> None:
    for node in ast.walk(ast.parse(page.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"line {node.lineno}: {node.func.id}()"
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                shell = keyword.arg == "shell" and getattr(keyword.value, "value", None) is True
                assert not shell, f"line {node.lineno}: shell=True"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("os", "system"), f"line {node.lineno}: os.system"
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not FORBIDDEN_MODULES & set(names), f"line {node.lineno}"


def test_import_is_quiet_and_light() -> None:
    """No warning, no compiler, no SciPy: what an import must not bring in."""
    code = (
        "import sys, symtensor; from symtensor import tensor; "
        "print([m for m in ('scipy', 'subprocess', 'pydot', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
