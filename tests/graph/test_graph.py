"""Types, variables, nodes, walks and the compiler's graph."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.graph.errors import MissingInputError, SymbolicTruthError
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.types import DTYPES, TensorType, upcast
from symtensor.graph.variable import Apply
from symtensor.graph.walk import ancestors, clone_replace, depends_on, graph_inputs, toposort


def test_types_are_values() -> None:
    assert TensorType("float32", (None, 1)) == TensorType("float32", (False, True))
    assert hash(TensorType("int8", (2,))) == hash(TensorType("int8", [2]))
    assert TensorType("float32", (2,)) != TensorType("float32", (None,))
    assert TensorType("float32", (None, 3)).accepts(TensorType("float32", (2, 3)))
    assert not TensorType("float32", (2,)).accepts(TensorType("float32", (None,)))
    assert TensorType("float64", (1, None)).broadcastable == (True, False)
    assert pickle.loads(pickle.dumps(T.dmatrix)) == T.dmatrix
    with pytest.raises(TypeError, match="dtype 'complex256' is not supported"):
        TensorType("complex256", ())
    with pytest.raises(ValueError, match="a dimension cannot be -1"):
        TensorType("float64", (-1,))


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_is_numpys(a: str, b: str) -> None:
    assert upcast(a, b) == np.promote_types(a, b).name


def test_values_of_a_type() -> None:
    kind = TensorType("float32", (None, 2))
    assert kind.filter([[1, 2]]).dtype == np.float32
    with pytest.raises(TypeError, match=r"lose precision.*astype\('float32'\)"):
        kind.filter(np.ones((1, 2)))
    assert kind.filter(np.ones((1, 2)), allow_downcast=True).dtype == np.float32
    with pytest.raises(TypeError, match=r"shape \(None, 2\).*got shape \(1, 3\)"):
        kind.filter(np.ones((1, 3), "float32"))
    with pytest.raises(TypeError, match="1 dimension"):
        kind.filter(np.ones(2, "float32"))
    with pytest.raises(TypeError, match="strict"):
        kind.filter([[1.0, 2.0]], strict=True)
    with pytest.raises(TypeError, match=r"symbolic variable.*eval"):
        kind.filter(T.fmatrix("x"))


def test_a_symbolic_variable_has_no_truth() -> None:
    x = T.dscalar("x")
    for use in (bool, float, int, complex, len, lambda v: [0, 1][v]):
        with pytest.raises((SymbolicTruthError, TypeError)) as caught:
            use(x)
        assert "x" in str(caught.value)
    with pytest.raises(SymbolicTruthError, match=r"switch.*\n?") as caught:
        bool(x > 0)
    assert "test_graph.py" in str(caught.value)


def test_nodes_refuse_what_is_no_variable_or_is_taken() -> None:
    x = T.dvector("x")
    y = T.exp(x)
    with pytest.raises(TypeError, match="inputs of a node are variables, got 1"):
        Apply(y.owner.op, [1], [x.type()])
    with pytest.raises(ValueError, match="output 0 is already made by"):
        Apply(y.owner.op, [x], [y])


def test_walks_do_not_recurse() -> None:
    x = T.dscalar("x")
    y = x
    for _ in range(20_000):
        y = T.exp(y)
    order = toposort([y])
    assert len(order) == 20_000
    assert all(a is b.inputs[0].owner for a, b in zip(order, order[1:]))
    assert graph_inputs([y]) == [x]
    assert depends_on([y], [x])
    assert len(ancestors([y])) == 20_001
    z = T.dscalar("z")
    (copy,) = clone_replace([y], {x: z})
    assert graph_inputs([copy]) == [z]
    assert graph_inputs([y]) == [x]
    assert len(toposort([pickle.loads(pickle.dumps(y))])) == 20_000


def test_equal_applications_are_one_node() -> None:
    x, y = T.dvectors("x", "y")
    graph = FunctionGraph.build([x, y], [T.exp(x + y), T.exp(y + x), T.exp(x - y), T.exp(y - x)])
    assert graph.outputs[0] is graph.outputs[1]
    assert graph.outputs[2] is not graph.outputs[3]
    nan = FunctionGraph.build([x], [x * np.nan, x * np.nan, x * 0.0, x * -0.0])
    assert nan.outputs[0] is nan.outputs[1]
    assert nan.outputs[2] is not nan.outputs[3]


def test_the_users_graph_is_only_read() -> None:
    x = T.dvector("x")
    shared_part = T.exp(x)
    output = shared_part + T.exp(x)
    before = toposort([output])
    f = symtensor.function([x], [output, shared_part * 0 + 1])
    f(np.ones(3))
    assert toposort([output]) == before
    assert output.owner.inputs[0] is shared_part


def test_replacing_gives_another_graph() -> None:
    x, y = T.dvectors("x", "y")
    graph = FunctionGraph.build([x, y], [T.exp(x) * y])
    inner = graph.outputs[0].owner.inputs[0]
    other = graph.with_replaced({inner: T.sqr(inner)})
    assert [node.op.name for node in graph.order] == ["exp", "mul"]
    assert [node.op.name for node in other.order] == ["exp", "sqr", "mul"]
    assert graph.with_replaced({}) is graph
    assert graph.clients[inner] == [(graph.order[1], 0)]
    with pytest.raises(AttributeError):
        graph.outputs = ()  # type: ignore[misc]


def test_a_missing_input_is_named_with_its_place() -> None:
    x, y = T.dvectors("x", "y")
    with pytest.raises(MissingInputError, match=r"(?s)y of type.*test_graph\.py.*givens"):
        FunctionGraph.build([x], [x + y])


def test_graphs_pickle_with_their_leaves_shared() -> None:
    x, w = T.dvector("x"), symtensor.shared(np.arange(3.0), name="w")
    x2, w2, y2 = pickle.loads(pickle.dumps((x, w, T.exp(x) * w)))
    assert y2.eval({x2: np.zeros(3)}).tolist() == [0.0, 1.0, 2.0]
    w2.set_value(np.ones(3))
    assert y2.eval({x2: np.zeros(3)}).tolist() == [1.0, 1.0, 1.0]
    assert w.get_value().tolist() == [0.0, 1.0, 2.0]
