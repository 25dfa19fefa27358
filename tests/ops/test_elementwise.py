"""Every elementwise record: meaning, dtypes, layouts, edges, gradient; composites against their own
reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
from elementwise_cases import (
    LAYOUTS,
    RECORDS,
    accepted,
    draw,
    dtype_cases,
    edges,
    evaluate,
    intervals,
    kind_letter,
    lay_out,
    sum_to,
    variables,
)

from symtensor import config
from symtensor import tensor as T
from symtensor.graph.types import DTYPES

SMOOTH = [name for name,
          op in RECORDS.items() if op.differentiable and op.smooth and not name.startswith("cast{")]
COMPOSITES = [name for name, op in RECORDS.items() if op.body is not None]

# What the functions mean on arrays of any dtypes, said again without the records.
MEANING = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative, "sqr": np.square,
    "true_div": np.true_divide, "maximum": np.maximum, "minimum": np.minimum, "abs_": np.abs, "clip": np.clip,
    "lt": np.less, "gt": np.greater, "le": np.less_equal, "ge": np.greater_equal, "eq": np.equal,
    "neq": np.not_equal,
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor, "invert": np.invert, "left_shift": np.left_shift, "right_shift": np.right_shift,
    "int_div": np.floor_divide, "mod": np.remainder, "pow": np.power, "switch": lambda c, a,
    b: np.where(c != 0, a, b),
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin,
    "arccos": np.arccos, "arctan": np.arctan, "arctan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "sigmoid": scipy.special.expit, "softplus": lambda x: np.logaddexp(x, np.zeros_like(x)),
    "erf": scipy.special.erf, "erfc": scipy.special.erfc, "gamma": scipy.special.gamma,
    "gammaln": scipy.special.gammaln, "psi": scipy.special.psi, "erfinv": scipy.special.erfinv,
    "erfcinv": scipy.special.erfcinv, "tri_gamma": lambda x: scipy.special.polygamma(1, x), "real": np.real,
    "imag": np.imag, "conj": np.conj, "angle": np.angle, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg,
    "relu": lambda x: np.where(x > 0, x, 0 * x), "logaddexp": np.logaddexp, "inv": lambda x: 1 / x,
    "sgn": lambda x: np.exp(1j * np.angle(x)) if x.dtype.kind == "c" else np.sign(x),
    "round_half_to_even": np.rint, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc,
    "broadcast_dim": lambda a, b: np.where(a == 1, b, a), "tensor_copy": lambda x: x,
    "second": lambda a, b: np.broadcast_arrays(a, b)[1],
    "erfcx": scipy.special.erfcx, "polygamma": scipy.special.polygamma, "gammainc": scipy.special.gammainc,
    "gammaincc": scipy.special.gammaincc, "betainc": scipy.special.betainc, "jv": scipy.special.jv,
    "iv": scipy.special.iv, "ive": scipy.special.ive, "j0": scipy.special.j0, "j1": scipy.special.j1,
    "i0": scipy.special.i0, "i1": scipy.special.i1, "xlogy": scipy.special.xlogy, "xlogy0": scipy.special.xlogy,
    "xlog1py": scipy.special.xlog1py, "xlogx": lambda x: scipy.special.xlogy(x, x),
    "gammal": lambda k, x: scipy.special.gamma(k) * scipy.special.gammainc(k, x),
    "gammau": lambda k, x: scipy.special.gamma(k) * scipy.special.gammaincc(k, x),
    "log1mexp": lambda x: np.log(-np.expm1(x)), "log_sigmoid": scipy.special.log_expit, "logaddexp2": np.logaddexp2,
    "cbrt": np.cbrt, "hypot": np.hypot, "sinc": np.sinc, "copysign": np.copysign, "fmod": np.fmod,
    "signbit": np.signbit, "isposinf": np.isposinf, "isneginf": np.isneginf, "heaviside": np.heaviside,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
}

# What other functions are made with.
INTERNAL = {"broadcast_dim", "relu", "hard_sigmoid", "ultra_fast_sigmoid", "bell", "erfcx_slope", "normal_quantile",
            "random_below"}

# Whose dtype is NumPy's; the others compute integers in wider floats than NumPy does, as Theano.
PLAIN = ("add", "sub", "mul", "neg", "sqr", "maximum", "minimum", "abs_", "lt", "eq", "and_", "invert",
         "left_shift",
         "int_div", "mod", "pow", "switch", "clip")


def tolerance(dtype: str) -> float:
    return {"float16": 4e-3, "float32": 2e-5, "complex64": 5e-5, "float64": 1e-11,
            "complex128": 1e-11}.get(dtype, 0)


def widen(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype in (np.float16, np.float32) else array


@pytest.mark.parametrize("name", RECORDS)
def test_meaning(name):
    op, rng = RECORDS[name], np.random.default_rng(0)
    for dtypes in dtype_cases(op):
        for layout in LAYOUTS:
            arrays = lay_out(rng, op, dtypes, layout)
            inputs = variables(dtypes, 2)
            result = op(*inputs)
            before = [array.copy() for array in arrays]
            (value,) = evaluate([result], dict(zip(inputs, arrays)))
            case = f"{name} {dtypes} {layout}"
            assert value.dtype == result.dtype, case
            assert value.shape == np.broadcast_shapes(*(a.shape for a in arrays)), case
            assert all(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") for a,
                       b in zip(arrays, before)), case
            if name in MEANING:
                operands = op.operand_dtypes(dtypes)
                with np.errstate(all="ignore"):
                    expected = MEANING[name](*(widen(a.astype(d)) for a, d in zip(arrays, operands)))
                np.testing.assert_allclose(value, np.asarray(expected).astype(value.dtype), err_msg=case,
                                           rtol=tolerance(value.dtype.name), atol=tolerance(value.dtype.name))


@pytest.mark.parametrize("name", PLAIN)
def test_dtype_is_numpys(name):
    op = RECORDS[name]
    for dtypes in dtype_cases(op):
        ones = [np.ones(2, dtype) for dtype in dtypes]
        assert op(*ones).dtype == MEANING[name](*ones).dtype.name, dtypes


@pytest.mark.parametrize("name", RECORDS)
def test_rejects_other_dtypes(name):
    op = RECORDS[name]
    nin = op.nin or 2
    for dtype in DTYPES:
        if not accepted(op, (dtype,) * nin):
            with pytest.raises(TypeError, match=op.name.split("{")[0]):
                op(*variables((dtype,) * nin, 1))
    with pytest.raises(TypeError, match="argument"):
        op(*variables(("float64",) * (nin + 1), 1)) if op.nin else op()


def cotangents(op, inputs, y, g):
    """What `L_op` gives, with zeros for None: the op does not depend on that input's values."""
    return [T.zeros_like(x) if term is None or term is NotImplemented else term
            for x, term in zip(inputs, op.L_op(inputs, [y], [g]))]



