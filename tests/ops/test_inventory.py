"""The inventory: every op says what it has, and gives a reason for what it lacks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from symtensor.graph.op import Op
from symtensor.ops.inventory import ASPECTS, Entry, entries, main, missing, table

ENTRIES = entries()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.lacks], ids=lambda entry: entry.name)
def test_each_lack_has_a_reason(entry):
    for aspect, reason in entry.lacks.items():
        assert reason, f"{entry.name} ({entry.page}) has no {aspect}; write it, or say why not in `without`"


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.without], ids=lambda entry: entry.name)
def test_reasons_are_for_what_is_lacking(entry):
    assert set(entry.without) <= set(ASPECTS) - {"perform", "doc"}
    assert set(entry.without) <= set(entry.lacks), f"{entry.name} has what `without` says that it lacks"


def test_every_op_of_the_library_is_listed_once():
    names = [(entry.page, entry.name) for entry in ENTRIES]
    assert len(set(names)) == len(names)
    pages = {page for page, _ in names}
    assert {"ops/dot", "ops/reshape", "autodiff/stop", "elementwise record", "reduction record"} <= pages
    assert {"exp", "sum", "Dot", "Reshape", "IncSubtensor"} <= {name for _, name in names}


def test_what_is_found():
    found = {entry.name: entry for entry in ENTRIES}
    assert found["Dot"].has == {"perform": "yes", "infer_shape": "yes", "gradient": "L_op", "R_op": "own",
                                "native": "kernel", "doc": "yes"}
    assert found["exp"].has["native"] == "C text"
    assert found["clip"].has["native"] == "expand"
    assert found["Reshape"].has["native"] == "view"
    assert found["sum"].has["R_op"] == "derived"


def test_texts(capsys):
    rows = [Entry("Whole", "ops/x", dict.fromkeys(ASPECTS, "yes")),
            Entry("Poor", "ops/y", dict.fromkeys(ASPECTS, "yes") | {"gradient": "", "R_op": "", "native": ""},
                  {"gradient": "its values are integers"})]
    assert missing(rows).splitlines() == [
        "2 ops; 1 unexplained lack(s)", "Poor (ops/y): no native",
        "no gradient: its values are integers", "    Poor",
    ]
    header, whole, poor = table(rows).splitlines()
    assert header.split() == ["op", "page", *ASPECTS]
    assert whole.split() == ["Whole", "ops/x", *["yes"] * len(ASPECTS)]
    assert poor.split()[2:] == ["yes", "yes", "-", "-", "-", "yes"]
    assert main(["--all"]) == main(["--missing"])
    assert "Reshape" in capsys.readouterr().out


def test_the_command():
    done = subprocess.run([sys.executable, "-m", "symtensor.ops", "--missing"], capture_output=True, text=True,
                          check=False)
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"{len(ENTRIES)} ops; 0 unexplained")


def test_user_ops_are_not_listed():
    class Mine(Op):
        def perform(self, node, inputs, outputs):
            outputs[0][0] = inputs[0]

    assert "Mine" not in {entry.name for entry in entries()}
