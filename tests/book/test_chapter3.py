"""The continuous bag of words of the book's third chapter: lookups by matrices of indices, their gradients, a data
set in shared variables, similarities, and parameters in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import symtensor.tensor as T
from symtensor import config, function, shared

VOCABULARY, SIZE, BATCH, CONTEXT = 30, 6, 8, 4


@pytest.fixture
def words():
    rng = np.random.RandomState(0)
    contexts = rng.randint(0, VOCABULARY, (64, CONTEXT)).astype("int32")
    return contexts, ((contexts.sum(1) + 1) % VOCABULARY).astype("int32")


@pytest.fixture
def params():
    rng = np.random.RandomState(1)
    w_in = rng.uniform(-1, 1, (VOCABULARY, SIZE)).astype("float32")
    return [shared(w_in, "W_in"), shared(rng.uniform(-1, 1, (SIZE, VOCABULARY)).astype("float32"), "W_out")]


def test_training_and_its_gradient(words, params):
    with config.change_flags(floatX="float32"):
        context, target, index = T.imatrix(name="context"), T.ivector("target"), T.lscalar("index")
        w_in, w_out = params
        scores = T.dot(T.mean(w_in[context], axis=1), w_out)
        likely = T.nnet.softmax(scores)
        loss = -T.mean(T.log(likely)[T.arange(target.shape[0]), target])
        slopes = T.grad(cost=loss, wrt=params)
        contexts, targets = shared(words[0]), shared(words[1])
        part = slice(index * BATCH, (index + 1) * BATCH)
        updates = [(param, param - np.float32(0.5) * slope) for param, slope in zip(params, slopes, strict=True)]
        givens = {context: contexts[part], target: targets[part]}
        train = function(inputs=[index], outputs=[loss], updates=updates, givens=givens)
        slope_in = function([index], slopes[0], givens=givens)(0)
    np.testing.assert_allclose(slope_in, by_hand(words, params), rtol=1e-4, atol=1e-7)
    losses = [train(i % 8)[0] for i in range(400)]
    assert losses[0].dtype == np.float32
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:8])


def by_hand(words, params):
    """The gradient of the input embedding: rows of words that occur again add up."""
    w_in, w_out = (p.get_value().astype("float64") for p in params)
    context, target = words[0][:BATCH], words[1][:BATCH]
    scores = w_in[context].mean(1) @ w_out
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(BATCH), target] -= 1
    slope = np.zeros_like(w_in)
    np.add.at(slope, context, ((p / BATCH) @ w_out.T / CONTEXT)[:, None, :])
    return slope


def test_transposed_probabilities_are_indexed_as_numpy_does(params):
    """The chapter transposes the softmax first: rows are then words."""
    context, target = T.imatrix(), T.ivector()
    likely = T.nnet.softmax(T.dot(T.mean(params[0][context], axis=1), params[1])).dimshuffle(1, 0)
    both = function([context, target], [likely, likely[T.arange(target.shape[0]), target]])
    rows, picked = both(np.arange(12, dtype="int32").reshape(3, 4), np.array([0, 2, 1], "int32"))
    assert rows.shape == (VOCABULARY, 3)
    np.testing.assert_array_equal(picked, rows[np.arange(3), [0, 2, 1]])


def test_similarity(params):
    valid = T.ivector("valid_samples")
    norm = T.sqrt(T.sum(T.sqr(params[0]), axis=1, keepdims=True))
    normalized = params[0] / norm
    similarity = function([valid], T.dot(normalized[valid], normalized.T))(np.array([3, 5], "int32"))
    np.testing.assert_allclose(similarity[[0, 1], [3, 5]], 1, rtol=1e-6)
    assert similarity.argmax(1).tolist() == [3, 5]


def test_parameters_in_a_file(params, tmp_path: Path):
    file = tmp_path / "model.npz"
    np.savez(file, *[p.get_value() for p in params])
    kept = [p.get_value() for p in params]
    for p in params:
        p.set_value(p.get_value() * 0)
    stored = np.load(file)
    for i, p in enumerate(params):
        p.set_value(stored[f"arr_{i}"])
    for p, value in zip(params, kept, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
