"""Streams of random variables in compiled functions: Theano's tutorial, states, seeds, copies, and the emitted C."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import symtensor
from symtensor import Mode, config, function, grad, shared
from symtensor import tensor as T
from symtensor.ops.random import RandomBits, random_state_type
from symtensor.sandbox.rng_mrg import MRG_RandomStreams, guess_n_streams
from symtensor.tensor.raw_random import RandomStreamsBase, uniform
from symtensor.tensor.shared_randomstreams import RandomState, RandomStateSharedVariable, RandomStreams

STREAMS = [RandomStreams, MRG_RandomStreams]


@pytest.mark.parametrize("streams", STREAMS)
def test_tutorial(streams: type[RandomStreams], mode: Mode) -> None:
    srng = streams(seed=234)
    rv_u, rv_n = srng.uniform((2, 2)), srng.normal((2, 2))
    f = function([], rv_u, mode=mode)
    g = function([], rv_n, no_default_updates=True, mode=mode)
    nearly_zeros = function([], rv_u + rv_u - 2 * rv_u, mode=mode)
    assert (f() != f()).all()
    assert (g() == g()).all()
    assert (nearly_zeros() == 0).all()

    rng_val = rv_u.rng.get_value(borrow=True)
    assert isinstance(rng_val, RandomState)
    rng_val.seed(89234)
    rv_u.rng.set_value(rng_val, borrow=True)
    first = f()
    rng_val = rv_u.rng.get_value(borrow=False)
    rng_val.seed(89234)
    assert (f() != first).all()
    rv_u.rng.set_value(rng_val)
    assert (f() == first).all()

    srng.seed(902340)
    again = f(), g()
    srng.seed(902340)
    assert all((a == b).all() for a, b in zip(again, (f(), g())))

    state_after_v0 = rv_u.rng.get_value().copy()
    nearly_zeros()
    v1 = f()
    rv_u.rng.set_value(state_after_v0, borrow=True)
    assert (f() != v1).any()
    assert (f() == v1).all()


@pytest.mark.parametrize("streams", STREAMS)
def test_state_is_copied_between_graphs(streams: type[RandomStreams]) -> None:
    class Graph:
        def __init__(self, seed: int) -> None:
            self.rng = streams(seed)
            self.y = self.rng.uniform(size=(1,))

    g1, g2 = Graph(123), Graph(987)
    f1, f2 = function([], g1.y), function([], g2.y)
    assert f1() != f2()
    if isinstance(g1.rng, MRG_RandomStreams):
        g2.rng.rstate = g1.rng.rstate
    for su1, su2 in zip(g1.rng.state_updates, g2.rng.state_updates):
        su2[0].set_value(su1[0].get_value())
    assert f1() == f2()
    if isinstance(g1.rng, MRG_RandomStreams):
        assert g1.rng.normal((3,)).eval().tolist() == g2.rng.normal((3,)).eval().tolist()


def test_modes_give_the_same_numbers() -> None:
    results = []
    for mode in (Mode("c"), Mode("py"), Mode("c", "None"), Mode("py", "fast_compile")):
        srng = RandomStreams(5)
        outs = [srng.uniform((7,), dtype="float32"), srng.binomial((3, 5), p=0.3), srng.random_integers((6,), 0, 99),
                srng.permutation((), 9), srng.multinomial((4,), 3, [0.2, 0.8]), srng.poisson((9,), 30.0)]
        f = function([], outs, mode=mode)
        results.append([np.concatenate([np.ravel(x) for x in f()]) for _ in range(3)])
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_threads_and_instructions_do_not_matter() -> None:
    found = []
    for flags in ({"threads": 1}, {"threads": 4}, {"target": "baseline"}):
        with config.change_flags(**flags):
            f = function([], RandomStreams(5).uniform((301, 1001), dtype="float32"), mode=Mode("c"))
            found.append(f())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_variables_and_calls_are_independent() -> None:
    srng = RandomStreams(1)
    f = function([], [srng.uniform((5000,)) for _ in range(4)])
    rows = np.concatenate([f() for _ in range(3)])
    table = np.corrcoef(rows)
    assert abs(table - np.eye(12)).max() < 5 / np.sqrt(5000)
    assert len(np.unique(rows)) == rows.size


def test_no_overlap_after_many_calls() -> None:
    """The counter moves by exactly the blocks that a draw takes, from any state."""
    srng = RandomStreams(3)
    n = T.lscalar("n")
    x = srng.uniform((n,), dtype="float32")
    f = function([n], x)
    seen = np.concatenate([f(k) for k in (1, 4, 5, 0, 13, 1000)])
    assert x.rng.get_value()[1] == 1 + 1 + 2 + 0 + 4 + 250
    assert len(np.unique(seen)) == len(seen)
    x.rng.set_value(np.array([5, 2**64 - 1], "uint64"))
    f(8)
    assert x.rng.get_value().tolist() == [5, 1]


def test_draws_are_neither_merged_nor_folded_nor_repeated() -> None:
    srng = RandomStreams(1)
    a, b = srng.uniform((3,)), srng.uniform((3,))
    f = function([], [a - b, a * 2, a + 1, b])
    difference, double, more, _ = f()
    assert (difference != 0).all()
    np.testing.assert_allclose(double / 2, more - 1, atol=1e-15)
    assert sum(isinstance(node.op, RandomBits) for node in f.maker.compiled.graph.order) == 2
    assert (f()[3] != f()[3]).all()


def test_givens_clone_and_updates() -> None:
    srng = RandomStreams(9)
    x, y = T.dvector("x"), srng.uniform((3,))
    total = shared(0.0)
    f = function([], x.sum(), givens={x: y}, updates=[(total, total + y.sum())])
    found = [f() for _ in range(3)]
    assert len(set(map(float, found))) == 3
    np.testing.assert_allclose(total.get_value(), sum(found))
    replaced = function([], y, givens={y.rng: T.constant(np.array([1, 0], "uint64"))}, no_default_updates=True)
    assert (replaced() == replaced()).all()
    g = function([], y, updates=[y.update])
    assert (g() != g()).all()
    h = function([], y, no_default_updates=[y.rng])
    assert (h() == h()).all()
    assert srng.updates() == srng.state_updates == [y.update]


def test_a_state_may_be_kept_and_restored() -> None:
    y = RandomStreams(9).uniform((3,))
    f = function([], y)
    f()
    kept = y.rng.get_value().get_state()
    first = f()
    state = y.rng.get_value(borrow=True)
    state.set_state(kept)
    y.rng.set_value(state, borrow=True)
    assert (f() == first).all()
    assert (f() != first).all()


def test_copies_and_pickles() -> None:
    f = function([], RandomStreams(9).uniform((3,)))
    f()
    twin, saved = copy.copy(f), pickle.loads(pickle.dumps(f))  # noqa: S301
    later = f()
    assert (saved() == later).all()
    assert (twin() != later).all()  # which shares the state, as all functions of a variable do
    state = pickle.loads(pickle.dumps(RandomStreams(9).uniform((3,)).rng))  # noqa: S301
    assert isinstance(state.get_value(), RandomState)


def test_copy_with_another_state() -> None:
    x = RandomStreams(9).uniform((3,))
    f = function([], x)
    other = RandomStateSharedVariable(random_state_type, x.rng.get_value())
    g = f.copy(swap={x.rng: other})
    assert (f() == g()).all()
    assert (f() == g()).all()
    assert x.rng.get_value().tolist() == other.get_value().tolist() != [0, 0]


def test_learning_through_samples() -> None:
    """The gradient of E (m + s z)**2 by m and s, estimated."""
    srng = RandomStreams(1)
    m, s = shared(1.5), shared(0.5)
    cost = (srng.normal((200_000,), m, s) ** 2).mean()
    gm, gs = function([], grad(cost, [m, s]))()
    np.testing.assert_allclose([gm, gs], [3.0, 1.0], atol=0.02)


def test_dropout_is_one_pass_over_the_bits_and_one_over_the_data() -> None:
    x = T.fmatrix("x")
    f = function([x], x * RandomStreams(3).binomial(x.shape, p=0.5, dtype="float32"))
    ones = f(np.ones((500, 400), "float32"))
    assert set(np.unique(ones)) == {0, 1}
    assert abs(ones.mean() - 0.5) < 0.006
    kinds = [type(node.op).__name__ for node in f.maker.compiled.graph.order if node.outputs[0].type.ndim == 2]
    assert sorted(kinds) == ["Fused", "RandomBits"]
    source = f.c_source()
    assert source.count("ST_KERNEL k") == 3
    assert source.count("#pragma omp simd") == 4  # with that of Philox without vector types
    assert "host_call" not in source.split("st_main(st_call *call)")[1]
    assert f.memory_plan([(500, 400)]) <= 2 * 500 * 400 * 4 + 4096  # the bits and the result


def test_seeds() -> None:
    def first(seed: object) -> list[float]:
        return function([], RandomStreams(seed).uniform((2,)))().tolist()

    assert first(1) == first(1) != first(2)
    assert first([1, 2]) == first((1, 2)) != first([2, 1])
    assert first(2**100) != first(0)
    assert first(None) != first(None)
    for bad in (-1, "x", 1.5):
        with pytest.raises((TypeError, ValueError), match="a seed is an int"):
            RandomStreams(bad)
    both = []
    for srng in (RandomStreams(4), RandomStreams(5)):
        f = function([], [srng.uniform((2,)), srng.normal((2,))])
        f()
        srng.seed(5)
        both.append(np.ravel(f()).tolist())
    assert both[0] == both[1]


def test_mrg_names() -> None:
    srng = MRG_RandomStreams()
    p = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    assert srng.n_streams((3, 4)) == guess_n_streams((3, 4)) == 12
    assert srng.multinomial(pvals=p, n=1, dtype="float32", nstreams=5).eval()[0].tolist() == [0, 1, 0]
    picked = srng.choice(size=2, p=[[0.5, 0.5, 0.0]], replace=False).eval()
    assert sorted(picked[0].tolist()) == [0, 1]
    assert set(srng.choice((50,), p=[0.5, 0.5]).eval()) == {0, 1}
    assert abs(srng.normal((2000,), truncate=True).eval()).max() <= 2
    assert srng.normal(size=(5,), avg=0.0, std=1.0, ndim=None, dtype="float32", nstreams=3).dtype == "float32"
    states = srng.get_substream_rstates(3, "float32")
    assert states.shape == (3, 2)
    x, y = MRG_RandomStreams(2), MRG_RandomStreams(2)
    x.inc_rstate()
    y.uniform((2,))
    assert (x.uniform((2,)).eval() == y.uniform((2,)).eval()).all()
    with pytest.raises(TypeError, match="choice: give a"):
        srng.choice((2,))


SIGNATURES = {
    "uniform": ["size", "low", "high", "ndim", "dtype"], "normal": ["size", "avg", "std", "ndim", "dtype"],
    "binomial": ["size", "n", "p", "ndim", "dtype", "prob"], "poisson": ["size", "lam", "ndim", "dtype"],
    "multinomial": ["size", "n", "pvals", "ndim", "dtype"], "permutation": ["size", "n", "ndim", "dtype"],
    "random_integers": ["size", "low", "high", "ndim", "dtype"], "shuffle_row_elements": ["input"],
    "choice": ["size", "a", "replace", "p", "ndim", "dtype"],
    "truncated_normal": ["size", "avg", "std", "ndim", "dtype"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_theanos(name: str) -> None:
    function_ = getattr(T.raw_random, name)
    wanted = SIGNATURES[name]
    assert list(inspect.signature(function_).parameters)[1:len(wanted) + 1] == wanted
    assert list(inspect.signature(getattr(RandomStreams, name)).parameters)[1:len(wanted) + 1] == wanted
    assert getattr(RandomStreams, name).__doc__


def test_explicit_states() -> None:
    s = random_state_type("s")
    after, sample = uniform(s, (2,))
    f = function([s], [after, sample])
    (one, x), (two, y) = f(np.array([1, 0], "uint64")), f(np.array([1, 1], "uint64"))
    assert one.tolist() == [1, 1]
    assert two.tolist() == [1, 2]
    assert (x != y).all()
    with pytest.raises(NotImplementedError, match="gen"):
        RandomStreamsBase().uniform((2,))


def test_distributions_of_numpy() -> None:
    srng = RandomStreams(4)
    op = T.raw_random.RandomFunction("laplace", T.dvector)
    x = srng.gen(op, (20_000,), 0.5, 2.0)
    f = function([], x)
    first = f()
    assert abs(first.mean() - 0.5) < 0.1
    assert (f() != first).all()
    srng.seed(4)
    assert (f() == first).all()
    assert T.raw_random.RandomStateType() == random_state_type


def test_names_are_where_theano_has_them() -> None:
    assert T.shared_randomstreams.RandomStreams is T.random.RandomStreams is RandomStreams
    assert symtensor.sandbox.rng_mrg.MRG_RandomStreams is MRG_RandomStreams
    srng = T.random.RandomStreams(1)
    assert srng.gen(T.raw_random.gamma, (3,), 2.0).eval().shape == (3,)
    assert srng.exponential((3,)).eval().min() > 0
