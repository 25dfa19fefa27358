"""Batch normalization, neighbourhoods, block products, CTC, confusion matrices: errors, edges, and promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import symtensor
from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.link.native import emit
from symtensor.ops.ctc import CTCCost
from symtensor.ops.neighbours import Images2Neibs
from symtensor.ops.softmax import Softmax
from symtensor.optimize.pipeline import optimize
from symtensor.tensor import nnet
from symtensor.tensor.nnet.blocksparse import sparse_block_gemv, sparse_block_outer
from symtensor.tensor.nnet.ctc import ConnectionistTemporalClassification, ctc

MODES = ["FAST_RUN", "INTERPRETER"]


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_computes_each_exponential_once(axis):
    x = T.dmatrix("x")
    assert emit(optimize(FunctionGraph.build([x], [Softmax(axis)(x)]))[0]).text.count("st_exp(") == 1


# -- batch normalization ---------------------------------------------------------------------------------------------


def test_variance_takes_two_passes():
    """A mean far from 0 costs no digits."""
    x = T.dmatrix("x")
    out, mean, invstd = nnet.batch_normalization_train(x, np.ones(2), np.zeros(2))
    data = np.random.default_rng(0).normal(size=(50, 2))
    near, far = symtensor.function([x], [out, mean, invstd]), None
    for offset in (0.0, 1e8):
        got = near(data + offset)
        far = got if far is None else far
        np.testing.assert_allclose(got[2], far[2], rtol=1e-6)


def test_batch_normalization_in_float32_stays_there():
    x, g = T.ftensor4("x"), T.fvector("g")
    made = nnet.batch_normalization_train(x, g, g, "spatial", 1e-5, 0.2, g, g)
    assert [v.type.dtype for v in made] == ["float32"] * 5
    assert [v.type.ndim for v in made] == [4, 1, 1, 1, 1]
    assert nnet.batch_normalization_test(x, g, g, g, g, "spatial").type.dtype == "float32"


def test_what_batch_normalization_takes():
    x, g = T.dtensor3("x"), T.dmatrix("g")
    train = nnet.batch_normalization_train
    for match, arguments in (
        ("epsilon must be at least 1e-5", {"epsilon": 1e-6}), ("axes is 'per-activation'", {"axes": "all"}),
        ("axes 3 for an input", {"axes": 3}), ("give both", {"running_mean": g}),
        ("gamma has 2 dimension", {"axes": (0, 1)}),
    ):
        with pytest.raises(ValueError, match=match):
            train(x, g, g, **arguments)
    with pytest.raises(ValueError, match="'low_mem' or 'high_mem'"):
        nnet.batch_normalization(x, 1, 0, 0, 1, mode="no")
    assert train(x, g, g, epsilon=np.float32(1e-5))[0].type.ndim == 3
    full = T.TensorType("float64", (1, None, None))("full")
    assert train(x, full, full)[1].type.shape[0] == 1


# -- neighbourhoods --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "shape", "size", "step"), [
    ("valid", (1, 1, 5, 4), (2, 2), (2, 2)), ("valid", (1, 1, 1, 4), (2, 2), (1, 1)),
    ("valid", (1, 1, 4, 4), (2, 2), (0, 1)),
    ("wrap_centered", (1, 1, 4, 4), (2, 3), (1, 1)), ("wrap_centered", (1, 1, 4, 4), (3, 5), (1, 1)),
    ("half", (1, 1, 4, 4), (3, 3), (2, 1)), ("full", (1, 1, 4, 4), (2, 2), (3, 1)),
])
def test_sizes_that_do_not_fit(mode, kind, shape, size, step):
    x, r, c = T.dtensor4("x"), T.lscalar("r"), T.lscalar("c")
    with pytest.raises(ValueError, match="do not fit axis"):
        symtensor.function([x, r, c], nnet.images2neibs(x, (r, c), step, kind), mode=mode)(np.ones(shape), *size)
    with pytest.raises(ValueError, match="do not fit axis"):
        nnet.images2neibs(T.TensorType("float64", shape)(), size, step, kind)


@pytest.mark.parametrize("mode", MODES)
def test_symbolic_sizes(mode):
    x, size = T.dtensor4("x"), T.lvector("size")
    f = symtensor.function([x, size], nnet.images2neibs(x, size, mode="ignore_borders"), mode=mode)
    np.testing.assert_array_equal(f(np.arange(9.0).reshape(1, 1, 3, 3), [2, 2]), [[0, 1, 3, 4]])
    assert f(np.ones((1, 1, 3, 3)), [4, 2]).shape == (0, 8)
    back = symtensor.function([x, size], nnet.neibs2images(nnet.images2neibs(x, size), size, x.shape), mode=mode)
    data = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    np.testing.assert_array_equal(back(data, [2, 3]), data)


def test_what_neighbourhoods_take():
    x, m = T.dtensor4("x"), T.dmatrix("m")
    with pytest.raises(ValueError, match="mode 'no' is not one of"):
        nnet.images2neibs(x, (2, 2), mode="no")
    with pytest.raises(TypeError, match=r"images are \(batch"):
        nnet.images2neibs(m, (2, 2))
    with pytest.raises(NotImplementedError, match="overlap and have no inverse"):
        nnet.neibs2images(m, (2, 2), (1, 1, 4, 4), mode="half")
    assert Images2Neibs()(T.TensorType("float64", (2, 3, 4, 4))(), [2, 2]).type.shape == (24, 4)
    f = symtensor.function([m], nnet.neibs2images(m, (2, 2), (1, 1, 4, 4)))
    for rows in (3, 5):
        with pytest.raises(ValueError, match="do not fit in the shape"):
            f(np.ones((rows, 4)))


# -- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_blocks_that_are_not_there(mode):
    W, h, b = T.dtensor4("W"), T.dtensor3("h"), T.dtensor3("b")
    i, j = T.lmatrix("i"), T.lmatrix("j")
    dot = symtensor.function([b, W, h, i, j], sparse_block_gemv(b, W, h, i, j), mode=mode)
    outer = symtensor.function([W, h, b, i, j], sparse_block_outer(W, h, b, i, j), mode=mode)
    blocks, x, y = np.ones((3, 4, 2, 5)), np.ones((1, 2, 2)), np.ones((1, 1, 5))
    for rows, columns, match in (([[0, 3]], [[0]], "index 3 is out of range for axis 0 of size 3"),
                                 ([[0, 1]], [[-5]], "index -5 is out of range for axis 1 of size 4")):
        with pytest.raises(IndexError, match=match):
            dot(y, blocks, x, rows, columns)
        with pytest.raises(IndexError, match=match):
            outer(blocks, x, y, rows, columns)
    with pytest.raises(ValueError, match="shape"):
        dot(y, blocks, np.ones((1, 2, 3)), [[0, 1]], [[0]])


def test_what_blocks_take():
    W, h, b = T.dtensor4("W"), T.dtensor3("h"), T.dmatrix("b")
    with pytest.raises((TypeError, IndexError), match="integer"):
        nnet.sparse_block_dot(W, h, T.dmatrix(), b, T.lmatrix())
    with pytest.raises(TypeError, match="one dimension less than h"):
        nnet.sparse_block_dot(W, h, T.lvector(), b, T.lmatrix())


# -- CTC -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_ctc_edges(mode):
    x, labels, lengths = T.dtensor3("x"), T.imatrix("labels"), T.ivector("lengths")
    cost = ctc(x, labels, lengths)
    f = symtensor.function([x, labels, lengths], [cost, symtensor.grad(cost.sum(), x)], mode=mode)
    data = np.random.default_rng(0).normal(size=(3, 4, 3))
    costs, grads = f(data, [[1, 1], [1, 2], [-1, -1], [2, -1]], [2, 1, 0, 3])
    assert np.isinf(costs[:2]).all()
    assert costs[2] == 0
    assert np.isfinite(costs[3])
    assert np.isfinite(grads).all()
    assert not grads[:, :3].any()
    large = f(data * 1e3, [[1, -1]] * 4, [3] * 4)
    assert np.isfinite(large[0]).all()
    assert np.isfinite(large[1]).all()
    # the gradient is softmax minus posterior, and 0 past the end
    _, grads = f(data, [[1, 2], [1, -1], [2, -1], [-1, -1]], [2, 3, 3, 3])
    np.testing.assert_allclose(grads.sum(axis=2), 0, atol=1e-12)
    assert not grads[2, 0].any()
    np.testing.assert_allclose(grads[:, 3], special.softmax(data[:, 3], axis=1) - [1, 0, 0])


@pytest.mark.parametrize("mode", MODES)
def test_ctc_refuses(mode):
    x, labels, lengths = T.dtensor3("x"), T.imatrix("labels"), T.ivector("lengths")
    f = symtensor.function([x, labels, lengths], ConnectionistTemporalClassification()(x, labels, lengths), mode=mode)
    data = np.zeros((3, 1, 3))
    for problem, match, error in (
        ((data, [[3]], [3]), r"label 3 of sequence 0 is none of 1\.\.2", IndexError),
        ((data, [[1, 0]], [3]), "label 0 of sequence 0", IndexError),
        ((data, [[1]], [4]), r"input_lengths\[0\] is 4, there are 3", ValueError),
        ((data, [[1], [1]], [3]), r"1 sequence\(s\), labels for 2", ValueError),
        ((data, [[1]], [3, 3]), r"1 sequence\(s\), input_lengths for 2", ValueError),
        ((np.zeros((3, 1, 0)), [[-1]], [3]), "label 0 of sequence 0", IndexError),
    ):
        with pytest.raises(error, match=match):
            f(*problem)
    for given, match in (((T.dmatrix(), labels, lengths), "activations are floats"),
                         ((x, T.dmatrix(), lengths), "labels are integers"),
                         ((x, labels, labels), "input_lengths are")):
        with pytest.raises(TypeError, match=match):
            ctc(*given)
    with pytest.raises(symtensor.NullTypeGradError, match="CTCGrad"):
        symtensor.grad(symtensor.grad(ctc(x, labels, lengths).sum(), x).sum(), x)


def test_ctc_of_a_batch_is_that_of_its_sequences():
    rng = np.random.default_rng(1)
    data, labels = rng.normal(size=(40, 8, 6)), rng.integers(1, 6, (8, 12))
    lengths, ends = rng.integers(25, 41, 8), rng.integers(0, 12, 8)
    labels[np.arange(12) >= ends[:, None]] = -1
    problem = T.dtensor3("x"), T.lmatrix("labels"), T.lvector("lengths")
    cost = ctc(*problem)
    f = symtensor.function(problem, [cost, symtensor.grad(cost.sum(), problem[0])])
    costs, grads = f(data, labels, lengths)
    for k, (length, end) in enumerate(zip(lengths, ends)):
        own = f(data[:length, k:k + 1], labels[k:k + 1, :end], lengths[k:k + 1])
        np.testing.assert_allclose(own[0], costs[k:k + 1], rtol=1e-12)
        np.testing.assert_allclose(own[1][:, 0], grads[:length, k], atol=1e-12)
        assert not grads[length:, k].any()
    np.testing.assert_allclose(symtensor.function(problem, cost, mode="INTERPRETER")(data, labels, lengths), costs)
    assert CTCCost() == CTCCost()


# -- the rest --------------------------------------------------------------------------------------------------------


def test_confusion_matrix():
    actual, predicted = T.lvector("a"), T.lvector("p")
    f = symtensor.function([actual, predicted], nnet.confusion_matrix(actual, predicted))
    counts, order = f([2, 0, 2, 2, 0, 1], [0, 0, 2, 2, 0, 2])
    np.testing.assert_array_equal(counts, [[2, 0, 0], [0, 0, 1], [1, 0, 2]])
    np.testing.assert_array_equal(order, [0, 1, 2])
    with pytest.raises(ValueError, match="the classes are vectors"):
        nnet.confusion_matrix(T.lmatrix(), predicted)


def test_prepended_columns():
    m = T.fmatrix("m")
    for made, first in ((nnet.nnet.prepend_0_to_each_row(m), 0), (nnet.nnet.prepend_1_to_each_row(m), 1),
                        (nnet.nnet.prepend_scalar_to_each_row(7, m), 7)):
        got = made.eval({m: np.zeros((2, 2), "float32")})
        assert got.dtype == "float32"
        assert got[:, 0].tolist() == [first] * 2
    with pytest.raises(TypeError, match="a scalar and a matrix"):
        nnet.nnet.prepend_scalar_to_each_row(m, m)
