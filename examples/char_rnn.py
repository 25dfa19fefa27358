"""A recurrent network learns to write, character by character.

    python examples/char_rnn.py                      # Tiny Shakespeare, LSTM
    python examples/char_rnn.py --cell gru --hidden 256 --epochs 5

Training reads the text in parallel rows, `--steps` characters at a time, the state going on from piece to piece;
the gradient goes back through all steps of a piece. Sampling is a loop inside the compiled program too: each
step draws a character from what the network expects next, and feeds it back. Prints samples while it learns, and the
validation loss in bits per character.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from datasets import Text, load_shakespeare
from recurrent import CELLS, Cell, Parameters, adam, clipped, in_rows
from tqdm import tqdm

import symtensor
from symtensor import tensor as T

symtensor.config.floatX = "float32"
FRESH = 10  # after so many pieces states start from zeros: the writer will start from them too


class Network(NamedTuple):
    """One recurrent layer between characters: the first weights are rows by character, the last ones scores."""

    cell: Cell
    out: T.TensorSharedVariable
    bias: T.TensorSharedVariable
    parameters: Parameters
    hidden: int


def network(kind: str, symbols: int, hidden: int) -> Network:
    """A network with random weights."""
    p = Parameters(np.random.default_rng(1))
    return Network(CELLS[kind](p, kind, symbols, hidden), p.weights("out.W", hidden, symbols),
                   p.bias("out.b", symbols), p, hidden)


def loss_of(net: Network, x: T.TensorVariable, y: T.TensorVariable,
            states: list[T.TensorVariable]) -> tuple[T.TensorVariable, list[T.TensorVariable]]:
    """The mean loss in bits for characters (steps, rows), and the states after the last step."""
    found, _ = symtensor.scan(net.cell.step, net.cell.project[x], states, return_list=True)
    hidden = found[0].reshape((-1, net.hidden))
    chances = T.nnet.softmax(T.dot(hidden, net.out) + net.bias)
    loss = T.nnet.categorical_crossentropy(chances, y.flatten()).mean() / np.float32(np.log(2))
    return loss, [state[-1] for state in found]


def writer(net: Network, symbols: int) -> Callable[..., Any]:
    """A function that writes: of the first character, a random number in 0..1 for each step, and the temperature."""
    draws, first, heat = T.vector("draws"), T.iscalar("first"), T.scalar("heat")
    upto = np.triu(np.ones((symbols, symbols), "float32"))

    def step(draw: T.TensorVariable, before: T.TensorVariable, *states: T.TensorVariable) -> list[T.TensorVariable]:
        states = net.cell.step(net.cell.project[before].dimshuffle("x", 0), *states)
        chances = T.nnet.softmax((T.dot(states[0], net.out) + net.bias) / heat)
        passed = T.lt(T.dot(chances, upto)[0, :-1], draw)
        return [T.cast(passed.sum(), "int32"), *states]

    start = [T.zeros((1, net.hidden), "float32") for _ in range(net.cell.states)]
    found, _ = symtensor.scan(step, draws, [first, *start])
    return symtensor.function([first, draws, heat], found[0])


def train(net: Network, data: Text, options: argparse.Namespace) -> list[float]:
    """Adam on the clipped gradient; the validation loss after each report."""
    x, y, rate = T.imatrix("x"), T.imatrix("y"), T.scalar("rate")
    zeros = np.zeros((options.batch, net.hidden), "float32")
    states = [symtensor.shared(zeros, name=f"state{k}") for k in range(net.cell.states)]
    loss, after = loss_of(net, x, y, states)
    parameters = net.parameters.all
    gradients = clipped(T.grad(loss, parameters), options.clip)
    train_step = symtensor.function(
        [x, y, rate], loss, updates=[*adam(parameters, gradients, rate), *zip(states, after, strict=True)])
    valid = [T.zeros((x.shape[1], net.hidden), "float32")] * net.cell.states
    valid_loss = symtensor.function([x, y], loss_of(net, x, y, valid)[0])
    write = writer(net, len(data.symbols))

    rows, checked = in_rows(data.train, options.batch), in_rows(data.valid, 20)[:1000]
    pieces = (len(rows) - 1) // options.steps
    total = max(1, round(options.epochs * pieces))
    every = max(1, total // options.reports)
    report, losses, smooth = tqdm.write, [], float(np.log2(len(data.symbols)))
    rng, began = np.random.default_rng(2), time.perf_counter()
    with tqdm(total=total, unit="piece", ncols=100, mininterval=0.1 if sys.stderr.isatty() else 5) as bar:
        for at in range(total):
            if at % FRESH == 0 or at % pieces == 0:
                for state in states:
                    state.set_value(zeros)
            start = at % pieces * options.steps
            piece = rows[start:start + options.steps + 1]
            rate_now = np.float32(options.rate * (1 - 0.9 * at / total))
            smooth += 0.02 * (float(train_step(piece[:-1], piece[1:], rate_now)) - smooth)
            bar.update()
            bar.set_postfix_str(f"{smooth:.3f} bits a character", refresh=False)
            if (at + 1) % every == 0:
                losses.append(float(valid_loss(checked[:-1], checked[1:])))
                text = written(write, data, rng, options)
                report(f"--- {at + 1} pieces, {time.perf_counter() - began:.0f} s: validation "
                       f"{losses[-1]:.3f} bits a character\n{text}\n")
    return losses


def written(write: Callable[..., Any], data: Text, rng: np.random.Generator, options: argparse.Namespace) -> str:
    """A sample of text."""
    first = data.symbols.index("\n") if "\n" in data.symbols else 0
    draws = rng.uniform(0, 1, options.length).astype("float32")
    return "".join(data.symbols[k] for k in write(np.int32(first), draws, np.float32(options.temperature)))


def main() -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="a text file, gzipped or not")
    parser.add_argument("--cell", choices=list(CELLS), default="lstm")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=50, help="rows of text read in parallel")
    parser.add_argument("--steps", type=int, default=50, help="characters that a gradient goes back through")
    parser.add_argument("--epochs", type=float, default=2.0, help="passes through the text")
    parser.add_argument("--rate", type=float, default=0.01, help="the first rate; it falls to a tenth")
    parser.add_argument("--clip", type=float, default=1.0, help="the largest norm of a gradient")
    parser.add_argument("--reports", type=int, default=5, help="how often to validate and write")
    parser.add_argument("--length", type=int, default=300, help="characters of a sample")
    parser.add_argument("--temperature", type=float, default=0.7, help="below 1: likelier characters")
    options = parser.parse_args()
    data = load_shakespeare(options.data)
    net = network(options.cell, len(data.symbols), options.hidden)
    print(f"{data.name}: {len(data.train)} characters to train, {len(data.symbols)} distinct; {options.cell}, "
          f"{net.parameters.count} parameters")
    losses = train(net, data, options)
    print(f"validation: {' -> '.join(f'{loss:.3f}' for loss in losses)} bits a character")


if __name__ == "__main__":
    main()
