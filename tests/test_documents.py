"""What the documents show runs, and gives what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import symtensor

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    found.name for found in pkgutil.walk_packages(symtensor.__path__, "symtensor.") if "._runtime" not in found.name
)


def test_readme_session() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for block in blocks:
        runner.run(parser.get_doctest(block, {}, "README.md", "README.md", 0))
    assert runner.summarize(verbose=False).failed == 0


def test_readme_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


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
