"""Classify handwritten digits with a linear model and with one hidden layer, as textbooks begin.

    python examples/digits.py                    both models; MNIST where it is found, else scikit-learn's digits
    python examples/digits.py --data FOLDER      the folder with the four MNIST files
    python examples/digits.py --model linear --epochs 5

Prints a progress bar, the test errors and the times; writes the learning curve, the first layer's weights and the
graph of the loss to out/.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Digits, load_digits
from tqdm import tqdm

import symtensor
from symtensor import tensor as T

symtensor.config.floatX = "float32"


class Model(NamedTuple):
    """A classifier: class probabilities as an expression of the images, and the parameters in it."""

    probabilities: T.TensorVariable
    parameters: list[T.TensorSharedVariable]


class Recipe(NamedTuple):
    """How a model is trained."""

    build: Callable[[T.TensorVariable, int, int], Model]
    rate: float
    momentum: float
    epochs: int


def linear(x: T.TensorVariable, n_in: int, n_out: int) -> Model:
    """softmax(x W + b), starting from zeros."""
    W = symtensor.shared(np.zeros((n_in, n_out), "float32"), name="W")
    b = symtensor.shared(np.zeros(n_out, "float32"), name="b")
    return Model(T.nnet.softmax(T.dot(x, W) + b), [W, b])


def multilayer(x: T.TensorVariable, n_in: int, n_out: int, n_hidden: int = 500) -> Model:
    """One layer of tanh units below the linear model; first weights uniform after Glorot and Bengio (2010)."""
    bound = np.sqrt(6.0 / (n_in + n_hidden))
    first = np.random.default_rng(1).uniform(-bound, bound, (n_in, n_hidden)).astype("float32")
    W1 = symtensor.shared(first, name="W1")
    b1 = symtensor.shared(np.zeros(n_hidden, "float32"), name="b1")
    top = linear(T.tanh(T.dot(x, W1) + b1), n_hidden, n_out)
    return Model(top.probabilities, [W1, b1, *top.parameters])


RECIPES = {
    "linear": Recipe(linear, rate=0.13, momentum=0.0, epochs=30),
    "multilayer": Recipe(multilayer, rate=0.1, momentum=0.9, epochs=25),
}


class Outcome(NamedTuple):
    """What training gave."""

    losses: list[float]
    errors: list[float]
    seconds: float
    weights: np.ndarray
    cost: T.TensorVariable


def train(name: str, data: Digits, epochs: int | None, batch: int) -> Outcome:
    """Minimize the mean negative log-likelihood by stochastic gradient descent; test error after each epoch."""
    recipe = RECIPES[name]
    x, y = T.matrix("x"), T.ivector("y")
    model = recipe.build(x, data.train_x.shape[1], 10)
    cost = -T.mean(T.log(model.probabilities)[T.arange(y.shape[0]), y])
    error = T.mean(T.neq(T.argmax(model.probabilities, axis=1), y))

    updates = []
    for parameter, gradient in zip(model.parameters, T.grad(cost, model.parameters)):
        if recipe.momentum:
            velocity = symtensor.shared(np.zeros_like(parameter.get_value()), name=f"v_{parameter.name}")
            step = recipe.momentum * velocity - recipe.rate * gradient
            updates += [(velocity, step), (parameter, parameter + step)]
        else:
            updates.append((parameter, parameter - recipe.rate * gradient))

    images, labels = symtensor.shared(data.train_x, name="images"), symtensor.shared(data.train_y, name="labels")
    index = T.lscalar("index")
    chosen = slice(index * batch, (index + 1) * batch)
    train_step = symtensor.function([index], cost, updates=updates, givens={x: images[chosen], y: labels[chosen]})
    test_error = symtensor.function([x, y], error)

    losses, errors = [], []
    epochs = recipe.epochs if epochs is None else epochs
    batches = len(data.train_x) // batch
    start = time.perf_counter()
    with tqdm(total=epochs * batches, desc=f"{name:10}", unit="step", ncols=100,
              mininterval=0.1 if sys.stderr.isatty() else 5) as bar:
        for _ in range(epochs):
            losses.append(float(np.mean([_step(train_step, i, bar) for i in range(batches)])))
            errors.append(100 * float(test_error(data.test_x, data.test_y)))
            bar.set_postfix_str(
                f"loss {losses[-1]:.4f}, test error {errors[-1]:.2f} %", refresh=False)
    return Outcome(losses, errors, time.perf_counter() - start, model.parameters[0].get_value(), cost)


def _step(train_step: Callable[[int], np.ndarray], index: int, bar: tqdm) -> float:
    loss = float(train_step(index))
    bar.update()
    return loss


def save(outcomes: dict[str, Outcome], data: Digits, folder: Path) -> None:
    """The learning curves, the first layer's weights as images, and the graph of the loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for name, outcome in outcomes.items():
        epochs = range(1, len(outcome.losses) + 1)
        left.plot(epochs, outcome.losses, label=name)
        right.plot(epochs, outcome.errors, label=f"{name}: {outcome.errors[-1]:.2f} %")
    left.set(title="Training loss", xlabel="epoch", ylabel="negative log-likelihood", yscale="log")
    right.set(title="Test error", xlabel="epoch", ylabel="%", ylim=(0, None))
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(folder / "learning_curve.png", dpi=150)
    plt.close(figure)

    for name, outcome in outcomes.items():
        units = outcome.weights.T.reshape(-1, data.side, data.side)[:50]
        columns = min(10, len(units))
        figure, grid = plt.subplots(-(-len(units) // columns), columns, figsize=(columns, -(-len(units) // columns)),
                                    squeeze=False, layout="constrained")
        for axes, unit in zip(grid.flat, units):
            bound = float(np.abs(unit).max()) or 1.0
            axes.imshow(unit, cmap="RdBu_r", vmin=-bound, vmax=bound)
        for axes in grid.flat:
            axes.axis("off")
        figure.savefig(folder / f"weights_{name}.png", dpi=100)
        plt.close(figure)
        symtensor.printing.pydotprint(outcome.cost, folder / f"loss_{name}.svg", print_output_file=False)


def main() -> None:
    """Train, report, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the four MNIST files")
    parser.add_argument("--model", choices=[*RECIPES, "both"], default="both")
    parser.add_argument("--epochs", type=int, help="instead of each model's own number")
    parser.add_argument("--batch", type=int, help="images a step (600; 50 for the small set)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where pictures go")
    options = parser.parse_args()
    data = load_digits(options.data)
    batch = options.batch or (600 if len(data.train_x) > 10_000 else 50)
    print(f"{data.name}: {len(data.train_x)} training and {len(data.test_x)} test images, "
          f"{data.side}x{data.side}, batches of {batch}")
    names = list(RECIPES) if options.model == "both" else [options.model]
    outcomes = {name: train(name, data, options.epochs, batch) for name in names}
    save(outcomes, data, options.out)
    for name, outcome in outcomes.items():
        print(f"{name:10} test error {outcome.errors[-1]:5.2f} % after {len(outcome.errors)} epochs, "
              f"{outcome.seconds:.1f} s")
    print(f"pictures: {', '.join(sorted(str(path) for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
