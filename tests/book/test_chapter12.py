"""The restricted Boltzmann machine, its chains of Gibbs steps, and the adversarial cost of the book's twelfth
chapter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import function, shared
from symtensor.tensor.shared_randomstreams import RandomStreams

VISIBLE, HIDDEN = 4, 3


@pytest.fixture
def machine():
    rng = np.random.RandomState(0)
    return (shared(rng.standard_normal((VISIBLE, HIDDEN)), "W"), shared(rng.standard_normal(HIDDEN), "hbias"),
            shared(rng.standard_normal(VISIBLE), "vbias"))


def free_energy(sample, w, hbias, vbias):
    return -T.sum(T.log(1 + T.exp(T.dot(sample, w) + hbias)), axis=1) - T.dot(sample, vbias)


STATES = np.array(list(itertools.product([0.0, 1.0], repeat=VISIBLE)))
"""Every state of the visible units."""


def test_free_energy_sums_the_hidden_units_out(machine):
    w, hbias, vbias = (p.get_value() for p in machine)
    hidden = np.array(list(itertools.product([0.0, 1.0], repeat=HIDDEN)))
    energies = STATES @ w @ hidden.T + (hidden @ hbias)[None] + (STATES @ vbias)[:, None]
    v = T.matrix()
    found = function([v], free_energy(v, *machine))
    np.testing.assert_allclose(found(STATES), -np.log(np.exp(energies).sum(1)), rtol=1e-12)
    machine[1].set_value(hbias + 1000)  # log(1 + exp) does not overflow
    assert np.isfinite(found(STATES)).all()


def test_gibbs_step_leaves_the_distribution_as_it_is(machine):
    w, hbias, vbias = machine
    streams, v = RandomStreams(1), T.matrix("v")
    h_mean = T.nnet.sigmoid(T.dot(v, w) + hbias)
    h = streams.binomial(size=h_mean.shape, n=1, p=h_mean, dtype=symtensor.config.floatX)
    v_mean = T.nnet.sigmoid(T.dot(h, w.T) + vbias)
    step = function([v], streams.binomial(size=v_mean.shape, n=1, p=v_mean, dtype=symtensor.config.floatX))
    x = T.matrix()
    weights = np.exp(-function([x], free_energy(x, *machine))(STATES))
    chances = weights / weights.sum()
    start = STATES[np.random.RandomState(2).choice(len(STATES), 20000, p=chances)]
    codes = (step(start) @ [8, 4, 2, 1]).astype(int)
    counts = np.bincount(codes, minlength=16)
    assert (np.abs(counts / 20000 - chances) < 5 * np.sqrt(chances / 20000) + 1e-3).all()


def gibbs_chain(machine, streams, start, steps):
    """The values of all steps of a chain from hidden units and back to them, and the updates of the streams."""
    w, hbias, vbias = machine

    def drawn(states, weights, bias):
        before = T.dot(states, weights) + bias
        mean = T.nnet.sigmoid(before)
        return [before, mean, streams.binomial(size=mean.shape, n=1, p=mean, dtype=symtensor.config.floatX)]

    def step(hidden):
        visible = drawn(hidden, w.T, vbias)
        return [*visible, *drawn(visible[-1], w, hbias)]

    return symtensor.scan(step, outputs_info=[None, None, None, None, None, start], n_steps=steps, name="gibbs")


def test_chain(machine):
    """Every step draws anew, from the state before; every call draws anew; the seed says which; C draws the same."""
    w, hbias, vbias = (p.get_value() for p in machine)
    start, found = np.ones((50, HIDDEN)), []
    for linker in ("py", "c"):
        chain, updates = gibbs_chain(machine, RandomStreams(5), T.constant(start), 4)
        with symtensor.config.change_flags(linker=linker):
            f = function([], chain, updates=updates)
        found.append([f(), f()])
    for a, b in zip(*([each for call in calls for each in call] for calls in found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    (_, v_mean, v, _, h_mean, h), again = found[1]
    assert set(v.flat) | set(h.flat) == {0.0, 1.0}
    assert all((v[k] != v[k + 1]).any() for k in range(3))
    assert (h != again[5]).any()
    for k in range(4):
        before = start if k == 0 else h[k - 1]
        np.testing.assert_allclose(v_mean[k], 1 / (1 + np.exp(-(before @ w.T + vbias))), rtol=1e-9)
        np.testing.assert_allclose(h_mean[k], 1 / (1 + np.exp(-(v[k] @ w + hbias))), rtol=1e-9)


def test_chain_of_many_steps_reaches_the_distribution(machine):
    """From one state everywhere; the share of each visible state is then that of the free energy."""
    steps = T.lscalar()
    chain, updates = gibbs_chain(machine, RandomStreams(3), T.zeros((20000, HIDDEN)), steps)
    codes = (function([steps], chain[2][-1], updates=updates)(40) @ [8, 4, 2, 1]).astype(int)
    x = T.matrix()
    weights = np.exp(-function([x], free_energy(x, *machine))(STATES))
    chances = weights / weights.sum()
    counts = np.bincount(codes, minlength=16)
    assert (np.abs(counts / 20000 - chances) < 5 * np.sqrt(chances / 20000) + 1e-3).all()


@pytest.mark.parametrize("persistent", [True, False])
def test_learning_by_chains(machine, persistent):
    """Contrastive divergence, from a chain that goes on from call to call or from the data: the likelihood of the
    data, exact by the sum over all states, grows."""
    x, rows = T.matrix("x"), np.repeat([[1.0, 1, 0, 0], [0, 0, 1, 1]], 20, axis=0)
    particles = shared(np.zeros((len(rows), HIDDEN)))
    start = particles if persistent else T.cast(T.gt(T.dot(x, machine[0]) + machine[1], 0), "float64")
    chain, updates = gibbs_chain(machine, RandomStreams(11), start, 5)
    end = chain[2][-1]
    cost = T.mean(free_energy(x, *machine)) - T.mean(free_energy(end, *machine))
    for p, g in zip(machine, T.grad(cost, list(machine), consider_constant=[end]), strict=True):
        updates[p] = p - 0.3 * g
    if persistent:
        updates[particles] = chain[5][-1]
    before = chain[0][-1]  # the reconstruction of the data by the pre-activation, as a monitor
    monitor = T.mean(T.sum(x * T.log(T.nnet.sigmoid(before)) + (1 - x) * T.log(1 - T.nnet.sigmoid(before)), axis=1))
    train = function([x], monitor, updates=updates)

    def likelihood():
        energies = function([x], free_energy(x, *machine))
        return float(-energies(rows).mean() - np.log(np.exp(-energies(STATES)).sum()))

    first = likelihood()
    seen = [float(train(rows)) for _ in range(300)]
    assert np.isfinite(seen).all()
    assert likelihood() > max(first + 0.3, -1.2)  # two equal patterns: at most log 1/2
    if persistent:
        assert set(particles.get_value().flat) <= {0.0, 1.0}


def test_contrastive_divergence(machine):
    """The end of the chain counts as constant: the gradient is the difference of two statistics."""
    w, hbias, vbias = machine
    x, end = T.matrix("x"), T.matrix("end")
    negative = symtensor.gradient.disconnected_grad(end * w.sum() / w.sum())
    cost = T.mean(free_energy(x, *machine)) - T.mean(free_energy(negative, *machine))
    found = function([x, end], T.grad(cost, list(machine)))(STATES[:5], STATES[5:10])
    by_argument = T.grad(T.mean(free_energy(x, *machine)) - T.mean(free_energy(end, *machine)), list(machine),
                         consider_constant=[end])
    for value, other in zip(found, function([x, end], by_argument)(STATES[:5], STATES[5:10]), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-12)

    def hidden(v):
        return 1 / (1 + np.exp(-(v @ w.get_value() + hbias.get_value())))

    statistics = [STATES[k].T @ hidden(STATES[k]) / 5 for k in (slice(0, 5), slice(5, 10))]
    np.testing.assert_allclose(found[0], statistics[1] - statistics[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[2], STATES[5:10].mean(0) - STATES[:5].mean(0), atol=1e-12)


def test_conditions_and_adversarial_costs():
    """Labels as more columns, and the two costs of the players."""
    x, y, z = T.matrix(), T.matrix(), T.matrix()
    w, g = shared(np.full((5, 1), 0.5)), shared(np.full((2, 3), 0.25))
    real = T.nnet.sigmoid(T.dot(T.concatenate([x, y], axis=1), w))
    fake = T.nnet.sigmoid(T.dot(T.concatenate([T.nnet.relu(T.dot(z, g)), y], axis=1), w))
    generator = T.nnet.binary_crossentropy(fake, T.ones(fake.shape)).mean()
    critic = (T.nnet.binary_crossentropy(real, T.ones(real.shape)).mean()
              + T.nnet.binary_crossentropy(fake, T.zeros(fake.shape)).mean())
    play = function([x, y, z], [generator, critic, T.grad(generator, g), T.grad(critic, w)])
    one, label, noise = np.ones((1, 3)), np.array([[1.0, 0.0]]), np.array([[2.0, 2.0]])

    def s(t):
        return 1 / (1 + np.exp(-t))

    found = play(one, label, noise)  # both see three ones and a label: 2 before the sigmoid
    np.testing.assert_allclose(found[:2], [-np.log(s(2)), -np.log(s(2)) - np.log(1 - s(2))], rtol=1e-12)
    np.testing.assert_allclose(found[2], np.full((2, 3), (s(2) - 1) * 0.5 * 2), rtol=1e-12)
    np.testing.assert_allclose(found[3].ravel(), (2 * s(2) - 1) * np.array([1, 1, 1, 1, 0]), atol=1e-12)
