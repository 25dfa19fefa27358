"""Word-level language models on the Penn Treebank: a stacked LSTM, and a recurrent highway network.

    python examples/ptb_language_model.py                                 # LSTM, the small setting of Zaremba et al.
    python examples/ptb_language_model.py --model rhn
    python examples/ptb_language_model.py --words 200000 --hidden 100     # some minutes, and it shows learning

LSTM: after Zaremba, Sutskever and Vinyals (2014), dropout between the layers only. Highway network: after Zilly et al.
(2017), several highway layers inside one step of time, the same dropout mask for all steps of a piece (Gal and
Ghahramani 2016), input and output weights shared. Prints the perplexity of training and validation after each
epoch, and that of the test set at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from datasets import Text, load_treebank
from recurrent import Cell, Parameters, clipped, in_rows, lstm
from tqdm import tqdm

import symtensor
from symtensor import tensor as T

symtensor.config.floatX = "float32"
Variable = T.TensorVariable


class Model(NamedTuple):
    """How a piece of text (steps, rows) is read: ``read(x, states, masks) -> (outputs, states after)``.

    masks : the shapes of the dropout masks for a piece, given its numbers of steps and rows. states : their widths.
    """

    read: Callable[[Variable, list[Variable], list[Variable]], tuple[Variable, list[Variable]]]
    out: Variable
    bias: Variable
    masks: Callable[[int, int], list[tuple[int, ...]]]
    states: list[int]


def stacked_lstm(p: Parameters, words: int, n: int, layers: int) -> Model:
    """LSTM layers above each other; each is one loop over all steps, dropout between them."""
    table = p.weights("words", words, n)
    cells: list[Cell] = [lstm(p, f"lstm{k}", n, n) for k in range(layers)]

    def read(x: Variable, states: list[Variable], masks: list[Variable]) -> tuple[Variable, list[Variable]]:
        value, after = table[x], []
        for k, cell in enumerate(cells):
            inputs = T.dot(value * masks[k], cell.project) if masks else T.dot(value, cell.project)
            found, _ = symtensor.scan(cell.step, inputs, states[2 * k:2 * k + 2], name=f"lstm{k}")
            value = found[0]
            after += [state[-1] for state in found]
        return (value * masks[-1] if masks else value), after

    return Model(read, p.weights("out.W", n, words), p.bias("out.b", words),
                 lambda steps, rows: [(steps, rows, n)] * (layers + 1), [n] * (2 * layers))


def highway(p: Parameters, words: int, n: int, depth: int) -> Model:
    """A recurrent highway network: ``depth`` highway layers a step, transform and carry gates coupled."""
    table = p.weights("words", words, n)
    W = p.weights("rhn.W", n, 2 * n)
    inner = [(p.weights(f"rhn.R{k}", n, 2 * n), p.bias(f"rhn.b{k}", 2 * n)) for k in range(depth)]
    for _, b in inner:
        b.set_value(np.repeat(np.float32([0, -2]), n))  # carry, at first

    def step(x: Variable, s: Variable, *mask: Variable) -> Variable:
        for k, (R, b) in enumerate(inner):
            both = T.dot(s * mask[0] if mask else s, R) + b
            both = both + x if k == 0 else both
            gate = T.nnet.sigmoid(both[:, n:])
            s = T.tanh(both[:, :n]) * gate + s * (1 - gate)
        return s

    def read(x: Variable, states: list[Variable], masks: list[Variable]) -> tuple[Variable, list[Variable]]:
        value = table[x] * masks[0].dimshuffle("x", 0, 1) if masks else table[x]
        found, _ = symtensor.scan(step, T.dot(value, W), states, masks[1:2], name="rhn")
        return (found * masks[2].dimshuffle("x", 0, 1) if masks else found), [found[-1]]

    return Model(read, table.T, p.bias("out.b", words), lambda _, rows: [(rows, n)] * 3, [n])


MODELS = {"lstm": stacked_lstm, "rhn": highway}


def loss_of(model: Model, hidden: int, x: Variable, y: Variable, states: list[Variable],
            masks: list[Variable]) -> tuple[Variable, list[Variable]]:
    """The mean negative log-likelihood of the words, and the states after the last step."""
    value, after = model.read(x, states, masks)
    chances = T.nnet.softmax(T.dot(value.reshape((-1, hidden)), model.out) + model.bias)
    return T.nnet.categorical_crossentropy(chances, y.flatten()).mean(), after


class Trainer:
    """The compiled functions of a model, and the states that go on from piece to piece."""

    def __init__(self, model: Model, parameters: Parameters, options: argparse.Namespace) -> None:
        self.model, self.options = model, options
        self.rng = np.random.default_rng(3)
        x, y, rate = T.imatrix("x"), T.imatrix("y"), T.scalar("rate")
        self.states = [symtensor.shared(np.zeros((options.batch, n), "float32"), name="state") for n in model.states]
        self.masks = [T.tensor("float32", (None,) * len(shape)) for shape in model.masks(1, 1)]
        if options.dropout == 0:
            self.masks = []
        loss, after = loss_of(model, options.hidden, x, y, self.states, self.masks)
        carried = list(zip(self.states, after, strict=True))
        gradients = clipped(T.grad(loss * x.shape[0].astype("float32"), parameters.all), options.clip)  # a row's sum
        moves = [(p, p - rate * g) for p, g in zip(parameters.all, gradients, strict=True)]
        self.step = symtensor.function([x, y, rate, *self.masks], loss, updates=[*moves, *carried])
        plain, after = loss_of(model, options.hidden, x, y, self.states, [])
        self.check = symtensor.function([x, y], plain, updates=list(zip(self.states, after, strict=True)))

    def drawn(self, steps: int) -> list[np.ndarray]:
        """Dropout masks for a piece."""
        keep = np.float32(1 - self.options.dropout)
        shapes = self.model.masks(steps, self.options.batch)[:len(self.masks)]
        return [(self.rng.random(shape, "float32") < keep) / keep for shape in shapes]

    def perplexity(self, ids: np.ndarray, rate: float | None, label: str) -> float:
        """One pass through a text, learning at ``rate`` where there is one."""
        rows = in_rows(ids, self.options.batch)
        for state in self.states:
            state.set_value(np.zeros_like(state.get_value()))
        total, count = 0.0, 0
        starts = range(0, len(rows) - 1, self.options.steps)
        with tqdm(starts, desc=label, unit="piece", ncols=100, leave=False,
                  mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
            for start in bar:
                piece = rows[start:start + self.options.steps + 1]
                x, y = piece[:-1], piece[1:]
                loss = self.check(x, y) if rate is None else self.step(x, y, np.float32(rate), *self.drawn(len(x)))
                total, count = total + float(loss) * y.size, count + y.size
                bar.set_postfix_str(f"perplexity {np.exp(total / count):.1f}", refresh=False)
        return float(np.exp(total / count))


def fewer_words(data: Text, words: int, vocabulary: int) -> Text:
    """The first ``words`` words, and of the vocabulary the commonest, the rest as <unk>."""
    train = data.train[:words]
    if vocabulary >= len(data.symbols):
        return Text(data.name, data.symbols, train, data.valid, data.test)
    counts = np.bincount(train, minlength=len(data.symbols))
    unknown = data.symbols.index("<unk>")
    counts[unknown] = counts.max() + 1
    kept = np.argsort(-counts, kind="stable")[:vocabulary]
    number = np.zeros(len(data.symbols), "int32")  # <unk> is the commonest: 0
    number[kept] = np.arange(vocabulary)
    return Text(data.name, [data.symbols[k] for k in kept], *(number[part] for part in (train, data.valid, data.test)))


def main() -> None:
    """Train, and report perplexities."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with ptb.train.txt, ptb.valid.txt, ptb.test.txt, gzipped or not")
    parser.add_argument("--model", choices=list(MODELS), default="lstm")
    parser.add_argument("--hidden", type=int, default=200)
    parser.add_argument("--layers", type=int, help="of the LSTM (2), or inside a step of the highway network (4)")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20, help="words that a gradient goes back through")
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--words", type=int, default=10**9, help="train on the first so many words only")
    parser.add_argument("--vocabulary", type=int, default=10**9, help="keep only the commonest words")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--decay", type=float, default=0.5, help="the factor on the rate for each epoch after --flat")
    parser.add_argument("--flat", type=int, default=4, help="epochs before the rate falls")
    parser.add_argument("--clip", type=float, default=5.0, help="the largest norm of a gradient")
    parser.add_argument("--dropout", type=float, default=0.2)
    options = parser.parse_args()
    data = fewer_words(load_treebank(options.data), options.words, options.vocabulary)
    layers = options.layers or {"lstm": 2, "rhn": 4}[options.model]
    parameters = Parameters(np.random.default_rng(1))
    model = MODELS[options.model](parameters, len(data.symbols), options.hidden, layers)
    print(f"{data.name}: {len(data.train)} words to train, {len(data.symbols)} distinct; {options.model} with {layers} "
          f"layers of {options.hidden}, {parameters.count} parameters")
    trainer = Trainer(model, parameters, options)
    for epoch in range(1, options.epochs + 1):
        began, rate = time.perf_counter(), options.rate * options.decay**max(0, epoch - options.flat)
        trained = trainer.perplexity(data.train, rate, f"epoch {epoch}")
        print(f"epoch {epoch:2}: rate {rate:.3f}, perplexity {trained:.1f}, validation "
              f"{trainer.perplexity(data.valid, None, 'validation'):.1f}, {time.perf_counter() - began:.0f} s",
              flush=True)
    print(f"test perplexity {trainer.perplexity(data.test, None, 'test'):.1f}")


if __name__ == "__main__":
    main()
