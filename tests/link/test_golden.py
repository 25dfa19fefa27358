"""The whole C text of small programs, without the preamble, as the pipeline makes it: read it to see what fusion does.

    SYMTENSOR_WRITE_GOLDEN=1 python -m pytest tests/link/test_golden.py

writes the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from symtensor import grad
from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.link.native import emit
from symtensor.optimize.pipeline import optimize

GOLDEN = Path(__file__).parent.parent / "golden"


def softmax_of_columns():
    x, b = T.fmatrix("x"), T.fvector("b")
    return [x, b], [T.nnet.softmax(x + b, axis=0)], {}


def normalization():
    """One pass over each row; the scale's gradient comes behind, from the row's mean and deviation."""
    x, scale, g = T.fmatrix("x"), T.fvector("scale"), T.fmatrix("g")
    centered = x - x.mean(axis=1, keepdims=True)
    y = centered / T.sqrt(T.sqr(centered).mean(axis=1, keepdims=True) + np.float32(1e-5)) * scale
    return [x, scale, g], grad(None, [x, scale], known_grads={y: g}), {}


def classifier_loss():
    """The loss and its gradient by the logits, bias included."""
    x, b, y = T.fmatrix("x"), T.fvector("b"), T.ivector("y")
    loss = T.nnet.crossentropy_categorical_1hot(T.nnet.softmax(x + b), y).mean()
    return [x, b, y], [loss, T.grad(loss, x)], {}


def embedding_step():
    """Rows of a table are read, and changed where they lie."""
    table, at, g, rate = T.fmatrix("table"), T.ivector("at"), T.fmatrix("g"), T.fscalar("rate")
    change = grad(None, table, known_grads={T.tanh(table[at]): g})
    return [table, at, g, rate], [table - rate * change], {0: 0}


def adam():
    """Three arrays of two parameters each."""
    rate, inputs, outputs = T.fscalar("rate"), [], []
    for make in (T.fmatrix, T.fvector):
        p, m, v, g = (make(name) for name in "pmvg")
        m1, v1 = np.float32(0.9) * m + np.float32(0.1) * g, np.float32(0.999) * v + np.float32(0.001) * T.sqr(g)
        inputs += [p, m, v, g]
        outputs += [p - rate * m1 / (T.sqrt(v1) + np.float32(1e-8)), m1, v1]
    return [*inputs, rate], outputs, {0: 0, 1: 1, 2: 2, 3: 4, 4: 5, 5: 6}


PROGRAMS = [softmax_of_columns, normalization, classifier_loss, embedding_step, adam]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_text(program):
    inputs, outputs, updates = program()
    text = emit(optimize(FunctionGraph.build(inputs, outputs))[0], updates).text
    path = GOLDEN / f"{program.__name__}.c"
    if os.environ.get("SYMTENSOR_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
