"""What the documents show runs, and gives what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import types
from pathlib import Path

import pytest

import symtensor
from symtensor import tensor as T
from symtensor.tensor import constructors

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    found.name for found in pkgutil.walk_packages(symtensor.__path__, "symtensor.") if "._runtime" not in found.name
)


DOCUMENTS = ["README.md", "CHANGELOG.md", "docs/accuracy.md", "docs/decisions.md", "docs/language.md",
             "docs/performance.md", "docs/tutorial.md"]
LANGUAGE = (ROOT / "docs/language.md").read_text()


@pytest.mark.parametrize("document", ["README.md", "docs/language.md", "docs/tutorial.md"])
def test_examples_of_documents(document: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    assert blocks
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(doctest.DocTestParser().get_doctest("\n".join(blocks), {}, document, document, 0))
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_exist(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text()):
        assert ((ROOT / document).parent / target).exists(), target


def rows_of(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading of docs/language.md: the names in the second column by the first."""
    section = LANGUAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {first.strip("`"): names.split() for first, names in rows[2:]}


def public(module: types.ModuleType) -> set[str]:
    """The names that a module offers, without its submodules."""
    names = getattr(module, "__all__", set(vars(module)) - {"annotations", "Any"})
    return {name for name in names if name[0] != "_" and not isinstance(getattr(module, name), types.ModuleType)}


def check_names(listed: list[str], there: set[str]) -> None:
    assert len(listed) == len(set(listed)), "a name stands in two rows"
    assert set(listed) == there


def test_the_language_page_has_the_names_of_the_language() -> None:
    """Of the constructors it has those without a dtype letter, and says the rule of the others."""
    there = public(T) - set(constructors.__all__) | {"RANKS", "TYPES", "tensor", *constructors.RANKS}
    check_names([name for names in rows_of("`T`").values() for name in names], there)
    assert all(letter + " " + dtype in " ".join(LANGUAGE.split()) for letter, dtype in constructors.LETTERS.items())


def test_the_language_page_has_the_names_of_each_module() -> None:
    pages = {re.sub(r"^T\.", "symtensor.tensor.", name): names for name, names in rows_of("Modules").items()}
    for name, names in pages.items():
        check_names(names, public(importlib.import_module(name)))
    rows = [*pages.values(), *rows_of("`T`").values(), constructors.__all__]
    listed = {name for names in rows for name in names}
    for name in MODULES:
        if name.startswith("symtensor.tensor."):
            assert public(importlib.import_module(name)) <= listed, name


def test_the_language_page_has_the_methods_of_variables() -> None:
    section = LANGUAGE.partition("\n## Methods of variables\n")[2].partition("\n## ")[0]
    check_names(section.partition("and: ")[2].rstrip(". \n").split(),
                {name for name in dir(T.TensorVariable) if not name.startswith("_")})


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    with symtensor.config.change_flags(floatX="float64"):
        assert doctest.testmod(module).failed == 0


def test_every_public_name_has_a_docstring() -> None:
    missing = []
    for name in MODULES:
        module = importlib.import_module(name)
        missing += [
            f"{name}.{public}"
            for public in getattr(module, "__all__", ())
            if callable(getattr(module, public, None)) and not getattr(module, public).__doc__
        ]
    assert missing == []
