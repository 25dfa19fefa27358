"""What the derivative tests share: graphs of many kinds, of positive float64 inputs, and small helpers."""

from __future__ import annotations

import numpy as np

from symtensor import tensor as T
from symtensor.autodiff.verify import evaluate
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply
from symtensor.graph.walk import toposort


def value(variable, **givens):
    """The value of a variable, given those of the named leaves it needs."""
    leaves = {v.name: v for node in toposort([variable]) for v in node.inputs if v.owner is None}
    leaves.setdefault(variable.name, variable)
    return evaluate([variable], {leaves[k]: np.asarray(v) for k, v in givens.items() if k in leaves})[0]


def unary(name, gradient, ndim=1, **methods):
    """An op on float64 tensors that doubles; its gradient is the function given."""

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] * 2

    fields = {"make_node": make_node, "perform": perform, "__props__": (), **methods}
    if gradient is not None:
        fields["grad"] = gradient
    return type(name, (Op,), fields)()


def draw(rng, shape):
    """Positive numbers, no two of them close, so that differences do not step over a kink of `max`."""
    size = int(np.prod(shape))
    numbers = np.linspace(0.3, 1.7, size + 2)[1:-1] + rng.uniform(-0.2, 0.2, size) / (size + 1)
    return rng.permutation(numbers).reshape(shape)


def _mlp(x, w, b, v):
    return T.nnet.softmax(T.dot(T.tanh(T.dot(x, w) + b), v))


def _labels(x):
    return T.cast(T.arange(x.shape[0]) % x.shape[1], "int64")


def _nll(x, w, b):
    p = T.nnet.softmax(T.dot(x, w) + b)
    return -T.mean(T.log(p)[T.arange(x.shape[0]), _labels(p)])


INDEX = np.array([2, 0, 2])

GRAPHS = {
    "identity": (lambda x: x, [(3,)]),
    "arithmetic": (lambda x, y: (x + 2.0) * y - x / y + x**2, [(3,), (3,)]),
    "broadcast row": (lambda x, y: x * y, [(3, 4), (4,)]),
    "broadcast both": (lambda x, y: x / (y + x), [(3, 1), (1, 4)]),
    "broadcast scalar": (lambda x, y: x**y, [(3, 2), ()]),
    "three ranks": (lambda x, y, z: x * y + z, [(2, 1, 3), (4, 1), (3,)]),
    "functions": (lambda x: T.exp(T.sin(x)) * T.log(x) + T.sqrt(x) * T.tanh(x) + T.nnet.sigmoid(x), [(4,)]),
    "switch": (lambda x, y: T.switch(x > 1.0, x * y, y**2), [(5,), (5,)]),
    "maximum": (lambda x, y: T.maximum(x, y) * T.minimum(x, 2 * y), [(3, 2), (3, 1)]),
    "clip": (lambda x: T.clip(x, 0.5, 1.5) * x, [(6,)]),
    "sum all": (lambda x: x.sum() ** 2, [(2, 3)]),
    "sum axis": (lambda x: (x * x).sum(axis=0), [(2, 3)]),
    "sum keepdims": (lambda x: x / x.sum(axis=1, keepdims=True), [(2, 3)]),
    "mean var": (lambda x: x.mean(axis=0) / T.sqrt(x.var(axis=0)), [(4, 3)]),
    "prod": (lambda x: T.prod(x, axis=1), [(2, 3)]),
    "max": (lambda x: x.max(axis=1) * x.min(), [(2, 3)]),
    "max and argmax": (lambda x: T.max_and_argmax(x, axis=1)[0], [(2, 3)]),
    "dot mm": (T.dot, [(2, 3), (3, 4)]),
    "dot mv": (T.dot, [(2, 3), (3,)]),
    "dot vm": (T.dot, [(3,), (3, 4)]),
    "dot vv": (T.dot, [(3,), (3,)]),
    "dot transposed": (lambda x, y: T.dot(x.T, y), [(3, 2), (3, 4)]),
    "outer": (T.outer, [(2,), (3,)]),
    "tensordot": (lambda x, y: T.tensordot(x, y, axes=[[1], [0]]), [(2, 3), (3, 2, 2)]),
    "batched dot": (T.batched_dot, [(2, 3, 4), (2, 4, 2)]),
    "dimshuffle": (lambda x: x.dimshuffle(1, "x", 0) ** 2, [(2, 3)]),
    "transpose": (lambda x: T.exp(x.T), [(2, 3)]),
    "reshape": (lambda x: x.reshape((3, -1)) ** 2, [(2, 3)]),
    "flatten": (lambda x: x.flatten() * x.flatten()[0], [(2, 3)]),
    "slice": (lambda x: x[1:, ::2] ** 2, [(3, 5)]),
    "negative step": (lambda x: x[::-1, 1] * x[:, 0], [(3, 4)]),
    "element": (lambda x: x[1] * x[-1], [(4,)]),
    "take": (lambda x: x[INDEX] ** 2, [(4,)]),
    "take rows": (lambda x: T.exp(x[INDEX]), [(4, 2)]),
    "pick": (lambda x: x[T.arange(3), INDEX] ** 2, [(3, 3)]),
    "set subtensor": (lambda x, y: T.set_subtensor(x[1:3], y) ** 2, [(4,), (2,)]),
    "inc subtensor": (lambda x, y: T.inc_subtensor(x[:, 0], y) ** 2, [(3, 2), (3,)]),
    "inc rows": (lambda x, y: T.inc_subtensor(x[INDEX], y) ** 2, [(4, 2), (3, 2)]),
    "join": (lambda x, y: T.concatenate([x, y, x * y[:2]], axis=0) ** 2, [(2, 3), (3, 3)]),
    "stack": (lambda x, y: T.stack([x, x * y], axis=1), [(3,), (3,)]),
    "alloc": (lambda x: T.alloc(x, 2, 3) ** 2, [(3,)]),
    "fill": (lambda x, y: T.ones_like(x) * y, [(2, 3), ()]),
    "softmax": (lambda x: T.nnet.softmax(x) ** 2, [(2, 3)]),
    "log softmax": (lambda x: T.log(T.nnet.softmax(x)), [(2, 3)]),
    "softplus": (lambda x: T.nnet.softplus(x) * T.nnet.relu(x - 1.0), [(5,)]),
    "crossentropy": (lambda x: T.nnet.categorical_crossentropy(T.nnet.softmax(x), _labels(x)), [(4, 3)]),
    "binary crossentropy": (lambda x: T.nnet.binary_crossentropy(T.nnet.sigmoid(x), 0.3), [(4,)]),
    "logistic regression": (_nll, [(4, 3), (3, 5), (5,)]),
    "mlp": (_mlp, [(2, 3), (3, 4), (4,), (4, 2)]),
    "norm": (lambda x: T.sqrt(T.sqr(x).sum(axis=0)), [(3, 2)]),
    "cumulative use": (lambda x: x * x.sum() + x.max() * T.dot(x, x), [(4,)]),
    "empty": (lambda x: (x * 2).sum(axis=0), [(0, 3)]),
}
