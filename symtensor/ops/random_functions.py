"""Random variables as functions of a generator's state: each gives the new state and the sample (Theano's
``raw_random``).

Where a sample is a smooth function of bits and parameters it is one in the graph, which the compiler fuses with what
uses it, and which has gradients by the parameters: `uniform`, `normal`, `truncated_normal`, `exponential`, and `gamma`
by its scale. Parameters are numbers or tensors that broadcast against ``size``; ``size`` is an int, a sequence of ints
and integer scalars, an integer vector, or None: the shape of the parameters broadcast together.

Parameters that a distribution does not have raise ValueError: numbers when the graph is built, symbolic scalars at run
time. Of symbolic tensors only those of `poisson`, `gamma`, `binomial` with n > 1, `multinomial` and `random_integers`
are checked: elsewhere a chance outside [0, 1] counts as 0 or 1, and a negative ``std`` as a positive one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import complete_dtype, is_float, is_integer, upcast
from symtensor.graph.variable import Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, constant, int64_constant, static_value
from symtensor.ops.create import alloc
from symtensor.ops.cumulative import cumsum
from symtensor.ops.dimshuffle import pad_left
from symtensor.ops.elementwise import cast, ge, gt, minimum, neq, sub, switch, true_div, trunc
from symtensor.ops.elementwise_math import log, number_like, sigmoid
from symtensor.ops.identity import CheckAndRaise
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import take_along_axis
from symtensor.ops.random import RandomBits, checked_state
from symtensor.ops.random_math import normal_quantile, random_below
from symtensor.ops.random_sample import Multinomial, RandomSample
from symtensor.ops.reduce import all as all_
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reshape import reshape
from symtensor.ops.shape import Shape_i, broadcast_shape, shape_dims, shape_of, specify_shape
from symtensor.ops.sort import argsort, searchsorted

__all__ = ["beta", "bernoulli", "binomial", "choice", "exponential", "gamma", "integers", "multinomial",
           "multinomial_wo_replacement", "normal", "permutation", "poisson", "random_integers", "shuffle_row_elements",
           "truncated_normal", "uniform"]

Draw = tuple[Variable, Variable]


class _Generator:
    """A state that draws advance, and the dimensions of the sample."""

    def __init__(self, state: Any, op: str, size: Any, ndim: int | None, *parameters: Variable) -> None:
        self.state: Any = checked_state(state)
        dims = broadcast_shape(*map(shape_of, parameters)) if size is None else shape_dims(size, op, ndim)
        missing = 0 if ndim is None else ndim - len(dims)
        if missing < 0:
            raise ValueError(f"{op}: the parameters have {len(dims)} dimension(s), ndim={ndim} are expected")
        self.dims: Dims = (*[int64_constant(1)] * missing, *dims)
        conditions = [c for parameter in parameters for c in self._conditions(op, parameter)]
        if conditions and size is not None:
            message = f"{op}: the shape of a parameter does not broadcast against the size"
            self.state = CheckAndRaise(ValueError, message)(self.state, *conditions)

    def _conditions(self, op: str, parameter: Variable) -> list[Variable]:
        """What must hold at run time so that the parameter makes no sample larger than the size."""
        shape, found = shape_of(parameter), []
        bad = len(shape) > len(self.dims)
        for own, dim in zip(reversed(shape), reversed(self.dims), strict=False):
            mine, size = static_value(own), static_value(dim)
            bad = bad or (None not in (mine, size) and mine not in (1, size))
            if None in (mine, size) and mine != 1 and not _same(own, dim):
                found.append(d.any_of(d.equal(own, 1), d.equal(own, dim)))
        if bad:
            raise ValueError(f"{op}: a parameter of type {parameter.type} and shape {parameter.type.shape} does not "
                             f"broadcast against the size {tuple(map(static_value, self.dims))} (None: any)")
        return found

    def bits(self, dtype: str, form: str = "bits", dims: Dims | None = None) -> Any:
        """Elements by `RandomBits`."""
        dims = self.dims if dims is None else dims
        op = RandomBits(dtype, len(dims), form)
        return self._advanced(op(self.state, *dims), op.blocks(dims))

    def sample(self, law: str, dtype: str, *parameters: Variable) -> Any:
        """Elements by `RandomSample`."""
        op = RandomSample(law, dtype, len(self.dims))
        return self._advanced(op(self.state, *parameters, *self.dims), d.product(self.dims))

    def multinomial(self, dtype: str, n: Variable, pvals: Variable, rows: Variable) -> Any:
        """Rows by `Multinomial`."""
        return self._advanced(Multinomial(dtype)(self.state, n, pvals, rows), rows)

    def _advanced(self, made: Any, blocks: Variable) -> Any:
        self.state = self.state + cast(blocks, "uint64") * np.array([0, 1], "uint64")
        return made


def _same(a: Variable, b: Variable) -> bool:
    """Whether two dimensions are that of one variable."""
    if a.owner is None or b.owner is None:
        return a is b
    return isinstance(a.owner.op, Shape_i) and a.owner.op == b.owner.op and a.owner.inputs == b.owner.inputs


def _require(op: str, what: str, x: Any, test: Callable[[Any], Any], tensors: bool = False) -> Any:
    """``x``, with ValueError where ``test`` does not hold: at once for constants."""
    if isinstance(x, Constant):
        if not np.all(test(x.data)):
            raise ValueError(f"{op}: {what}, got {x.data}")
    elif tensors or not x.type.ndim:
        return CheckAndRaise(ValueError, f"{op}: {what}")(x, all_(test(x)))
    return x


def _floats(op: str, dtype: Any, *parameters: Any) -> tuple[str, str, list[Any]]:
    """The dtype of the result, the one to compute in, and the parameters in that."""
    variables = [as_tensor_variable(parameter) for parameter in parameters]
    if dtype is None:
        kinds = [v.type.dtype for v in variables if not is_integer(v.type.dtype)]
        dtype = upcast(str(config.floatX), *kinds)
    dtype = complete_dtype(dtype)
    if not is_float(dtype):
        raise TypeError(f"{op}: samples are floating point, got dtype {dtype}; convert them with .astype({dtype!r})")
    work = "float32" if dtype == "float16" else dtype
    return dtype, work, [_typed(v, work) for v in variables]


def _typed(x: Any, dtype: str) -> Any:
    return constant(x.data, dtype=dtype) if isinstance(x, Constant) else cast(x, dtype)


def _is(x: Any, value: float) -> bool:
    return bool((x.data == value).all()) if isinstance(x, Constant) else isinstance(x, int) and x == value


def _scaled(sample: Any, scale: Any, shift: Any = 0) -> Any:
    scaled = sample if _is(scale, 1) else sample * scale
    return scaled if _is(shift, 0) else scaled + shift


def _drawn(generator: _Generator, sample: Variable, dtype: str) -> Draw:
    return generator.state, cast(sample, dtype)


# -- continuous --------------------------------------------------------------------------------------------------------


def uniform(random_state: Any, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: int | None = None,
            dtype: Any = None) -> Draw:
    """Uniform in [low, high): 2**24 equidistant values in float32, 2**53 in float64. The dtype is floatX promoted with
    those of the bounds, unless given.

    >>> state, x = uniform(np.array([1, 0], "uint64"), 2, dtype="float32")
    >>> x.eval()
    array([0.89025915, 0.8946847 ], dtype=float32)
    """
    dtype, work, (low, high) = _floats("uniform", dtype, low, high)
    g = _Generator(random_state, "uniform", size, ndim, low, high)
    u = g.bits(work, "unit")
    if dtype == "float16":  # of 2**11 values, which float16 has
        u = trunc(u * np.float32(2.0**11)) * np.float32(2.0**-11)
    if _is(low, 0) and _is(high, 1):
        return _drawn(g, u, dtype)
    sample = cast(_scaled(u, high - low, low), dtype)  # which may be rounded up to `high`
    return g.state, switch(neq(sample, cast(high, dtype)), sample, cast(low, dtype))


_OUTSIDE = 0.022750131948179207  # the chance of more than 2 standard deviations, on one side


def normal(random_state: Any, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: int | None = None,
           dtype: Any = None, truncate: bool = False) -> Draw:
    """Normal with mean ``avg`` and standard deviation ``std``, by inversion with full precision in both tails: up to
    6.3 standard deviations in float32, 9.1 in float64. ``truncate``: of those numbers alone that are within 2."""
    dtype, work, (avg, std) = _floats("normal", dtype, avg, std)
    std = _require("normal", "std must not be negative", std, lambda x: x >= 0)
    g = _Generator(random_state, "normal", size, ndim, avg, std)
    v = g.bits(work, "tail")
    if truncate:
        outside = number_like(_OUTSIDE, v)
        v = v * number_like(1 - 2 * _OUTSIDE, v) + switch(v < 0, -outside, outside)
    return _drawn(g, _scaled(normal_quantile(v), std, avg), dtype)


def truncated_normal(random_state: Any, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: int | None = None,
                     dtype: Any = None) -> Draw:
    """`normal` of those numbers alone that are within 2 standard deviations from the mean."""
    return normal(random_state, size, avg, std, ndim, dtype, True)


def exponential(random_state: Any, size: Any = None, scale: Any = 1.0, ndim: int | None = None,
                dtype: Any = None) -> Draw:
    """Exponential with mean ``scale``."""
    dtype, work, (scale,) = _floats("exponential", dtype, scale)
    scale = _require("exponential", "scale must not be negative", scale, lambda x: x >= 0)
    g = _Generator(random_state, "exponential", size, ndim, scale)
    return _drawn(g, _scaled(-log(g.bits(work, "positive")), scale), dtype)


def gamma(random_state: Any, size: Any = None, shape: Any = 1.0, scale: Any = 1.0, ndim: int | None = None,
          dtype: Any = None) -> Draw:
    """Gamma with mean ``shape * scale``. There is no gradient by ``shape``."""
    dtype, work, (shape, scale) = _floats("gamma", dtype, shape, scale)
    scale = _require("gamma", "scale must not be negative", scale, lambda x: x >= 0)
    g = _Generator(random_state, "gamma", size, ndim, shape, scale)
    return _drawn(g, _scaled(g.sample("gamma", work, shape), scale), dtype)


def beta(random_state: Any, size: Any = None, a: Any = 1.0, b: Any = 1.0, ndim: int | None = None,
         dtype: Any = None) -> Draw:
    """Beta with mean ``a / (a + b)``, as a quotient of gamma numbers. There is no gradient by ``a`` and ``b``."""
    dtype, _, given = _floats("beta", dtype, a, b)
    a, b = (_typed(_require("beta", "a and b must be above 0", v, lambda x: x > 0), "float64") for v in given)
    g = _Generator(random_state, "beta", size, ndim, a, b)
    # in logarithms: for small parameters both gamma numbers would underflow
    x, y = (log(g.sample("gamma", "float64", v + 1)) + log(g.bits("float64", "positive")) / v for v in (a, b))
    return _drawn(g, sigmoid(x - y), dtype)


# -- whole numbers, orders ---------------------------------------------------------------------------------------------


_CHANCE: Any = ("p must be from 0 to 1", lambda p: (p >= 0) & (p <= 1))


def bernoulli(random_state: Any, size: Any = None, p: Any = 0.5, ndim: int | None = None, dtype: Any = "int64") -> Draw:
    """1 with probability ``p``, else 0: by 32 bits, which meet p to 2**-25, or by 64 for a float64 variable ``p``."""
    p = as_tensor_variable(p)
    work = "float64" if p.type.dtype == "float64" and not isinstance(p, Constant) else "float32"
    p = _typed(_require("bernoulli", _CHANCE[0], p, _CHANCE[1]), work)
    g = _Generator(random_state, "bernoulli", size, ndim, p)
    return _drawn(g, g.bits(work, "positive") <= p, complete_dtype(dtype))


def binomial(random_state: Any, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: int | None = None,
             dtype: Any = "int64", prob: Any = None) -> Draw:
    """How many of ``n`` trials succeed, each with probability ``p`` (``prob`` is Theano's older name).

    >>> state, mask = binomial(np.array([4, 0], "uint64"), (4,), p=0.5, dtype="float32")
    >>> mask.eval()
    array([1., 0., 0., 0.], dtype=float32)
    """
    p = p if prob is None else prob
    n = as_tensor_variable(n)
    if _is(n, 1) and n.type.ndim == 0:
        return bernoulli(random_state, size, p, ndim, dtype)
    p = as_tensor_variable(p)
    n = _require("binomial", "n must not be negative", n, lambda x: x >= 0)
    p = _require("binomial", _CHANCE[0], p, _CHANCE[1])
    g = _Generator(random_state, "binomial", size, ndim, n, p)
    return _drawn(g, g.sample("binomial", "int64", n, p), complete_dtype(dtype))


def poisson(random_state: Any, size: Any = None, lam: Any = None, ndim: int | None = None,
            dtype: Any = "int64") -> Draw:
    """Poisson with mean ``lam``, at least 0 and at most 1e15; without ``lam``, 1."""
    lam = as_tensor_variable(1.0 if lam is None else lam)
    lam = _require("poisson", "lam must not be negative", lam, lambda x: x >= 0)
    g = _Generator(random_state, "poisson", size, ndim, lam)
    return _drawn(g, g.sample("poisson", "int64", lam), complete_dtype(dtype))


def random_integers(random_state: Any, size: Any = None, low: Any = 0, high: Any = 1, ndim: int | None = None,
                    dtype: Any = "int64") -> Draw:
    """Integers from ``low`` to ``high``, both included, of equal chance (to 2**-64 of the range)."""
    low, high = as_tensor_variable(low), as_tensor_variable(high)
    for bound in (low, high):
        if not is_integer(bound.type.dtype):
            raise TypeError(f"random_integers: the bounds are integers, got {bound} of type {bound.type}")
    low, high = _typed(low, "int64"), _typed(high, "int64")
    if isinstance(low, Constant) and isinstance(high, Constant):
        _require("random_integers", f"high must not be below low, {low.data}", high, lambda x: np.all(x >= low.data))
    else:
        high = CheckAndRaise(ValueError, "random_integers: high must not be below low")(high, all_(high >= low))
    g = _Generator(random_state, "random_integers", size, ndim, low, high)
    sample = cast(random_below(g.bits("uint64"), cast(high - low, "uint64")), "int64") + low
    return _drawn(g, sample, complete_dtype(dtype))


def _less_one(high: Any) -> Any:
    high = as_tensor_variable(high)
    return constant(high.data.astype("int64") - 1) if isinstance(high, Constant) else sub(cast(high, "int64"), 1)


def integers(random_state: Any, low: Any, high: Any = None, size: Any = None, ndim: int | None = None,
             dtype: Any = "int64") -> Draw:
    """Integers from ``low`` to ``high - 1``, or from 0 to ``low - 1``; the size comes last, as NumPy has it."""
    low, high = (0, low) if high is None else (low, high)
    return random_integers(random_state, size, low, _less_one(high), ndim, dtype)


def multinomial(random_state: Any, size: Any = None, n: Any = 1, pvals: Any = (0.5, 0.5), ndim: int | None = None,
                dtype: Any = "int64") -> Draw:
    """How often each of the categories along the last axis of ``pvals`` came in ``n`` draws: shape (*size, categories).

    Without ``size`` there is a sample for each row of ``pvals``, whose elements sum to 1 (within 0.001).
    """
    pvals = as_tensor_variable(pvals)
    if not pvals.type.ndim:
        raise TypeError(f"multinomial: pvals has a dimension for the categories, got {pvals} of type {pvals.type}")
    n, lead = as_tensor_variable(n), shape_of(pvals)
    g = _Generator(random_state, "multinomial", lead[:-1] if size is None else size, ndim, n)
    rows, wanted = d.product(g.dims), len(g.dims)
    if pvals.type.ndim - 1 > wanted:
        raise ValueError(f"multinomial: pvals of type {pvals.type} has more rows than the size has; leave size=None")
    if pvals.type.ndim == 1:
        table = pad_left(pvals, 2)
    elif pvals.type.ndim == 2 and wanted == 1:
        table = pvals
    else:
        table = reshape(alloc(pvals, *g.dims, lead[-1]), (rows, lead[-1]), ndim=2)
    if n.type.ndim > 1 or (n.type.ndim == 1 and wanted > 1):
        n = alloc(n, *g.dims)
    kind, column = complete_dtype(dtype), reshape(n, (-1, 1), ndim=2)
    counts = g.multinomial(kind if kind in ("float32", "float64") else "int64", column, table, rows)
    return _drawn(g, counts if wanted == 1 else reshape(counts, (*g.dims, lead[-1]), ndim=wanted + 1), kind)


def permutation(random_state: Any, size: Any = None, n: Any = 1, ndim: int | None = None, dtype: Any = "int64") -> Draw:
    """Permutations of 0 to n - 1, of shape (*size, n); without ``size`` one, a vector."""
    g = _Generator(random_state, "permutation", () if size is None else size, ndim)
    (length,) = shape_dims(n, "permutation", 1)
    return _drawn(g, argsort(g.bits("uint64", dims=(*g.dims, length))), complete_dtype(dtype))


def shuffle_row_elements(random_state: Any, input: Any) -> Draw:
    """``input`` with the elements of each row (along the last axis) in another order, each row in its own."""
    x = as_tensor_variable(input)
    if not x.type.ndim:
        raise TypeError("shuffle_row_elements: the input is a scalar, which has no rows")
    dims = shape_of(x)
    state, order = permutation(random_state, dims[:-1], dims[-1], x.type.ndim - 1)
    return state, take_along_axis(x, order, -1)


def _first(op: str, order: Any, count: Any, chances: Any = None) -> Any:
    """The first ``count`` of each row, where there are as many (of a chance above 0)."""
    enough = [d.at_most(count, shape_of(order)[-1])]
    message = f"{op}: without replacement there are no more samples than elements of a chance above 0"
    if isinstance(enough[0], Constant) and not enough[0].data:
        raise ValueError(f"{message}: {static_value(count)} of {static_value(shape_of(order)[-1])}")
    if chances is not None:
        enough.append(all_(ge(sum_(cast(gt(chances, 0), "int64"), axis=-1), count)))
    order = CheckAndRaise(ValueError, message)(order, *(test for test in enough if not isinstance(test, Constant)))
    return getitem(order, (..., slice(None, count)))


def _race(op: str, g: _Generator, p: Variable, count: Any) -> Variable:
    """``count`` categories of each row in the order of exponential waiting times with rates ``p``, which is that of
    drawing without replacement (P. Efraimidis and P. Spirakis, Information Processing Letters 97, 2006)."""
    p = _require(op, "chances must not be negative", p, lambda x: x >= 0, tensors=True)
    waits = true_div(-log(g.bits("float64", "positive", shape_of(p))), cast(p, "float64"))
    return _first(op, argsort(waits), count, p)


def multinomial_wo_replacement(random_state: Any, size: Any = None, n: Any = 1, pvals: Any = None,
                               ndim: int | None = None, dtype: Any = "int64") -> Draw:
    """For each row of the matrix ``pvals`` the indices of ``n`` different categories, in the order they are drawn."""
    pvals = as_tensor_variable(pvals)
    if pvals.type.ndim != 2:
        raise TypeError(f"multinomial_wo_replacement: pvals is a matrix, got {pvals} of type {pvals.type}")
    if size is not None:
        raise ValueError("multinomial_wo_replacement: there is one sample for each row of pvals; leave size=None")
    g = _Generator(random_state, "multinomial_wo_replacement", (), None)
    return _drawn(g, _race("multinomial_wo_replacement", g, pvals, n), complete_dtype(dtype))


def choice(random_state: Any, size: Any = None, a: Any = 2, replace: bool = True, p: Any = None,
           ndim: int | None = None, dtype: Any = "int64") -> Draw:
    """Elements of the vector ``a``, or of 0 to a - 1, with or without replacement, of equal chance or with the chances
    of the vector ``p`` (without ``a``: as many elements as it has).

    Without ``size`` a single one. ``dtype`` is that of indices; elements of a vector keep theirs.
    """
    chances: Any = None if p is None else as_tensor_variable(p)
    if a is None and chances is None:
        raise TypeError("choice: give a (an integer or a vector), or the chances p")
    a = shape_of(chances)[-1] if a is None else as_tensor_variable(a)
    if a.type.ndim > 1 or (chances is not None and chances.type.ndim != 1):
        raise TypeError(f"choice: a is an integer or a vector, and p a vector, got {a.type} and p={p}")
    (count,) = shape_of(a) if a.type.ndim else shape_dims(a, "choice")
    g = _Generator(random_state, "choice", () if size is None else size, ndim)
    chances = chances if chances is None else specify_shape(chances, (count,))
    number = d.product(g.dims)
    if not replace and chances is None:
        g.state, order = permutation(g.state, None, count)
        found = reshape(_first("choice", order, number), g.dims, ndim=len(g.dims))
    elif not replace:
        found = reshape(_race("choice", g, chances, number), g.dims, ndim=len(g.dims))
    elif chances is None:
        count = _require("choice", "a must be at least 1, or a vector that is not empty", count, lambda x: x > 0)
        g.state, found = integers(g.state, count, None, g.dims, len(g.dims))
    else:
        chances = _require("choice", "p must not be negative", chances, lambda x: x >= 0, tensors=True)
        sums: Any = cumsum(cast(chances, "float64"))
        sums = _require("choice", "p must sum to 1 (within 0.001)", sums, lambda x: abs(x[-1] - 1) < 1e-3, tensors=True)
        found = minimum(searchsorted(sums, g.bits("float64", "unit") * sums[-1], "right"), sub(count, 1))
    return (g.state, getitem(a, found)) if a.type.ndim else _drawn(g, found, complete_dtype(dtype))