@pytest.mark.parametrize("name", [name for name in SMOOTH if "f" in RECORDS[name].accepts])
def test_gradient(name):
    """The cotangents against central differences in float64."""
    op, rng = RECORDS[name], np.random.default_rng(1)
    dtypes = ("float64",) * (op.nin or 3)
    spans = intervals(op) if op.nin else [(-3.0, 3.0)] * 3
    shapes = ((3, 1), (1, 4), (3, 4))
    arrays = [draw(rng, span, shapes[at % 3], "float64") for at, span in enumerate(spans)]
    inputs = variables(dtypes, 2)
    y = op(*inputs)
    values = dict(zip(inputs, arrays))
    (at_point,) = evaluate([y], values)
    weights = rng.normal(size=at_point.shape) + (0 if y.dtype == "float64" else 1j * rng.normal(size=at_point.shape))
    g = y.type()
    terms = evaluate(cotangents(op, inputs, y, g), {**values, g: weights, y: at_point})
    step = 1e-6
    known = [term is not NotImplemented for term in op.L_op(inputs, [y], [g])]
    for k, (array, term) in enumerate(zip(arrays, terms)):
        if not known[k]:
            continue
        expected = np.empty_like(array)
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                sides.append(evaluate([y], {**values, inputs[k]: moved})[0])
            expected[index] = np.real(np.conj(weights) * (sides[0] - sides[1])).sum() / (2 * step)
        full = np.broadcast_to(term, at_point.shape)
        np.testing.assert_allclose(sum_to(full, array.shape), expected, rtol=2e-6, atol=2e-6,
                                   err_msg=f"input {k}")


