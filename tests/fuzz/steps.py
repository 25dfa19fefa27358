"""The steps of random programs: each draws one use of an op on values that the generator has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.generator import FLOATS, INTS, LARGE_SIZE, Generator, Value

UNARY = [
    "-{0}", "T.abs_({0})", "T.sqr({0})", "T.sgn({0})", "T.exp({0})", "T.exp(-T.abs_({0}))", "T.log({0})",
    "T.log(T.abs_({0}) + 1)", "T.log1p(T.abs_({0}))", "T.expm1({0})", "T.sqrt({0})", "T.sqrt(T.abs_({0}))",
    "T.tanh({0})", "T.sigmoid({0})", "T.softplus({0})", "T.sin({0})", "T.cos({0})", "T.tan({0})", "T.arctan({0})",
    "T.arcsinh({0})", "T.sinh({0})", "T.cosh({0})", "T.erf({0})", "T.erfc({0})", "T.floor({0})", "T.ceil({0})",
    "T.trunc({0})", "T.round({0})", "T.inv({0})", "T.exp2({0})", "T.log2(T.abs_({0}) + 0.5)", "T.isnan({0})",
    "T.isinf({0})", "T.invert({0})", "T.nnet.relu({0})", "T.nnet.relu({0}, 0.1)", "T.nnet.elu({0})",
    "T.nnet.hard_sigmoid({0})", "T.nnet.softsign({0})", "{0} ** 2", "{0} ** 3", "{0} ** 0.5", "{0} ** -1",
    "T.real({0})", "T.imag({0})", "T.conj({0})", "T.angle({0})", "T.clip({0}, -1, 1)", "T.tensor_copy({0})",
    "T.gammaln(T.abs_({0}) + 1)", "T.zeros_like({0})", "T.ones_like({0})", "T.deg2rad({0})", "T.log(T.sigmoid({0}))",
    "1 / (1 + T.exp(-{0}))", "T.log(1 + T.exp({0}))", "T.exp(T.log({0}))", "{0} - {0}", "{0} / {0}", "{0} * 0",
    "T.switch({0} > 0, {0}, -{0})", "1 - T.erf({0})", "T.log(T.erfc({0}))", "T.exp({0}) - T.exp(-{0})",
    "T.log(1 - T.tanh({0}) ** 2)", "1 / (1 + T.exp({0} * -2))", "1 - 2 / (T.exp({0}) + 1)", "T.sgn({0}) * {0}",
    "T.log({0} ** 2)", "T.exp2(T.log2({0}))", "T.stack([{0}, {0} * 2]).sum(axis=0)", "T.stack([{0}, {0}]).max()",
    "T.switch(T.neq({0}, 0), {0}, 1)", "(2 ** {0})", "-T.max(-{0})", "T.tanh(-{0})", "T.log(T.exp({0}) + 2)",
    "(-{0}) * 3", "{0} * 2.0 * 0.25", "{0} / 4", "{0} + 0", "1 - {0}", "0 - {0}", "-(-{0})", "{0} * {0}",
]
BINARY = [
    "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / {1}", "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} // {1}",
    "{0} % {1}", "T.maximum({0}, {1})", "T.minimum({0}, {1})", "T.abs_({0}) ** {1}", "{0} ** {1}", "{0} & {1}",
    "{0} | {1}", "{0} ^ {1}", "{0} << ({1} % 5)", "{0} >> ({1} % 5)", "T.arctan2({0}, {1})", "T.logaddexp({0}, {1})",
    "{0} / (1 + {1} * {1})", "T.second({0}, {1})", "-({0} - {1})", "({0} * {1}) / {1}", "{0} - (-{1})",
    "T.add({0}, {1}, {0})", "T.mul({0}, {1}, 2)", "{0} + {1} * 0.5", "T.sqr({0} - {1})", "T.isclose({0}, {1})",
    "T.complex(T.real({0}), T.real({1}))", "T.switch({0} > {1}, {0}, {1})", "({0} + {1}) - {0}",
    "T.log(T.exp({0}) + T.exp({1}))", "T.log(1 + T.exp({0}) + T.exp({1}))", "T.exp({0}) / (T.exp({0}) + T.exp({1}))",
    "T.switch({0} > 0, {1}, 0) + T.switch({0} > 0, 0, {0})", "{0} + (-{1})", "(-{0}) * {1}",
]
COMPARE = ["T.lt({0}, {1})", "T.le({0}, {1})", "T.gt({0}, {1})", "T.ge({0}, {1})", "T.eq({0}, {1})", "T.neq({0}, {1})"]
REDUCE = ["sum", "sum", "sum", "max", "min", "mean", "prod", "all", "any", "var", "std"]


def broadcasts(*shapes: tuple[int, ...]) -> bool:
    try:
        return np.prod(np.broadcast_shapes(*shapes)) <= LARGE_SIZE
    except ValueError:
        return False


def unary(g: Generator) -> None:
    if (a := g.pick()) is not None:
        g.add(g.one_of(UNARY), a)


def binary(g: Generator) -> None:
    a = g.pick()
    b = g.pick(lambda v: a is not None and (broadcasts(a.shape, v.shape) or g.chance(0.01)))
    if a is not None and b is not None:
        g.add(g.one_of(COMPARE if g.chance(0.15) else BINARY), *((a, b) if g.chance(0.5) else (b, a)))


def number(g: Generator) -> None:
    """An operation with a Python number."""
    a = g.pick()
    text = g.one_of(["{{0}} + {0}", "{{0}} * {0}", "{0} - {{0}}", "{{0}} / {0}", "{{0}} - {0}", "{{0}} // {0}",
                     "T.maximum({{0}}, {0})", "T.gt({{0}}, {0})", "{{0}} % {0}", "{0} * {{0}}"])
    numbers = ["0", "1", "2", "-1", "3", "0.5", "-2.5", "1.0", "0.1", "True", "np.float32(2)"]
    if a is not None:
        g.add(text.format(g.one_of(numbers)), a)


def switch(g: Generator) -> None:
    c = g.pick(lambda v: v.kind in "biu" or g.chance(0.2))
    if c is None:
        return
    a = g.pick(lambda v: broadcasts(c.shape, v.shape))
    b = g.pick(lambda v: a is not None and broadcasts(c.shape, a.shape, v.shape))
    if a is not None and b is not None:
        g.add(g.one_of(["T.switch({0}, {1}, {2})", "T.switch({0}, {1}, 0)", "T.switch({1} > {2}, {1}, {2})",
                        "T.clip({1}, 0, {2})"]), c, a, b)


def cast(g: Generator) -> None:
    a = g.pick()
    if a is None:
        return
    to = g.one_of([*FLOATS, *INTS, "bool", "complex64", "complex128"])
    if a.kind == "f" and to in INTS:  # C leaves open what a float out of range becomes
        if g.special:
            return
        g.add(f"T.cast(T.clip({{0}}, {0 if to[0] == 'u' else -100}, 100), {to!r})", a)
    else:
        g.add(f"T.cast({{0}}, {to!r})", a)


def axes_text(g: Generator, ndim: int) -> str:
    kind = g.integer(0, 3)
    if kind == 0 or not ndim:
        return "None"
    if kind == 1:
        return repr([axis for axis in range(ndim) if g.chance(0.5)] or [0])
    return repr(g.integer(-ndim, ndim - 1))


def reduce(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0 or g.chance(0.1))
    if a is None:
        return
    name, keep = g.one_of(REDUCE), g.one_of(["", ", keepdims=True"])
    wide = g.one_of(["", "", "", ", dtype='float64'", ", acc_dtype='float64'"]) if name in ("sum", "prod") else ""
    if wide and a.kind != "f":
        wide = ""
    g.add(f"T.{name}({{0}}, axis={axes_text(g, a.ndim)}{keep}{wide})", a)


def arg_reduce(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0 and v.kind != "c")
    if a is not None:
        axis = g.one_of(["None", str(g.integer(-a.ndim, a.ndim - 1))])
        g.add(g.one_of(["T.argmax({{0}}, axis={0})", "T.argmin({{0}}, axis={0})", "T.ptp({{0}}, axis={0})",
                        "T.max_and_argmax({{0}}, axis={0})[0]", "T.logsumexp({{0}}, axis={0})"]).format(axis), a)


def shuffle(g: Generator) -> None:
    a = g.pick()
    if a is None:
        return
    order: list[Any] = [int(k) for k in g.rng.permutation(a.ndim)]
    if a.ndim < 4 and g.chance(0.4):
        order.insert(g.integer(0, len(order)), "x")
    drop = [k for k in order if k != "x" and a.variable.type.shape[k] == 1 and g.chance(0.4)]
    g.add(f"{{0}}.dimshuffle({[k for k in order if k not in drop]})" if order else "{0}.dimshuffle('x')", a)


def layout(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0)
    if a is None:
        return
    k = g.integer(0, a.ndim - 1)
    dims = [int(d) for d in a.shape]
    texts = ["{0}.T", "{0}.flatten()", "T.squeeze({0})", f"T.expand_dims({{0}}, {k})", "T.shape_padright({0})",
             f"T.swapaxes({{0}}, 0, {k})", f"T.moveaxis({{0}}, {k}, -1)",
             f"{{0}}.reshape({g.one_of([dims[::-1], [-1]])})",
             "{0}.reshape({0}.shape)", "T.specify_shape({0}, {0}.shape)", "T.atleast_3d({0})", "{0}.reshape((-1, 1))",
             f"{{0}}.reshape(({'-1, ' if np.prod(dims) else ''}{{0}}.shape[{k}]))",
             f"{{0}}.flatten({g.integer(1, a.ndim)})",
             f"{{0}}.reshape([{{0}}.size, 1, 1]).reshape({dims})", f"T.unbroadcast({{0}}, {k})",
             f"T.concatenate([{{0}}.shape[{k}:], [1]])",
             f"T.split({{0}}, [{dims[0] // 2}, {dims[0] - dims[0] // 2}], 2)[1]", f"T.unbroadcast({{0}}, {k})",
             f"T.moveaxis({{0}}, {k}, 0)[::-1]", "{0}[::-1][::-1]", "T.set_subtensor({0}[1:], {0}[1:] + 1)",
             "T.set_subtensor({0}[:], 2)", f"({{0}} * 3).sum(axis={k})", f"({{0}} + 1).T.sum(axis={k})",
             "T.exp(T.minimum({0}, 3))[1:]", "{0}.reshape(({0}.shape[0], -1))"]
    g.add(g.one_of(texts), a)


def bound(g: Generator, n: int) -> str:
    return g.one_of(["", "", str(g.integer(-n - 1, n + 1)), str(g.integer(0, max(n, 1)))])


def basic_item(g: Generator, n: int, scalars: list[Value], args: list[Value]) -> str:
    """One item of a basic key for a dimension of n; a symbolic one adds its value to args."""
    draw = g.rng.random()
    if draw < 0.3 and n:
        at = g.integer(-n, n - 1)
        symbolic = [s for s in scalars if -n <= int(s.array) < n]
        if symbolic and g.chance(0.6):
            args.append(g.one_of(symbolic))
            return f"{{{len(args) - 1}}}"
        return str(at)
    if draw < 0.45:
        return ":"
    step = g.one_of(["", "", ":-1", ":2", ":-2", ":3"])
    start = bound(g, n)
    if scalars and g.chance(0.3):
        args.append(g.one_of(scalars))
        start = f"{{{len(args) - 1}}}"
    return f"{start}:{bound(g, n)}{step}"


def key_text(g: Generator, a: Value, args: list[Value]) -> str:
    """A key for a, basic or advanced; args gets further values it needs."""
    scalars = [v for v in g.pool if v.ndim == 0 and v.kind in "iu" and abs(int(v.array)) < 30]
    dims, items = list(a.shape), []
    if g.chance(0.2):
        mask = g.pick(lambda v: v.dtype == "bool" and 0 < v.ndim <= a.ndim and v.shape == a.shape[:v.ndim])
        if mask is not None:
            args.append(mask)
            return f"{{{len(args) - 1}}}"
    advanced = g.chance(0.35)
    for n in dims[: g.integer(1, a.ndim)]:
        if advanced and n and g.chance(0.6):
            places = [v for v in g.pool if v.kind in "iu" and 0 < v.ndim < 3 and v.array.size < 40
                      and (v.array < n).all() and (v.array.astype(float) >= -n).all()]
            if places and g.chance(0.6):
                args.append(g.one_of(places))
                items.append(f"{{{len(args) - 1}}}")
            else:
                items.append(repr([g.integer(-n, n - 1) for _ in range(g.one_of([1, 2, 2, 3]))]))
        else:
            items.append(basic_item(g, n, scalars, args))
    if g.chance(0.15):
        items.insert(g.integer(0, len(items)), "None")
    if g.chance(0.1):
        items.insert(0, "...")
    return ", ".join(items)


def index(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0)
    if a is not None:
        args = [a]
        g.add(f"{{0}}[{key_text(g, a, args)}]", *args)


def put(g: Generator) -> None:
    """set_subtensor and inc_subtensor with a number or a value that broadcasts to the part."""
    a = g.pick(lambda v: v.ndim > 0)
    if a is None:
        return
    args = [a]
    key = key_text(g, a, args)
    names = {f"a{k}": v.array for k, v in enumerate(args)}
    try:
        part = eval(f"a0[{key.format(*names)}]", {}, names)
    except IndexError:
        return
    shape = np.shape(part)
    y = g.pick(lambda v: np.can_cast(v.dtype, a.dtype, "same_kind") and v.ndim <= len(shape)
               and broadcasts(v.shape, shape) and np.broadcast_shapes(v.shape, shape) == shape)
    text = "1"
    if y is not None and g.chance(0.8):
        args.append(y)
        text = f"{{{len(args) - 1}}}" if y.dtype == a.dtype else f"T.cast({{{len(args) - 1}}}, {a.dtype!r})"
    g.add(f"T.{g.one_of(['set', 'inc'])}_subtensor({{0}}[{key}], {text})", *args)


def join(g: Generator) -> None:
    a = g.pick()
    if a is None:
        return
    if g.chance(0.3):
        b = g.pick(lambda v: v.shape == a.shape)
        if b is not None:
            g.add(f"T.stack([{{0}}, {{1}}], axis={g.integer(0, a.ndim)})", a, b)
    elif a.ndim:
        axis = g.integer(0, a.ndim - 1)
        rest = [n for k, n in enumerate(a.shape) if k != axis]

        def fits(v: Value) -> bool:
            return v.ndim == a.ndim and ([n for k, n in enumerate(v.shape) if k != axis] == rest or g.chance(0.01))

        b, c = g.pick(fits), g.pick(fits)
        if b is not None and c is not None:
            g.add(g.one_of([f"T.concatenate([{{0}}, {{1}}], axis={axis})",
                            f"T.concatenate([{{0}}, {{1}}, {{2}}, {{0}}], {axis})",
                            f"T.concatenate([{{0}}, {{1}}], axis={axis})[::-1]"]), a, b, c)


def product(g: Generator) -> None:
    def numeric(v: Value) -> bool:
        return v.kind in "fc" or g.chance(0.2)

    a = g.pick(lambda v: 0 < v.ndim <= 3 and numeric(v))
    if a is None:
        return
    b = g.pick(lambda v: v.ndim > 0 and v.shape[max(0, v.ndim - 2)] == a.shape[-1] and numeric(v))
    if b is None:
        return
    texts = ["T.dot({0}, {1})", "{0}.dot({1})", "T.matmul({0}, {1})", "T.dot({0}, {1}) * 0.5", "-T.dot({0}, {1})",
             "T.dot({0}, {1}).sum(axis=0)", "T.dot({0}, {1})[:1]", "T.dot(T.ones_like({0}), {1})"]
    if (made := g.add(g.one_of(texts), a, b)) is None or g.chance(0.5):
        return
    c = g.pick(lambda v: v.ndim == made.ndim and broadcasts(v.shape, made.shape))
    if c is not None:
        g.add(g.one_of(["{0} + {1}", "{0} - 0.1 * {1}", "0.5 * {0} + 2 * {1}", "{1} - {0}", "{0} + {1}.T"]), c, made)


def other_product(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim == 3 and v.kind == "f")
    b = g.pick(lambda v: a is not None and v.ndim in (2, 3) and v.shape[:2] == (a.shape[0], a.shape[2]))
    if a is not None and b is not None:
        g.add("T.batched_dot({0}, {1})", a, b)
    c, e = g.pick(lambda v: v.ndim == 1), g.pick(lambda v: v.ndim == 1)
    if c is not None and e is not None:
        g.add("T.outer({0}, {1})", c, e)


def loss(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0 and v.kind == "f")
    if a is None:
        return
    axis = g.integer(-a.ndim, a.ndim - 1)
    texts = [f"T.nnet.softmax({{0}}, axis={axis})", f"T.nnet.logsoftmax({{0}}, axis={axis})",
             f"T.logsumexp({{0}}, axis={axis})", f"T.exp({{0}}) / T.exp({{0}}).sum(axis={axis}, keepdims=True)",
             "T.log(T.sum(T.exp({0})))",
             f"T.log(T.nnet.softmax({{0}}, axis={axis}))",
             "T.nnet.binary_crossentropy(T.sigmoid({0}), T.sigmoid({0} * 2))"]
    if a.ndim == 2:
        y = g.pick(lambda v: v.ndim == 1 and v.kind in "iu" and v.shape[0] == a.shape[0]
                   and bool((v.array < a.shape[1]).all() and (v.array >= 0).all()))
        if y is not None and g.chance(0.8):
            g.add(g.one_of(["T.nnet.categorical_crossentropy(T.nnet.softmax({0}), {1})",
                            "-T.log(T.nnet.softmax({0}))[T.arange({1}.shape[0]), {1}].mean()",
                            "T.nnet.crossentropy_softmax_1hot({0}, {1})[0]"]), a, y)
            return
    g.add(g.one_of(texts), a)


def create(g: Generator) -> None:
    a = g.pick(lambda v: v.ndim > 0)
    s = g.pick(lambda v: v.ndim == 0 and v.kind != "c")
    if a is None:
        return
    dims = ", ".join(f"{{0}}.shape[{k}]" for k in range(a.ndim))
    g.add(g.one_of([f"T.alloc(1.5, {dims})", f"T.zeros(({dims},))", "T.arange({0}.shape[0])", "{0}.shape", "{0}.size",
                    f"T.eye({{0}}.shape[0], {g.integer(1, 4)}, {g.integer(-1, 1)})", "T.repeat({0}, 2, axis=0)",
                    f"T.alloc({{0}}, 2, {dims})", "T.full_like({0}, 2)", "T.tri({0}.shape[-1])", "T.nonzero({0})[0]",
                    f"{{0}}.shape[{g.integer(0, a.ndim - 1)}]", "T.arange({0}.shape[-1], 0, -1)", "T.triu({0})",
                    "T.diag({0})", "T.fill({0}, 3)", "T.arange(0, {0}.shape[0], 2, dtype='float32')"]), a)
    if s is not None and g.chance(0.3):
        g.add(g.one_of([f"T.alloc({{1}}, {dims})", "T.fill({0}, {1})", "T.full({0}.shape, {1})"]), a, s)


def gradient(g: Generator) -> None:
    cost = g.pick(lambda v: v.kind == "f" and v.name.startswith("v"))
    wrt = [v for v in g.pool if v.kind == "f" and v.name[0] in "xw"]
    if cost is not None and wrt:
        g.add(g.one_of(["T.grad({0}.sum(), {1}, disconnected_inputs='ignore')",
                        "T.grad(T.sqr({0}).sum(), {1}, disconnected_inputs='ignore')",
                        "T.grad(({0} * T.cos({0})).mean(), {1}, disconnected_inputs='ignore')"]), cost, g.one_of(wrt))


STEPS: list[tuple[Callable[[Generator], None], float]] = [
    (unary, 8), (binary, 12), (number, 4), (switch, 2), (cast, 2), (reduce, 5), (arg_reduce, 1), (shuffle, 4),
    (layout, 5), (index, 6), (put, 4), (join, 3), (product, 4), (other_product, 1), (loss, 3), (create, 3),
    (gradient, 3),
]
