"""Every rule that is a function fires on an example, alone, and keeps its value."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.stop import disconnected_grad
from symtensor.graph.variable import Variable
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.crossentropy import CrossentropySoftmax1Hot
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.dot import Dot
from symtensor.ops.elementwise import (
    add,
    clip,
    eq,
    int_div,
    lt,
    mul,
    neg,
    neq,
    pow,
    second,
    sqr,
    sub,
    switch,
    true_div,
)
from symtensor.ops.elementwise_compare import floor
from symtensor.ops.elementwise_math import exp, expm1, log, log1p, logaddexp, sigmoid, softplus, sqrt
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.ops.identity import Assert, ViewOp
from symtensor.ops.index import Subtensor
from symtensor.ops.join import Join
from symtensor.ops.linalg import det, inv, slogdet
from symtensor.ops.linalg_solve import cholesky, solve
from symtensor.ops.reduce import SumTo
from symtensor.ops.reshape import Reshape
from symtensor.ops.shape import MakeVector, Shape, Shape_i, Unbroadcast, specify_shape
from symtensor.ops.softmax import LogSoftmax, Softmax
from symtensor.optimize.pattern import TABLES
from tests.optimize.graphs import apply_rules, evaluate, variable

rng = np.random.default_rng(3)
A, B = variable("float64", 2, "A"), variable("float64", 2, "B")
V, W = variable("float64", 1, "V"), variable("float64", 1, "W")
S = variable("float64", 0, "S")
I = variable("int32", 1, "I")
F = variable("float32", 1, "F")
COL = variable("float64", 2, "COL", (None, 1))
Y = variable("int64", 1, "Y")
V4 = variable("float64", 1, "V4", (4,))
W2, I2 = variable("float64", 1, "W2"), variable("int32", 1, "I2")

GIVEN = {
    A: rng.normal(size=(3, 4)), B: rng.normal(size=(3, 4)), V: np.array([0.5, -2.0, 0.0, np.inf]),
    W: rng.normal(size=4), S: np.array(2.5), I: np.array([1, -2, 3, 0], "int32"),
    F: np.array([1, -2.5, 0, 4], "float32"),
    W2: rng.normal(size=4), I2: np.array([2**31 - 1, 5, -7, 2], "int32"),
    V4: np.array([0.5, np.nan, 0, 1]), COL: rng.normal(size=(3, 1)), Y: np.array([0, 3, -1]),
}

two, cast64 = np.full((4,), 2.0), ELEMENTWISE["cast{float64}"]
P = Softmax(-1)(A)
ROWS = T.arange(Y.shape[0])
C = T.crossentropy_categorical_1hot if hasattr(T, "crossentropy_categorical_1hot") else T.nnet.categorical_crossentropy



def positive():
    """A positive definite matrix."""
    return add(Dot()(A, A.T), T.eye(A.shape[0]))


EXAMPLES = {
    "constant_folding": [lambda: add(V, exp(np.ones(4)))],
    "shape_of_result": [lambda: Shape_i(1)(add(A, B))],
    "shape_vector": [lambda: Shape()(A)],
    "dimension_arithmetic": [lambda: sub(add(Shape_i(0)(A), 3), Shape_i(0)(A))],
    "expand": [lambda: logaddexp(V, W)],
    "add_neg": [lambda: add(V, neg(W)), lambda: add(neg(V), W)],
    "constant_times_neg": [lambda: mul(2.0, neg(V)), lambda: true_div(neg(V), 3.0)],
    "neg_of_constant_times": [lambda: neg(mul(2.0, V)), lambda: neg(true_div(2.0, V))],
    "integer_zero": [lambda: mul(I, 0), lambda: sub(I, I)],
    "product_of_same": [lambda: mul(V, V), lambda: mul(I, I)],
    "single_operand": [lambda: add(V)],
    "merge_constants": [lambda: mul(V, 2.0, 3.0), lambda: mul(mul(V, 2.0), 3.0), lambda: add(add(I, 100), 100),
                        lambda: add(1.5, add(V, 2.5))],
    "div_by_power_of_two": [lambda: true_div(V, 4.0)],
    "power_of_constant": [lambda: pow(V, 0), lambda: pow(V, 1), lambda: pow(V, 2), lambda: pow(I, 2)],
    "cheap_power": [lambda: pow(V, float(n)) for n in (3, 4, -1, -2)]
    + [lambda: pow(exp(W), n) for n in (0.5, -0.5, 1.5)],
    "cast_of_cast": [lambda: ELEMENTWISE["cast{float32}"](cast64(F)), lambda: cast64(V)],
    "round_integer": [lambda: floor(I)],
    "switch_known": [lambda: switch(True, V, W), lambda: switch(np.zeros(4), V, V4), lambda: switch(V, W, W)],
    "switch_of_switch": [lambda: switch(lt(V, 0), switch(lt(V, 0), V, 1.0), W)],
    "compare_with_itself": [lambda: lt(V, V), lambda: eq(I, I)],
    "useless_clip": [lambda: clip(clip(V, -1.0, 1.0), -1.0, 1.0), lambda: clip(V, -np.inf, np.inf)],
    "sign_of_known": [lambda: ELEMENTWISE["abs_"](exp(V))],
    "int_div_one": [lambda: int_div(I, 1)],
    "fill_to_alloc": [lambda: second(V, S), lambda: second(V, W)],
    "scalar_operand": [lambda: mul(V4, two), lambda: add(A, alloc(S, *A.shape))],
    "elementwise_of_alloc": [lambda: exp(alloc(S, 3, 4)), lambda: mul(S, Alloc()(1.5, V.shape[0]))],
    "past_differentiation": [lambda: ViewOp()(A), lambda: disconnected_grad(exp(V))],
    "merge_dimshuffles": [lambda: DimShuffle(2, (1, 0))(DimShuffle(2, (1, 0))(A)), lambda: DimShuffle(1, (0,))(V),
                          lambda: dimshuffle(dimshuffle(V, 0, "x"), 1, 0)],
    "dimshuffle_of_alloc": [lambda: alloc(W, 3, 4).T, lambda: alloc(W, 3, 4).dimshuffle("x", 1, 0),
                            lambda: alloc(COL, 3, 5).T,
                            lambda: dimshuffle(alloc(S, 3, A.shape[0]), 1, "x", 0)],
    "dimshuffle_of_elementwise": [lambda: dimshuffle(add(W.dimshuffle("x", 0), W2.dimshuffle("x", 0)), 1),
                                  lambda: mul(A.T, 2.0, V4.dimshuffle(0, "x")).T],
    "useless_reshape": [lambda: Reshape(2)(A, *A.shape), lambda: Reshape(1)(Reshape(2)(A, A.shape[1], A.shape[0]), -1)],
    "reshape_to_dimshuffle": [lambda: Reshape(3)(A, A.shape[0], 1, A.shape[1]), lambda: Reshape(1)(COL, COL.shape[0])],
    "reshape_of_alloc": [lambda: Reshape(1)(alloc(S, 3, 4), 12)],
    "useless_alloc": [lambda: Alloc()(V, V.shape[0]), lambda: Alloc()(Alloc()(S, 1, 4), 3, 4),
                      lambda: Alloc()(dimshuffle(S, "x"), 5)],
    "useless_specify_shape": [lambda: specify_shape(alloc(V, V.shape[0]), (V.shape[0],))],
    "useless_slice": [lambda: A[:, 0:A.shape[1]]],
    "item_of_made_vector": [lambda: MakeVector("float64")(S, 1.5, 2.5)[1:], lambda: MakeVector("int64")(3, 4, 5)[::-2],
                            lambda: Subtensor(("i",))(MakeVector("float64")(S, 1.5), -1)],
    "slice_of_alloc": [lambda: alloc(W, 3, W.shape[0])[1:, ::2], lambda: alloc(V4, 3, 4)[:2, 1:],
                       lambda: alloc(COL, COL.shape[0], 5)[::-1, 1:],
                       lambda: alloc(S, 3, 4)[1:]],
    "index_of_elementwise": [lambda: exp(A)[1:], lambda: mul(A, B)[:, ::2],
                             lambda: exp(A)[0], lambda: exp(A)[:, 2], lambda: mul(A, 2.0)[[0, 2]]],
    "read_what_was_set": [lambda: T.set_subtensor(A[1], V)[1], lambda: T.set_subtensor(A[1:], 2.0)[1:],
                          lambda: T.inc_subtensor(alloc(np.float64(0), 3, 4)[1:], B[1:])[1:]],
    "write_by_mask": [lambda: T.set_subtensor(A[A > 0], S), lambda: T.inc_subtensor(A[B > 0], 1.0),
                      lambda: T.set_subtensor(A[:, V > 0], COL), lambda: T.inc_subtensor(A[COL[:, 0] > 0], V),
                      lambda: T.inc_subtensor(A[B > 0], alloc(S, (B > 0).sum()))],
    "scaled_scatter": [lambda: mul(0.5, T.inc_subtensor(alloc(np.float64(0), 3, 4)[[2, 0, 2]], B)),
                       lambda: true_div(T.inc_subtensor(alloc(np.float64(0), 3, 4)[1:], S), 4.0),
                       lambda: neg(T.inc_subtensor(alloc(np.float64(0), 3, 4)[:, 1], S))],
    "add_scatter": [lambda: add(A, T.inc_subtensor(alloc(np.float64(0), *A.shape)[[2, 0, 2]], B)),
                    lambda: sub(A, T.inc_subtensor(alloc(np.float64(0), *A.shape)[1:, 2], S)),
                    lambda: add(A, T.inc_subtensor(alloc(np.float64(0), *A.shape)[1], V), B)],
    "merge_row_updates": [
        lambda: T.inc_subtensor(T.inc_subtensor(A[[2, 0, 2]], B)[Y.astype("uint8") % 3], V),
        lambda: T.set_subtensor(T.set_subtensor(A[[2, 0, 2]], B)[np.int8([0, -1])], COL[1:])],
    "join_of_one": [lambda: Join(0)(A), lambda: Join(0)(W, np.zeros(0), W2), lambda: Join(0)(np.zeros(0), W)],
    "reduce_ones": [lambda: COL.sum(axis=1), lambda: COL.max(axis=(0, 1)), lambda: I.dimshuffle("x", 0).sum(axis=0)],
    "wide_in_parts": [lambda: add(*(mul(A, float(k)) for k in range(40))), lambda: mul(*[A, B] * 9)],
    "reduce_dimshuffle": [lambda: A.T.sum(axis=1), lambda: T.stack([A, B]).dimshuffle(2, 0, 1).max(axis=0),
                          lambda: A.T.sum(), lambda: dimshuffle(V, "x", 0).max()],
    "reduce_reduction": [lambda: A.sum(axis=0).sum(), lambda: A.max(axis=1).max()],
    "sum_of_neg": [lambda: neg(A).sum(axis=1)],
    "reduce_alloc": [lambda: alloc(S, 3, 2).prod(), lambda: alloc(np.int8(100), 3, 2).sum(axis=0),
                     lambda: alloc(W, 3, 4).sum(axis=0), lambda: alloc(W, 3, 4).sum(), lambda: alloc(COL, 3, 2).max(),
                     lambda: alloc(COL, 2, 3, 4).sum(axis=(0, 2)),
                     lambda: alloc(np.float64(2), *A.shape).sum(axis=0), lambda: alloc(S, 3, 4).sum(),
                     lambda: alloc(S, 3, 4).max(axis=1)],
    "sum_to_known": [lambda: SumTo()(A, mul(A, 2.0)), lambda: [SumTo()(A, COL), add(A, COL)]],
    "inverse_on_domain": [
        lambda: exp(log(V)), lambda: exp(log1p(V)), lambda: exp(softplus(W)), lambda: expm1(log(V)),
        lambda: expm1(log1p(V)), lambda: expm1(softplus(W)), lambda: T.exp2(T.log2(V)), lambda: sqr(sqrt(V)),
        lambda: T.tanh(T.arctanh(V)), lambda: T.cosh(T.arccosh(V)), lambda: T.sin(T.arcsin(V))],
    "cancel_integers": [lambda: sub(add(I, 3), I), lambda: add(sub(I, I2), I2), lambda: sub(I, I),
                        lambda: sub(add(I, I2, I), add(I2, I))],
    "cancel_terms": [lambda: sub(add(W, W2), W), lambda: sub(W, W), lambda: add(neg(W), W2, W),
                     lambda: sub(W, add(W, W2))],
    "cancel_factors": [lambda: true_div(mul(W, W2), W), lambda: true_div(W, W), lambda: mul(true_div(W2, W), W),
                       lambda: true_div(W, sqr(W)), lambda: mul(T.inv(W), W2, W)],
    "truth_of_cast": [lambda: switch(ELEMENTWISE["cast{int8}"](lt(W, 0)), W, 1.0), lambda: neq(cast64(I), 0),
                      lambda: eq(ELEMENTWISE["cast{bool}"](I), 0)],
    "max_of_neg": [lambda: neg(A).max(axis=1), lambda: neg(A).min()],
    "reduce_join": [lambda: T.stack([W, W2, W]).sum(axis=0), lambda: T.stack([I, I2]).sum(axis=0),
                    lambda: T.stack([A, B]).max(axis=(0, 2)), lambda: T.stack([V, W], axis=1).prod(axis=1)],
    "sum_of_scaled": [lambda: mul(A, 3.0).sum(axis=0), lambda: mul(A, -2.0, 4.0).sum(), lambda: true_div(A, 0.5).sum()],
    "sum_of_factor": [lambda: mul(A, COL).sum(axis=1), lambda: mul(A, S).sum(), lambda: true_div(A, COL).sum(axis=1),
                      lambda: mul(A, B, COL).sum(axis=1)],
    "sum_of_dot": [lambda: Dot()(A, B.T).sum(), lambda: Dot()(A, B.T).sum(axis=0), lambda: Dot()(A, B.T).sum(axis=1)],
    "log_of_prod": [lambda: log(T.prod(exp(A), axis=1))],
    "prod_of_exp": [lambda: T.prod(exp(A), axis=1), lambda: T.prod(exp(A))],
    "argmax_of_increasing": [lambda: T.argmax(Softmax(-1)(A), axis=1), lambda: T.argmin(exp(A), axis=0),
                             lambda: T.argmax(LogSoftmax(0)(A), axis=0)],
    "log_of_exponentials": [lambda: log(add(add(exp(W), exp(W2)), exp(W))), lambda: log(add(exp(W), 3.0)),
                            lambda: log(add(1.0, exp(W), exp(W2)))],
    "share_of_exponentials": [
        lambda: true_div(exp(W), add(add(exp(W), exp(W2)), 1.0)),
        lambda: mul(true_div(W2, add(exp(W), exp(W2), 2.0)), W2, exp(W))],
    "one_minus_square_of_tanh": [lambda: 1 - sqr(T.tanh(W))],
    "minus_part_of_sigmoid": [lambda: sub(sigmoid(W), sqr(sigmoid(W))), lambda: sub(mul(W2, sigmoid(W)), W2),
                              lambda: sub(mul(W2, sigmoid(W)), mul(sigmoid(W), W2, sigmoid(W))),
                              lambda: 1 - sigmoid(W)],
    "difference_of_exponentials": [lambda: sub(mul(0.5, exp(W)), mul(0.5, exp(neg(W)))), lambda: exp(neg(W)) - exp(W),
                                   lambda: add(mul(0.5, exp(W)), mul(-0.5, exp(neg(W))))],
    "minus_logsumexp": [lambda: A - T.logsumexp(A, axis=1, keepdims=True), lambda: W - T.logsumexp(W)],
    "log_of_erfc": [lambda: log(T.erfc(W))],
    "divide_and_multiply_again": [lambda: mul(neg(mul(true_div(W, exp(W2)), W)), exp(W2)),
                                  lambda: mul(true_div(true_div(W, sigmoid(W2)), 3.0), W, sigmoid(W2)),
                                  lambda: grad(log(1 - sqr(T.tanh(W))).sum(), W)],
    "remove_assertions": [lambda: Assert("no")(W, T.all(neq(W2, 77)))],
    "past_typing": [lambda: Unbroadcast([1])(COL)],
    "reshape_of_padded": [lambda: Reshape(1)(dimshuffle(A, 0, "x", 1), A.size)],
    "index_of_one": [lambda: COL[:, 0], lambda: COL[:, -1]],
    "reverse_twice": [lambda: A[::-1][::-1], lambda: A[:, ::-1][:, ::-1]],
    "index_of_dot": [lambda: Dot()(A, B.T)[1], lambda: Dot()(A, B.T)[1:, 0], lambda: Dot()(A, W)[1:],
                     lambda: Dot()(COL[:, 0], A)[::2], lambda: Dot()(A, B.T)[::-1, 1:]],
    "useless_write": [lambda: T.inc_subtensor(COL[:, 0], Y.astype("float64")), lambda: T.set_subtensor(COL[:, -1], S),
                      lambda: T.set_subtensor(A[:], 3.0), lambda: T.inc_subtensor(A[:, 0:A.shape[1]], B),
                      lambda: T.inc_subtensor(A[1:], 0.0),
                      lambda: T.set_subtensor(alloc(np.float64(2), 3, 4)[1:], 2.0)],
    "write_of_alloc": [lambda: T.set_subtensor(A[:, 1], alloc(S, A.shape[0])),
                       lambda: T.inc_subtensor(A[1:], alloc(W, A[1:].shape[0], A.shape[1]))],
    "set_to_sum": [lambda: T.set_subtensor(A[1:], A[1:] + W), lambda: T.set_subtensor(A[0, 1], S + A[0, 1])],
    "write_twice": [lambda: T.set_subtensor(T.inc_subtensor(A[1], V4)[1], W),
                    lambda: T.inc_subtensor(T.set_subtensor(A[1:], 2.0)[1:], W)],
    "join_of_made_vectors": [lambda: Join(0)(MakeVector("float64")(S, 1.5), MakeVector("float64")(2.0))],
    "join_of_join": [lambda: Join(0)(Join(0)(W, W2), V), lambda: Join(0)(F, Join(0)(F, F), F)],
    "dot_of_alloc": [lambda: Dot()(alloc(S, 2, A.shape[0]), A), lambda: Dot()(A, alloc(S, A.shape[1], 5)),
                     lambda: Dot()(alloc(S, A.shape[0]), A), lambda: Dot()(W, alloc(S, W.shape[0])),
                     lambda: Dot()(A, alloc(S, A.shape[1])), lambda: Dot()(W, alloc(S, W.shape[0], 3))],
    "dot_of_one": [lambda: Dot()(COL, W.dimshuffle("x", 0)), lambda: Dot()(COL, W[:1].dimshuffle("x", 0)[:, 0]),
                   lambda: Dot()(dimshuffle(S, "x"), W.dimshuffle("x", 0))],
    "vector_first": [lambda: Dot()(Dot()(A, B.T), COL[:, 0]), lambda: Dot()(COL[:, 0], Dot()(A, B.T))],
    "gradient_of_log_odds": [lambda: mul(sub(neg(true_div(A, sigmoid(B))), true_div(B, sigmoid(neg(B)))), sigmoid(B),
                                         sigmoid(neg(B))),
                             lambda: mul(true_div(A, sigmoid(neg(B))), 2.0, sigmoid(neg(B)), sigmoid(B))],
    "gradient_of_log_of_sum_of_exp": [
        lambda: mul(true_div(COL[:, 0], exp(A).sum(axis=1)).dimshuffle(0, "x"), exp(A)),
        lambda: mul(true_div(S, exp(A).sum()), exp(A)),
        lambda: grad(log(exp(W) + exp(V4)).sum(), W),
    ],
    "log_of_sum_of_exp": [lambda: log(exp(A).sum(axis=1)), lambda: log(exp(A).sum())],
    "log_of_softmax": [lambda: log(Softmax(-1)(A)), lambda: log(Softmax(0)(A))],
    "exp_of_logsoftmax": [lambda: exp(LogSoftmax(-1)(A))],
    "exp_over_sum": [lambda: exp(A) / exp(A).sum(axis=1, keepdims=True), lambda: exp(A) / exp(A).sum(axis=0),
                     lambda: exp(A).T / exp(A).sum(axis=1), lambda: exp(A) * T.inv(exp(A).sum(axis=0)),
                     lambda: exp(W) / exp(W).sum()],
    "softmax_of_shifted": [lambda: Softmax(1)(A + COL), lambda: Softmax(0)(add(W, S, W2)),
                           lambda: Softmax(1)(A - A.max(axis=1, keepdims=True)),
                           lambda: LogSoftmax(0)(A - A.max(axis=0))],
    "logsoftmax_at_targets": [lambda: LogSoftmax(-1)(A)[ROWS, Y], lambda: LogSoftmax(1)(A)[ROWS, Y.astype("int8")]],
    "log_of_softmax_at_targets": [lambda: log(P[ROWS, Y])],
    "crossentropy_of_softmax": [lambda: C(P, abs(Y))],
    "gradient_at_targets": [
        lambda: grad(-log(P)[ROWS, Y].mean(), A), lambda: grad(-log(P[ROWS, Y]).sum(), A),
        lambda: grad(mul(C(P, abs(Y)), Y).sum(), A),
    ],
    "gradient_of_log_of_softmax": [lambda: grad(mul(B, log(Softmax(-1)(A))).sum(), A)],
    "softmax_beside_loss": [lambda: [P, *CrossentropySoftmax1Hot()(A, abs(Y))]],
    "transpose_of_dot": [lambda: Dot()(A, B.T).T],
    "gemm": [lambda: sub(A, mul(0.1, Dot()(Dot()(B, B.T), B))),
             lambda: add(mul(S, Dot()(Dot()(B, B.T), B)), mul(0.9, A)),
             lambda: add(Dot()(A, B.T), Dot()(B, A.T)), lambda: sub(neg(mul(S, 2.0, Dot()(A, B.T))), Dot()(A, A.T))],
    "inverse_of_inverse": [lambda: inv(inv(positive()))],
    "product_with_inverse": [
        lambda: Dot()(inv(positive()), A), lambda: Dot()(A.T, inv(positive())),
        lambda: Dot()(inv(positive()), COL[:, 0]), lambda: Dot()(COL[:, 0], inv(positive())),
        lambda: T.batched_dot(inv(T.stack([positive()])), T.stack([A]))],
    "log_of_det": [lambda: log(det(positive())), lambda: log(abs(det(-positive())))],
    "det_of_cholesky": [lambda: det(cholesky(positive())), lambda: slogdet(cholesky(positive()))],
    "solve_with_cholesky": [lambda: solve(cholesky(positive()), A), lambda: solve(cholesky(positive()).T, A)],
}

LOCAL = [rule for table in TABLES.values() for rule in table if rule.local is not None]
CASES = [(rule, k) for rule in LOCAL for k in range(len(EXAMPLES.get(rule.name, ())))]


def test_every_function_has_an_example():
    assert sorted({rule.name for rule in LOCAL} - set(EXAMPLES)) == []
    assert sorted(set(EXAMPLES) - {rule.name for rule in LOCAL}) == []


@pytest.mark.parametrize(("rule", "k"), CASES, ids=lambda value: str(value))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fires_and_keeps_values(rule, k):
    made = EXAMPLES[rule.name][k]()
    outputs = [made] if isinstance(made, Variable) else made
    graph, log = apply_rules([rule], list(GIVEN), outputs, assume=True)
    assert rule.name in {firing.rule for firing in log}, graph.outputs[0].owner
    for old, new in zip(evaluate(outputs, GIVEN), evaluate(graph.outputs, GIVEN), strict=True):
        assert old.dtype == new.dtype
        np.testing.assert_allclose(new, old, rtol=1e-12, atol=1e-12)


def refused(rule_name, *outputs):
    rule = next(rule for rule in LOCAL if rule.name == rule_name)
    return not [f for f in apply_rules([rule], list(GIVEN), outputs, assume=True)[1] if f.rule == rule_name]


def test_values_come_first():
    """What a rule must not do."""
    assert refused("merge_constants", mul(mul(V, 1e-200), 1e-200))  # the product of the constants is 0
    assert refused("merge_constants", add(add(V, 1e20), -1e20))  # nothing is left of what is added in between
    assert refused("reduce_alloc", alloc(S, *A.shape).sum())  # 0 * inf where there is nothing to sum
    assert refused("cast_of_cast", ELEMENTWISE["cast{float64}"](ELEMENTWISE["cast{float32}"](V)))
    assert refused("gemm", *(lambda product: (sub(A, product), product))(Dot()(Dot()(B, B.T), B)))
    assert refused("index_of_elementwise", *(lambda y: (y, y[0]))(exp(A)))
    assert refused("reduce_reduction", A.max(axis=1).sum())
    assert refused("logsoftmax_at_targets", LogSoftmax(0)(A)[ROWS, Y])
    assert refused("compare_with_itself", eq(V, V))


def test_small_integers_beside_others():
    """What a rule combines anew is combined in the dtype of the result."""
    a, b, c = variable("int8", 1, "a"), variable("int8", 1, "b"), variable("int32", 1, "c")
    given = {a: np.int8([100, -128]), b: np.int8([100, -128]), c: np.int32([7, 8]), W: np.array([0.5, 2.0])}
    quotient = next(r for t in TABLES.values() for r in t if str(r.lhs) == "(x / y) / z")
    for rules, output in [([r for r in LOCAL if r.name == "cancel_integers"], sub(add(a, b, c), c)),
                          ([quotient], true_div(true_div(W, a), b))]:
        graph, log = apply_rules(rules, list(given), [output])
        assert log
        for new, old in zip(evaluate(graph.outputs, given), evaluate([output], given)):
            np.testing.assert_allclose(new, old, rtol=1e-15)


def test_stable_losses_are_finite():
    """Far from the origin the spelled loss is inf or nan; the rules make it right."""
    x = np.array([[1000.0, 0.0, -1000.0], [0.0, 800.0, 0.0]])
    targets = np.array([2, 1])
    a, y = variable("float64", 2, "a"), variable("int64", 1, "y")
    from symtensor.graph.fgraph import FunctionGraph
    from tests.optimize.graphs import optimize

    p = T.nnet.softmax(a)
    loss = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    graph, _ = optimize(FunctionGraph.build([a, y], [loss, grad(loss, a)]))
    value, gradient = evaluate(graph.outputs, {a: x, y: targets})
    assert value == 1000.0
    np.testing.assert_allclose(gradient, [[0.5, 0, -0.5], [0, 0, 0]], atol=1e-15)
    t = variable("float64", 2, "t")
    s = T.nnet.sigmoid(a)
    loss = T.nnet.binary_crossentropy(s, t).sum()
    outputs = [loss, grad(loss, a), grad(T.nnet.binary_crossentropy(s, t).mean(), a)]
    graph, _ = optimize(FunctionGraph.build([a, t], outputs))
    x, labels = np.array([[-800.0, 800.0, -800.0, 800.0, 0.0]]), np.array([[0.0, 1, 1, 0, 0.5]])
    value, gradient, mean = evaluate(graph.outputs, {a: x, t: labels})
    assert value == 1600.0 + np.log(2)
    np.testing.assert_allclose(gradient, [[0, 0, -1, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(mean, [[0, 0, -0.2, 0.2, 0]], atol=1e-15)
    for spelling, point, expected in [
        (T.log(1 + T.exp(a)), 800.0, 800.0), (T.log(1 - T.nnet.sigmoid(a)), 800.0, -800.0),
        (T.log(T.exp(a).sum(axis=1)), 800.0, 800.0), (T.exp(a) - 1, 1e-20, 1e-20),
    ]:
        graph, _ = optimize(FunctionGraph.build([a], [spelling]))
        (value,) = evaluate(graph.outputs, {a: np.full((1, 1), point)})
        np.testing.assert_allclose(value.ravel(), expected, rtol=1e-15)