@pytest.mark.parametrize("name", [name for name in SMOOTH if "c" in RECORDS[name].accepts])
def test_complex_gradient(name):
    """dC = Re(conj(cotangent) dz) for moves of z along both axes of the plane."""
    op, rng = RECORDS[name], np.random.default_rng(2)
    nin = op.nin or 2
    inputs = variables(("complex128",) * nin, 1)
    arrays = [draw(rng, span, (4,), "complex128") for span in (intervals(op) if op.nin else [(-3.0,
                                                                                              3.0)] * nin)]
    y = op(*inputs)
    values = dict(zip(inputs, arrays))
    (at_point,) = evaluate([y], values)
    weights = rng.normal(size=4) + (1j * rng.normal(size=4) if y.dtype == "complex128" else 0)
    g = y.type()
    terms = evaluate(cotangents(op, inputs, y, g), {**values, g: weights.astype(y.dtype), y: at_point})
    for variable, array, term in zip(inputs, arrays, terms):
        for direction in (1.0, 1j):
            up, down = (evaluate([y], {**values, variable: array + s * 1e-6 * direction})[0] for s in (1, -1))
            expected = np.real(np.conj(weights) * (up - down)) / 2e-6
            np.testing.assert_allclose(np.real(np.conj(term) * direction), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in RECORDS if RECORDS[name].differentiable])
def test_gradient_keeps_dtype(name, floatX):
    """No constant in a gradient widens it: float32 work stays float32."""
    op = RECORDS[name]
    with config.change_flags(floatX=floatX):
        for dtype in ("float16", "float32", "complex64"):
            dtypes = (dtype,) * (op.nin or 2)
            if not accepted(op, dtypes):
                continue
            inputs = variables(dtypes, 1)
            y = op(*inputs)
            g = (y if y.dtype.startswith(("float", "complex")) else y.astype(floatX)).type()
            for term in cotangents(op, inputs, y, g):
                assert term.dtype in (dtype, y.dtype, T.real(y).dtype), f"{dtype} gives {term.dtype}"


@pytest.mark.parametrize("name", COMPOSITES)
def test_composite_equals_its_reference(name):
    op = RECORDS[name]
    for dtypes in dtype_cases(op):
        arrays = [edges(dtype) for dtype in dtypes]
        grid = [np.ascontiguousarray(a) for a in np.broadcast_arrays(*np.ix_(*arrays))]
        inputs = variables(dtypes, len(arrays))
        spelled = op.expand(*inputs)
        assert spelled.type.dtype == op(*inputs).type.dtype
        (value,) = evaluate([spelled], dict(zip(inputs, grid)))
        with np.errstate(all="ignore"):
            operands = [a.astype(dtype) for a, dtype in zip(grid, op.operand_dtypes(dtypes))]
            expected = op.numpy(*operands).astype(value.dtype)
        bound = tolerance(value.dtype.name)
        np.testing.assert_allclose(value, expected, rtol=bound, atol=bound)


# -- single functions ----------------------------------------------------------------------------------------


def test_every_record_is_documented_and_named_in_the_language():
    for name, op in RECORDS.items():
        assert op.__doc__, name
        if not name.startswith("cast{") and name not in INTERNAL:
            assert getattr(T, name, None) is op or getattr(T.nnet, name) is op, name


