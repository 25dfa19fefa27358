"""Theano's documented names: each is there, and takes Theano's arguments by Theano's names, in Theano's order.

``data/theano_names.tsv`` holds the facts: names below ``theano``, with their documented signatures, of theano.tensor
(without convolution, pooling and the rewrites), theano.gradient, theano.sparse, theano.typed_list, theano.compile.ops
and theano.sandbox.rng_mrg; and what programs use of these modules without its being documented.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import symtensor

ROWS = [line.split("\t") for line in (Path(__file__).parent / "data" / "theano_names.tsv").read_text().splitlines()[1:]]

HOMES = {
    "theano": "symtensor", "theano.tensor.basic": "symtensor.tensor", "theano.tensor.compile": "symtensor",
    "theano.tensor.printing": "symtensor.printing", "theano.tensor.sharedvar": "symtensor.tensor",
    "theano.sparse_grad": "symtensor.sparse.sparse_grad", "theano.tensor.type": "symtensor.tensor",
    "theano.tensor.var": "symtensor.tensor", "theano.typed_list.basic": "symtensor.typed_list",
    "theano.tensor.Rebroadcast": "symtensor.compile.ops.Rebroadcast",
}
"""Theano's modules and names that are elsewhere here; the longest prefix counts."""

ABSENT = {
    "theano.sandbox.rng_mrg.DotModulo": "a part of the MRG31k3p generator; streams are Philox",
    "theano.sandbox.rng_mrg.multMatVect": "a part of the MRG31k3p generator; streams are Philox",
    "theano.sparse.sandbox": "experiments, some of them with convolution by sparse matrices; use the ops of nnet",
    "theano.tensor.basic._allclose": "private, for Theano's own tests; np.allclose",
    "theano.tensor.elemwise.Elemwise.get_output_info": "internal to Theano's Elemwise",
    "theano.tensor.elemwise.Elemwise.python_constant_folding": "internal to Theano's Elemwise",
    "theano.tensor.elemwise.Prod.L_op": "Prod makes a Reduction, whose L_op it is",
    "theano.tensor.io.MPIRecv": "messages between processes are no part of the library",
    "theano.tensor.io.MPIRecvWait": "as MPIRecv", "theano.tensor.io.MPISend": "as MPIRecv",
    "theano.tensor.io.MPISendWait": "as MPIRecv", "theano.tensor.io.irecv": "as MPIRecv",
    "theano.tensor.io.isend": "as MPIRecv", "theano.tensor.io.mpi_send_wait_key": "as MPIRecv",
    "theano.tensor.io.mpi_tag_key": "as MPIRecv", "theano.tensor.io.recv": "as MPIRecv",
    "theano.tensor.io.send": "as MPIRecv",
    "theano.tensor.nlinalg.EighGrad": "the gradient is a graph of other ops",
    "theano.tensor.nlinalg.MatrixInverse.R_op": "derived from the gradient",
    "theano.tensor.nnet.sigm.ScalarSigmoid": "there are no scalar ops; the elementwise op is sigmoid",
    "theano.tensor.shared_randomstreams.RandomVariable": "samples are tensor variables with attributes rng and update",
    "theano.tensor.slinalg.CholeskyGrad": "the gradient is a graph of other ops",
    "theano.tensor.slinalg.EigvalshGrad": "the gradient is a graph of other ops",
    "theano.tensor.slinalg.ExpmGrad": "the gradient is a graph of other ops",
}
"""Names that are deliberately not there, with the reason; what is below them is absent too."""

