"""The op of the book's last chapter, written as there: only Python, and it works as any other in every mode."""

from __future__ import annotations

import io

import numpy
import pytest

import symtensor
from symtensor import Mode, config
from symtensor.link.toolchain import NoCompiler, find_compiler

MODES = {
    "interpreter": ("py", "None"), "fast_compile": ("py", "fast_compile"), "fast_run_py": ("py", "fast_run"),
    "c_unoptimized": ("c", "None"), "c": ("c", "fast_run"),
}


class AXPBOp(symtensor.Op):
    """x to a*x+b."""

    __props__ = ("a", "b")

    def __init__(self, a, b):
        self.a = a
        self.b = b
        super().__init__()

    def make_node(self, x):
        x = symtensor.tensor.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        x = inputs[0]
        z = output_storage[0]
        z[0] = self.a * x + self.b

    def infer_shape(self, node, i0_shapes):
        return i0_shapes

    def grad(self, inputs, output_grads):
        return [self.a * output_grads[0]]


class Typed(AXPBOp):
    """Without make_node: the types are given."""

    make_node = symtensor.Op.make_node
    itypes = [symtensor.tensor.dmatrix]
    otypes = [symtensor.tensor.dmatrix]


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    linker, optimizer = MODES[request.param]
    if linker == "c":
        try:
            find_compiler()
        except NoCompiler:
            pytest.skip("no C compiler")
    return Mode(linker, optimizer)


@pytest.mark.parametrize("kind", [AXPBOp, Typed])
def test_value_and_gradient(mode, kind):
    x = symtensor.tensor.dmatrix()
    y = kind(4, 5)(x)
    given = numpy.random.default_rng(0).random((3, 2))
    numpy.testing.assert_allclose(symtensor.function([x], y, mode=mode)(given), 4 * given + 5)
    slope = symtensor.tensor.grad(y.sum(), x)
    assert symtensor.function([x], slope, mode=mode)(given).tolist() == [[4.0, 4.0]] * 3
    assert symtensor.function([x], y.shape, mode=mode)(given).tolist() == [3, 2]
    symtensor.verify_grad(kind(4, 5), [given], rng=numpy.random.RandomState(0), mode=mode)


def test_properties_give_equality_hash_and_text():
    op, same, other = AXPBOp(4, 5), AXPBOp(4, 5), AXPBOp(4, 6)
    assert op == same
    assert hash(op) == hash(same)
    assert op != other
    assert str(op) == "AXPBOp{a=4, b=5}"


def test_how_it_prints():
    with config.change_flags(floatX="float32"):
        x = symtensor.tensor.matrix()
    y = AXPBOp(4, 5)(x)
    assert symtensor.printing.pprint(y) == "AXPBOp{a=4, b=5}(<TensorType(float32, matrix)>)"
    slope = symtensor.printing.pprint(symtensor.tensor.grad(y.sum(), x))
    assert slope.startswith("(TensorConstant{4} * ")
    assert "TensorConstant{1.0}" in slope


def test_optimized_gradient_does_not_run_it():
    """Its shape rule spares the op itself: the gradient is 4 in the shape of x."""
    x = symtensor.tensor.dmatrix()
    slope = symtensor.tensor.grad(AXPBOp(4, 5)(x).sum(), x)
    text = io.StringIO()
    symtensor.printing.debugprint(symtensor.function([x], slope, mode=Mode("py", "fast_run")), file=text)
    lines = [line.split(" [id")[0].strip(" |") for line in text.getvalue().splitlines()]
    assert lines == ["Alloc", "TensorConstant{(1, 1) of 4.0}", "Shape_i{0}", "<TensorType(float64, matrix)>",
                     "Shape_i{1}", "<TensorType(float64, matrix)>"]