def test_integer_division_and_remainder_round_down_and_survive_zero():
    for dtype in ("int8", "int64", "uint8"):
        a, b = (x.ravel() for x in np.meshgrid(edges(dtype), edges(dtype)))
        x, y = variables((dtype, dtype), 1)
        quotient, rest = evaluate([x // y, x % y], {x: a, y: b})
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(quotient, a // b)
            np.testing.assert_array_equal(rest, a % b)
        for p, q, d, r in zip(a.tolist(), b.tolist(), quotient.tolist(), rest.tolist()):
            if q and not (p == np.iinfo(dtype).min and q == -1):
                assert (d, r) == divmod(p, q)


def test_integer_power():
    x, n = variables(("int32", "int32"), 1)
    a, b = np.array([2, -3, 1, -1, -1, 0, 2, 0]), np.array([10, 3, -5, -5, -4, 0, -1, -1])
    assert evaluate([x**n], {x: a.astype("int32"), n: b.astype("int32")})[0].tolist() == [1024, -27, 1, -1, 1,
                                                                                          1, 0, 0]


@pytest.mark.parametrize("floatX", ["float32", "float64"])
def test_true_division_of_integers_gives_floatX(floatX):
    with config.change_flags(floatX=floatX):
        assert (T.bvector() / T.bvector()).dtype == floatX
        assert (T.lvector() / 2).dtype == floatX
        assert (T.fvector() / T.bvector()).dtype == "float32"


def test_int_division_flag_raise():
    with config.change_flags(int_division="raise"), pytest.raises(TypeError, match="int_division"):
        T.ivector() / 2


def test_cast():
    x = T.dvector("x")
    assert T.cast(x, "float64") is x
    assert x.astype("int8").dtype == "int8"
    assert T.cast(x, "floatX").dtype == config.floatX
    with pytest.raises(TypeError, match="real"):
        T.cast(T.zvector("z"), "float32")
    with pytest.raises(TypeError, match="float31"):
        T.cast(x, "float31")
    assert evaluate([T.cast(x, "int32")], {x: np.array([2.9, -2.9, np.float64(0)])})[0].tolist() == [2, -2, 0]


def test_rounding_modes():
    x = T.dvector()
    ties = np.array([0.5, 1.5, 2.5, -0.5, -2.5, 0.49999999999999994, 7.0])
    even, away, whole = evaluate([T.round(x), T.round(x, "half_away_from_zero"), T.iround(x)], {x: ties})
    assert even.tolist() == [0, 2, 2, 0, -2, 0, 7]
    assert away.tolist() == [1, 2, 3, -1, -3, 0, 7]
    assert whole.dtype == "int64"
    with pytest.raises(ValueError, match="half_up"):
        T.round(x, "half_up")
    assert T.floor(T.ivector()).dtype == "int32"


def test_isclose_is_numpys():
    values = edges("float64")
    a, b = (x.ravel() for x in np.meshgrid(values, values + np.where(np.abs(values) < 10, 1e-9, 0)))
    x, y = T.dvectors(2)
    for equal_nan in (False, True):
        (value,) = evaluate([T.isclose(x, y, equal_nan=equal_nan)], {x: a, y: b})
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(value, np.isclose(a, b, equal_nan=equal_nan))
    i, j = T.bvectors(2)
    assert evaluate([T.isclose(i, j)], {i: np.int8([-128, 1]), j: np.int8([127, 1])})[0].tolist() == [False,
                                                                                                      True]


def cotangent(cost_of, point, weight=1.0):
    """The gradient of a chain of elementwise ops at a point, by their own texts."""
    x = T.dvector("x")
    y = cost_of(x)
    (result,) = evaluate([T.grad(y.sum(), x)], {x: np.asarray(point, "float64")})
    return result


@pytest.mark.parametrize(("cost", "point", "expected"), [
    (lambda x: T.switch(x > 0, T.sqrt(x), 0), [0.0, 4.0], [0.0, 0.25]),
    (lambda x: T.switch(x > 0, T.log(x), 0), [0.0, -1.0, 2.0], [0.0, 0.0, 0.5]),
    (lambda x: T.switch(T.eq(x, 0), 1.0, T.sin(x) / x), [0.0], [0.0]),
    (lambda x: T.switch(x < 1, T.arcsin(x), 0), [1.0, 0.0], [0.0, 1.0]),
    (lambda x: T.switch(x > 0, T.sqrt(2 * T.log(1 + x)), 0), [0.0], [0.0]),
    (lambda x: T.switch(x < 100, T.exp(x), x), [1000.0], [1.0]),
    (lambda x: T.maximum(T.sqrt(x), 1.0), [0.0], [0.0]),
    (lambda x: T.switch(x > 0, x ** 0.5, 0), [0.0], [0.0]),
    (lambda x: T.nnet.elu(x), [1000.0, -1.0], [1.0, math.exp(-1)]),
    (lambda x: T.switch(x > 0, T.sqrt(x) * 2, 0) + T.switch(x > 1, T.sqrt(x) * 3, 0), [0.0], [0.0]),
    (lambda x: (lambda r: T.switch(x > 0, r, 0) + T.switch(x > 1, 2 * r, 0))(T.sqrt(x)), [0.0, 4.0], [0.0, 0.75]),
    (lambda x: T.switch(T.zeros((3, 2)) > 1, T.sqrt(x), 0), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: T.switch((T.zeros((2, 3)) > 1), T.sqrt(x).dimshuffle(0, "x"), 0), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: T.switch(x[0] > 1, T.sqrt(x).sum(), 0), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: T.switch(x.reshape((2, 1)) > 1, T.sqrt(x).reshape((2, 1)), 0), [0.0, 4.0], [0.0, 0.25]),
    (lambda x: T.log(T.switch(x > 0, x, 1)).sum() + T.switch(x > 0, T.log(x), 0).sum(), [0.0, 2.0], [0.0, 1.0]),
    (lambda x: (lambda d: T.switch(d > 0, d, 0))(T.sqrt((x ** 2).sum())), [0.0, 0.0], [0.0, 0.0]),
])
def test_switch_stops_what_it_does_not_select(cost, point, expected):
    np.testing.assert_allclose(cotangent(cost, point), expected, rtol=1e-12)


@pytest.mark.parametrize(("cost", "point", "expected"), [
    (lambda x: x**2, [0.0, 3.0], [0.0, 6.0]),
    (lambda x: x**0, [0.0, 3.0], [0.0, 0.0]),
    (lambda x: x**1, [0.0, 3.0], [1.0, 1.0]),
    (lambda x: x**x, [1.0, 2.0], [1.0, 4 * (1 + math.log(2))]),
    (lambda x: T.pow(0.0, x), [0.0, 1.0], [0.0, 0.0]),
    (lambda x: T.pow(x, T.zeros_like(x)), [0.0, 2.0], [0.0, 0.0]),
    (abs, [0.0, -2.0], [0.0, -1.0]),
    (T.sgn, [0.0, -2.0], [0.0, 0.0]),
    (lambda x: T.maximum(x, x), [1.0], [1.0]),
    (lambda x: T.maximum(x, 1.0), [1.0, 0.0], [1.0, 0.0]),
    (lambda x: T.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0, 0.0]),
    (T.nnet.relu, [0.0, 1.0, -1.0], [0.0, 1.0, 0.0]),
    (T.floor, [0.5], [0.0]),
    (T.softplus, [1000.0, -1000.0], [1.0, 0.0]),
    (lambda x: T.logaddexp(x, x), [-np.inf, 1.0], [1.0, 1.0]),
    (T.log1p, [1e-20], [1.0]),
])
def test_gradient_edges(cost, point, expected):
    np.testing.assert_allclose(cotangent(cost, point), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("exponent", [2, 3, -1, 0, 1, 0.5, -128, np.int8(-128), np.uint8(7), np.float32(2.5)])
def test_power_by_a_number(exponent):
    x = T.fvector("x")
    gradient = T.grad((x**exponent).sum(), x)
    assert gradient.dtype == "float32"
    points = np.array([0.5, 1.5, 3.0], "float32")
    expected = float(exponent) * points.astype(float) ** (float(exponent) - 1)
    with np.errstate(over="ignore"):
        expected = expected.astype("float32")
    np.testing.assert_allclose(evaluate([gradient], {x: points})[0], expected, rtol=1e-5)


def test_second_derivatives_through_selection():
    x = T.dvector("x")
    first = T.grad(T.switch(x > 0, T.sqrt(x), 0).sum(), x)
    second = T.grad(first.sum(), x)
    np.testing.assert_allclose(evaluate([second], {x: np.array([0.0, 1.0])})[0], [0.0, -0.25])


def test_number_kinds_in_operators():
    x = T.fvector("x")
    with config.change_flags(floatX="float32"):
        assert (x * 0.1).dtype == "float32"
        assert (x + 1).dtype == "float32"
        assert (np.float64(2) * x).dtype == "float64"
    assert (T.ivector() * 1.5).dtype == "float64"
    assert kind_letter((x > 1).dtype) == "b"