DIFFERENT = {
    ".DimShuffle": "the class takes Theano's arguments by position, and the rank in place of the broadcast pattern",
    ".Elemwise": "the class is that of the records of `symtensor.ops.elemwise.elementwise`, not of scalar ops",
    ".TensorSharedVariable": "made by shared()",
    ".TensorType": "the third argument is the device; name= and broadcastable= go by name",
    ".TensorType.__init__": "as TensorType",
    ".MRG_RandomStreams.multinomial": "nstreams goes by name", ".MRG_RandomStreams.normal": "nstreams goes by name",
    ".MRG_RandomStreams.truncated_normal": "nstreams goes by name",
    ".MRG_RandomStreams.uniform": "nstreams goes by name",
    ".sparse.basic.structured_maximum": "y goes by position", ".sparse.basic.structured_minimum": "y goes by position",
    ".sparse.basic.structured_pow": "y goes by position",
    ".nlinalg.diag": "the argument is v, as of theano.tensor.diag", ".nlinalg.trace": "the argument is a, as NumPy's",
}
"""Endings of names whose arguments are not Theano's, with the reason."""


def resolve(name):
    """The object that stands for one of Theano's names; AttributeError where there is none."""
    home = max((prefix for prefix in HOMES if name == prefix or name.startswith(prefix + ".")), key=len)
    if home == "theano.tensor.var" == name:  # a function, and a module in Theano
        home = "theano"
    path = HOMES[home] + name.removeprefix(home)
    parts = path.split(".")
    found = importlib.import_module(parts[0])
    for at, part in enumerate(parts[1:], 2):
        try:
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(".".join(parts[:at]))
        except ImportError:
            if part not in getattr(found, "__annotations__", {}):  # attributes of instances
                raise AttributeError(f"{name}: there is no {'.'.join(parts[:at])}") from None
            found = found.__annotations__[part]
        if found is None:
            raise AttributeError(f"{name}: {'.'.join(parts[:at])} is None")
    return found


def parameters(text):
    """The arguments of a documented signature, as Python's syntax tree has them."""
    return ast.parse(f"def f{text}: pass").body[0].args


def check_arguments(name, found, signature):
    """Theano's arguments fit: all by position, and, but of ops and their protocol, by name and in the same order."""
    assert callable(found)
    wanted = parameters(signature.removeprefix("class"))
    names = [argument.arg for argument in wanted.args]
    if signature.startswith("class"):
        names = names[names[:1] == ["self"]:]
    if inspect.isclass(found) and issubclass(found, Exception):
        return
    ours = inspect.signature(found)
    ours.bind(*names, *([1, 2, 3] if wanted.vararg else []))
    if not isinstance(found, symtensor.Op) and name.rpartition(".")[2] not in ("L_op", "grad", "make_node", "perform"):
        first, named = (["self"], names[1:]) if names[:1] == ["self"] else ([], names)
        bound = ours.bind(*first, **dict.fromkeys(named))
        assert [key for key in bound.arguments if key in named] == named, f"{name}{ours} has another order"


def reason_of_absence(name):
    return next((ABSENT[prefix] for prefix in ABSENT if name == prefix or name.startswith(prefix + ".")), None)


PRESENT = [row for row in ROWS if reason_of_absence(row[0]) is None]


@pytest.mark.parametrize(("name", "signature"), PRESENT, ids=[name for name, _ in PRESENT])
def test_the_name_is_there_and_takes_theanos_arguments(name, signature):
    found = resolve(name)
    if signature.startswith(("(", "class")) and not any(name.endswith(end) for end in DIFFERENT):
        check_arguments(name, found, signature)


def test_different_arguments_are_different():
    """What the list excuses does not take Theano's arguments: an entry that is not needed any more goes."""
    for ending in DIFFERENT:
        rows = [(name, signature) for name, signature in PRESENT if name.endswith(ending)]
        assert rows, ending
        for name, signature in rows:
            with pytest.raises((TypeError, AssertionError)):
                check_arguments(name, resolve(name), signature)


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_is_absent_is_absent(name):
    with pytest.raises(AttributeError):
        resolve(name)


def test_the_absences_are_theanos_names():
    documented = {name for name, _ in ROWS}
    for name, reason in ABSENT.items():
        assert reason
        assert any(row == name or row.startswith(name + ".") for row in documented), name
