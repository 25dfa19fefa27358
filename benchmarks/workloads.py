"""What is measured: a record for each row of the table, and the data that all frameworks get.

A framework's module has a function for each ``function`` named here. It takes a `Data`, sizes and arrays as attributes,
and returns a callable without arguments that does one step, waits until its results are there and returns them; where
the step learns, it returns a pair: that callable, and one that returns the parameters in the order of ``start``.

To add a row (a convolution, say), add its record and its arrays here, and the function to each module that can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["ARRAYS", "FRAMEWORKS", "WORKLOADS", "Data", "Workload", "data_of", "named"]

FRAMEWORKS = ("symtensor", "numpy", "pytensor", "jax", "torch", "torch_compile")
FLOAT = 4  # bytes

Data = SimpleNamespace
Amount = Callable[[Any], float]


@dataclass(frozen=True)
class Workload:
    """A row of the table.

    function : its name in each framework's module, and in `ARRAYS`. sizes, tiny : the numbers it is measured with and
    tested with. flops : of its matrix products. traffic : the bytes that must come from memory and go there when
    everything else stays in caches. depth : floating-point operations that must follow one another. tolerance : of the
    results, relative to the largest one. learns : its steps change parameters, which began as ``start``. random :
    results agree in mean and deviation only. skip : frameworks that cannot do it, and why.
    """

    name: str
    title: str
    function: str
    sizes: Mapping[str, Any]
    tiny: Mapping[str, Any]
    flops: Amount = lambda w: 0
    traffic: Amount = lambda w: 0
    depth: Amount = lambda w: 0
    tolerance: float = 1e-3
    learns: bool = False
    random: bool = False
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> Data:
        return Data(**self.sizes)


def data_of(workload: Workload, tiny: bool = False, seed: int = 0) -> Data:
    """The sizes and arrays of a workload: the same for the same seed."""
    w = Data(**(workload.tiny if tiny else workload.sizes))
    ARRAYS[workload.function](np.random.default_rng(seed), w)
    return w


def named(name: str) -> Workload:
    """The workload of that name; KeyError lists them."""
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise KeyError(f"no workload {name!r}; there are {', '.join(w.name for w in WORKLOADS)}")


# ---- the arrays


def _uniform(rng: np.random.Generator, bound: float, *shape: int) -> np.ndarray:
    return (rng.random(shape, "float32") * np.float32(2 * bound)) - np.float32(bound)


def _glorot(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    return _uniform(rng, np.sqrt(6 / (n_in + n_out)), n_in, n_out)


def _integers(rng: np.random.Generator, limit: int, *shape: int) -> np.ndarray:
    return rng.integers(0, limit, shape, "int32")


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def _digits(rng: np.random.Generator, w: Data) -> None:
    w.images = rng.random((w.batches * w.batch, w.pixels), "float32")
    w.labels = _integers(rng, w.classes, w.batches * w.batch)
    w.start = {"W": _glorot(rng, w.hidden or w.pixels, w.classes), "b": _zeros(w.classes)}
    if w.hidden:
        w.start = {"W1": _glorot(rng, w.pixels, w.hidden), "b1": _zeros(w.hidden), **w.start}


def _running_sum(rng: np.random.Generator, w: Data) -> None:
    w.x = rng.random(w.steps, "float32")


def _char_rnn(rng: np.random.Generator, w: Data) -> None:
    w.x, w.y = _integers(rng, w.chars, w.steps), _integers(rng, w.chars, w.steps)
    w.h0 = _zeros(w.hidden)
    w.start = {"Wx": _glorot(rng, w.chars, w.hidden), "Wh": _glorot(rng, w.hidden, w.hidden), "b": _zeros(w.hidden),
               "Wy": _glorot(rng, w.hidden, w.chars), "by": _zeros(w.chars)}


def _lstm(rng: np.random.Generator, w: Data) -> None:
    w.x, w.y = (_integers(rng, w.words, w.steps, w.batch) for _ in range(2))
    w.h0, w.c0 = _zeros(w.batch, w.hidden), _zeros(w.batch, w.hidden)
    w.start = {name: _uniform(rng, 0.1, *shape) for name, shape in (
        ("E", (w.words, w.hidden)), ("Wx", (w.hidden, 4 * w.hidden)), ("Wh", (w.hidden, 4 * w.hidden)),
        ("b", (4 * w.hidden,)), ("Wy", (w.hidden, w.words)), ("by", (w.words,)))}  # gates: write, keep, new, read


def _cbow(rng: np.random.Generator, w: Data) -> None:
    w.contexts = _integers(rng, w.words, w.batches * w.batch, w.context)
    w.targets = _integers(rng, w.words, w.batches * w.batch)
    w.start = {"into": _uniform(rng, 0.1, w.words, w.dim), "out": _uniform(rng, 0.1, w.dim, w.words)}


def _normal(rng: np.random.Generator, w: Data) -> None:
    w.x = rng.standard_normal(w.shape, "float32")


def _positive(rng: np.random.Generator, w: Data) -> None:
    w.x = rng.random(w.shape, "float32")


def _weighted(rng: np.random.Generator, w: Data) -> None:
    _normal(rng, w)
    w.weights = rng.standard_normal(w.shape, "float32")
    w.gain, w.bias = rng.random(w.shape[-1], "float32"), rng.random(w.shape[-1], "float32")


def _permute(rng: np.random.Generator, w: Data) -> None:
    _normal(rng, w)
    w.y = rng.standard_normal([w.shape[axis] for axis in w.axes], "float32")


def _rows(rng: np.random.Generator, w: Data) -> None:
    w.start = {"table": _uniform(rng, 1, w.words, w.dim)}
    w.index, w.other = _integers(rng, w.words, w.count), _integers(rng, w.words, w.count)
    w.values = _uniform(rng, 1, w.count, w.dim)


def _rbm(rng: np.random.Generator, w: Data) -> None:
    w.data = (rng.random((w.batch, w.visible), "float32") < rng.random(w.visible, "float32")).astype("float32")
    w.start = {"W": 4 * _glorot(rng, w.visible, w.hidden), "a": _zeros(w.visible), "b": _zeros(w.hidden)}


def _scalar(rng: np.random.Generator, w: Data) -> None:
    w.x = np.asarray(1.5, "float32")


def _many_nodes(rng: np.random.Generator, w: Data) -> None:
    """Pairs of operations on the last result and one of those before it: tanh(a + b), tanh(a - b), cos(a * b)."""
    w.x = np.asarray(0.3, "float32")
    w.plan = list(zip(rng.integers(0, 3, w.nodes // 2).tolist(), rng.integers(2, 12, w.nodes // 2).tolist()))


ARRAYS: dict[str, Callable[[np.random.Generator, Data], None]] = {
    "digits": _digits, "running_sum": _running_sum, "char_rnn": _char_rnn, "lstm": _lstm, "cbow": _cbow,
    "chain": _normal, "chain_grad": _normal, "softmax": _normal, "softmax_grad": _weighted, "layer_norm": _weighted,
    "layer_norm_grad": _weighted, "total": _positive, "permute": _permute, "gather": _rows, "gather_dot": _rows,
    "scatter": _rows, "rbm": _rbm, "scalar": _scalar, "many_nodes": _many_nodes,
}

# ---- the rows


def _elements(w: Data) -> int:
    return int(np.prod(w.shape))


def _digits_flops(w: Data) -> float:
    if not w.hidden:
        return 2 * 2 * w.batch * w.pixels * w.classes
    return 2 * w.batch * w.hidden * (2 * w.pixels + 3 * w.classes)


def _lstm_flops(w: Data) -> float:
    return 3 * 2 * w.steps * w.batch * w.hidden * (4 * w.hidden + 4 * w.hidden + w.words)


def _lstm_traffic(w: Data) -> float:
    return 2 * FLOAT * (w.hidden * (8 * w.hidden + w.words + w.steps * w.batch) + w.words)


def _digits_row(name: str, title: str, hidden: int) -> Workload:
    return Workload(name, title, "digits",
                    {"batches": 4, "batch": 600, "pixels": 784, "hidden": hidden, "classes": 10, "rate": 0.13},
                    {"batches": 2, "batch": 5, "pixels": 7, "hidden": hidden and 4, "classes": 3, "rate": 0.13},
                    flops=_digits_flops, traffic=lambda w: FLOAT * w.pixels * (w.batch + 2 * w.hidden), learns=True)


def _rows_row(name: str, title: str, passes: int) -> Workload:
    return Workload(name, title, name, {"words": 50_000, "dim": 128, "count": 16_384},
                    {"words": 9, "dim": 3, "count": 8}, traffic=lambda w: passes * FLOAT * w.count * w.dim,
                    learns=name == "scatter")


def _wide_row(name: str, title: str, passes: int) -> Workload:
    return Workload(name, title, name, {"shape": (4096, 1024)}, {"shape": (3, 5)},
                    traffic=lambda w: passes * FLOAT * _elements(w))


def _total_row(name: str, shape: tuple[int, ...], axis: int | None) -> Workload:
    over = "everything" if axis is None else f"axis {axis}"
    return Workload(name, f"sum of {'x'.join(map(str, shape))} over {over}", "total", {"shape": shape, "axis": axis},
                    {"shape": (2, 3, 4)[:len(shape)], "axis": axis}, traffic=lambda w: FLOAT * _elements(w))


def _permute_row(name: str, title: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Workload:
    return Workload(name, title, "permute", {"shape": shape, "axes": axes},
                    {"shape": (2, 3, 4, 5)[:len(shape)], "axes": axes}, traffic=lambda w: 3 * FLOAT * _elements(w))


MATRIX, CUBE, IMAGES = (4096, 1024), (128, 256, 128), (32, 64, 56, 56)

WORKLOADS = (
    _digits_row("logreg", "logistic regression 784-10, batch 600: forward, backward, update", 0),
    _digits_row("mlp", "MLP 784-500-10, batch 600: forward, backward, update", 500),
    Workload("running_sum", "running sum with decay, 100,000 steps", "running_sum", {"steps": 100_000}, {"steps": 7},
             traffic=lambda w: 2 * FLOAT * w.steps, depth=lambda w: 2 * w.steps,
             skip={"torch_compile": "unrolls the loop"}),
    Workload("char_rnn", "character RNN, batch 1, 50 steps, hidden 100: forward, backward, update", "char_rnn",
             {"chars": 65, "hidden": 100, "steps": 50, "rate": 0.005},
             {"chars": 6, "hidden": 4, "steps": 5, "rate": 0.1},
             flops=lambda w: 6 * w.steps * w.hidden * (w.hidden + w.chars),
             traffic=lambda w: 2 * FLOAT * w.hidden * (w.hidden + 2 * w.chars), learns=True),
    Workload("lstm", "LSTM language model, 20 steps, batch 20, hidden 200, vocabulary 10,000: forward, backward, "
             "update", "lstm",
             {"steps": 20, "batch": 20, "hidden": 200, "words": 10_000, "rate": 0.1},
             {"steps": 3, "batch": 2, "hidden": 4, "words": 7, "rate": 1.0}, flops=_lstm_flops, traffic=_lstm_traffic,
             tolerance=1e-2, learns=True),
    Workload("cbow", "CBOW word2vec, vocabulary 50,000, dimension 128, batch 128, 4 context words: forward, backward, "
             "update", "cbow",
             {"words": 50_000, "dim": 128, "batch": 128, "context": 4, "batches": 4, "rate": 1.0},
             {"words": 11, "dim": 3, "batch": 4, "context": 2, "batches": 2, "rate": 1.0},
             flops=lambda w: 3 * 2 * w.batch * w.dim * w.words,
             traffic=lambda w: 2 * FLOAT * w.dim * (w.words + w.batch * w.context), tolerance=1e-2, learns=True),
    Workload("rbm", "RBM 784-500, batch 20, contrastive divergence with 15 steps of Gibbs sampling", "rbm",
             {"visible": 784, "hidden": 500, "batch": 20, "steps": 15, "rate": 0.1},
             {"visible": 40, "hidden": 30, "batch": 200, "steps": 3, "rate": 0.1},
             flops=lambda w: (2 * w.steps + 4) * 2 * w.batch * w.visible * w.hidden,
             traffic=lambda w: 2 * FLOAT * w.visible * w.hidden, tolerance=0.1, learns=True, random=True),
    Workload("chain", "elementwise chain over 1e6 floats", "chain", {"shape": (1_000_000,)}, {"shape": (5,)},
             traffic=lambda w: 2 * FLOAT * _elements(w)),
    Workload("chain_grad", "the chain's gradient", "chain_grad", {"shape": (1_000_000,)}, {"shape": (5,)},
             traffic=lambda w: 2 * FLOAT * _elements(w)),
    _wide_row("softmax", "softmax over the rows of 4096x1024", 2),
    _wide_row("softmax_grad", "gradient of a weighted sum of it", 3),
    _wide_row("layer_norm", "layer norm over the rows of 4096x1024", 2),
    _wide_row("layer_norm_grad", "gradient of a weighted sum of it, for input, gain and bias", 3),
    _total_row("sum", MATRIX, None),
    _total_row("sum_rows", MATRIX, 1),
    _total_row("sum_columns", MATRIX, 0),
    _total_row("sum_3d_0", CUBE, 0),
    _total_row("sum_3d_1", CUBE, 1),
    _total_row("sum_3d_2", CUBE, 2),
    _rows_row("gather", "16,384 rows of a table of 50,000x128", 2),
    _rows_row("gather_dot", "products of 16,384 pairs of its rows", 2),
    _rows_row("scatter", "16,384 rows added to it in place", 3),
    _permute_row("transpose", "matrix 2048x2048 plus the transpose of another", (2048, 2048), (1, 0)),
    _permute_row("permute", "images 32x64x56x56, channels last, plus others", IMAGES, (0, 2, 3, 1)),
    Workload("scalar", "x + 1 on a scalar: the cost of a call", "scalar", {}, {}),
    Workload("many_nodes", "graph of 10,000 scalar operations", "many_nodes", {"nodes": 10_000}, {"nodes": 40},
             depth=lambda w: w.nodes),
)
