"""pp, debugprint and pydotprint: what a person sees in the shell."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.printing import debugprint, pp, pydotprint, to_svg


def test_repr_as_in_the_book() -> None:
    with symtensor.config.change_flags(floatX="float32"):
        assert repr(T.matrix()) == "<TensorType(float32, matrix)>"
        assert repr(T.scalar()) == "<TensorType(float32, scalar)>"
    assert repr(T.iscalar()) == "<TensorType(int32, scalar)>"
    assert repr(T.dvector("x")) == "x"
    assert repr(T.dmatrix().type) == "TensorType(float64, matrix)"
    assert repr(T.drow().type) == "TensorType(float64, row)"
    assert repr(symtensor.shared(0)) == "<TensorType(int64, scalar)>"


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda x, y: x + y, "(x + y)"),
        (lambda x, y: x + y * x, "(x + (y * x))"),
        (lambda x, y: T.tanh(-x), "tanh((-x))"),
        (lambda x, y: T.dot(x, y.T), "dot(x, y.T)"),
        (lambda x, y: x**2, "(x ** TensorConstant{2})"),
    ],
)
def test_pp(build, text: str) -> None:
    x, y = T.dmatrices("x", "y")
    assert pp(build(x, y)) == text


def test_pp_of_a_deep_graph_and_of_a_shared_one_ends() -> None:
    x = T.dscalar("x")
    chain = x
    for _ in range(3000):
        chain = T.exp(chain)
    assert pp(chain).startswith("exp(exp(")
    doubled = x
    for _ in range(200):
        doubled = doubled + doubled
    assert len(pp(doubled)) < 100_000


def test_debugprint_tree() -> None:
    x, y = T.dmatrices("x", "y")
    z = T.exp(x + y)
    z.name = "z"
    expected = "Elemwise{exp} [id A] 'z'\n |Elemwise{add} [id B]\n   |x [id C]\n   |y [id D]\n"
    assert debugprint(z, file="str") == expected
    assert debugprint(z, file="str", ids="") == expected.replace(" [id A]", "").replace(" [id B]", "").replace(
        " [id C]", "").replace(" [id D]", "")
    assert debugprint(z, depth=1, file="str") == "Elemwise{exp} [id A] 'z'\n"
    assert "<TensorType(float64, matrix)>" in debugprint(z, print_type=True, file="str")


def test_debugprint_repeats_a_shared_node_once(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dvector("x")
    s = T.exp(x)
    debugprint(s + s * s)
    assert capsys.readouterr().out.count("|x") == 1


def test_debugprint_of_a_function_numbers_the_nodes() -> None:
    x = T.dvector("x")
    f = symtensor.function([x], T.exp(x).sum())
    text = debugprint(f, file="str")
    assert text.splitlines()[0].endswith(str(len(f.maker.fgraph.order) - 1))
    target = io.StringIO()
    assert debugprint(f, file=target) is target
    assert target.getvalue() == text


def test_debugprint_of_a_deep_graph() -> None:
    x = T.dscalar("x")
    chain = x
    for _ in range(3000):
        chain = T.exp(chain)
    assert debugprint(chain, file="str").count("\n") == 3001


def test_printing_something_else_says_what_can_be_printed() -> None:
    with pytest.raises(TypeError, match="give a variable, a node, a compiled function"):
        debugprint(3)
    with pytest.raises(TypeError, match="give a variable"):
        pp("x")


@pytest.fixture
def loss() -> T.TensorVariable:
    x, y = T.dmatrix("x"), T.ivector("y")
    W = symtensor.shared(np.zeros((4, 3)), name="W<&>")
    p = T.nnet.softmax(T.dot(x, W))
    return -T.mean(T.log(p)[T.arange(y.shape[0]), y])


def test_svg_is_well_formed_and_complete(loss: T.TensorVariable) -> None:
    root = ET.fromstring(to_svg(loss))
    labels = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(label and label.startswith("x: TensorType(float64, matrix)") for label in labels)
    assert any(label and label.startswith("W<&>") for label in labels)
    width = float(root.get("width", "0"))
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        if box.get("x"):
            assert 0 <= float(box.get("x", "-1")) <= width


def test_pydotprint_writes_svg_and_dot(loss: T.TensorVariable, tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    path = pydotprint(loss, tmp_path / "loss.svg")
    assert path.read_text().startswith("<")
    assert "loss.svg" in capsys.readouterr().out
    pytest.importorskip("pydot")
    dot = pydotprint(loss, tmp_path / "loss.dot", print_output_file=False).read_text()
    assert dot.count("->") > 5
    assert capsys.readouterr().out == ""


def test_pydotprint_without_graphviz_says_what_to_do(loss: T.TensorVariable, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Graphviz.*\.svg"):
        pydotprint(loss, tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()
    monkeypatch.chdir(tmp_path)
    assert pydotprint(loss, print_output_file=False).suffix == ".svg"


def test_pydotprint_of_an_optimized_function(tmp_path: Path) -> None:
    x = T.dvector("x")
    f = symtensor.function([x], [T.exp(x), T.exp(x).sum()])
    image = pydotprint(f, tmp_path / "f.svg", return_image=True)
    assert image.startswith(b"<svg") or b"<svg" in image


def test_debugprint_shows_what_a_step_computes():
    x = T.dvector("x")
    out, _ = symtensor.scan(lambda row, h: T.tanh(row) + h, x, T.zeros((), "float64"), name="sum")
    text = symtensor.printing.debugprint(out, file="str")
    _, _, inner = text.partition("\nEach step of Scan{sum} [id ")
    assert " >Elemwise{add}" in inner
    assert " > |Elemwise{tanh}" in inner
    assert "x[t]" in inner
