"""Evaluating small graphs with NumPy alone, node by node, with every node's promises checked on the way."""

from __future__ import annotations

from functools import reduce
from unittest import mock

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant
from symtensor.graph.walk import toposort
from symtensor.ops.elementwise import broadcast_dim

OBSERVERS = []
"""Further checks of every node that runs: called with (node, input arrays, output arrays)."""


def variable_like(array, name, static=False):
    """An input for the array: its dimensions are known where ``static`` says so or is True."""
    flags = [static] * array.ndim if isinstance(static, bool) else static
    shape = [dim if flag else None for dim, flag in zip(array.shape, flags)]
    return TensorType(array.dtype.name, shape).make_variable(name)


def evaluate(outputs, given, observe=True):
    """The values of the outputs."""
    values = dict(given)

    def value(v):
        return v.data if isinstance(v, Constant) else values[v]

    for node in toposort(outputs, list(given)):
        storage = [[None] for _ in node.outputs]
        inputs = [value(v) for v in node.inputs]
        node.op.perform(node, inputs, storage)
        for output, cell in zip(node.outputs, storage):
            assert isinstance(cell[0], np.ndarray), f"{node}: {type(cell[0])}"
            output.type.filter(cell[0], strict=True)
            values[output] = cell[0]
        if observe:
            check_promises(node, inputs, [cell[0] for cell in storage])
            for observer in OBSERVERS:
                observer(node, inputs, [cell[0] for cell in storage])
    return [value(v) for v in outputs]


def dims_of(node, inputs, outputs):
    """Variables for the dimensions of inputs and (inferred) outputs, and the values they depend on."""
    fresh = {v: v for v in node.inputs if not isinstance(v, Constant)}
    given = {v: a for v, a in zip(node.inputs, inputs) if v in fresh}
    shapes = [
        tuple(T.constant(d, dtype="int64") if s is not None else T.lscalar() for d, s in zip(a.shape, v.type.shape))
        for v, a in zip(node.inputs, inputs)
    ]
    for shape, array in zip(shapes, inputs):
        given.update({v: np.asarray(d) for v, d in zip(shape, array.shape) if not isinstance(v, Constant)})
    return shapes, given


def check_promises(node, inputs, outputs):
    """infer_shape gives the run-time shape, checks hold, and a view lies where it says."""
    if any(not isinstance(v.type, TensorType) for v in node.inputs):
        return
    op = node.op
    shapes, given = dims_of(node, inputs, outputs)
    if op.infer_shape is None:
        return
    inferred = op.infer_shape(node, shapes)
    for array, dims in zip(outputs, inferred):
        assert tuple(int(v) for v in evaluate(dims, given, False)) == array.shape, f"{node}: {array.shape}"
    if hasattr(op, "checks"):
        for good, code, values in op.checks(node, [*shapes, *inferred]):
            assert (good.type.dtype, good.type.ndim) == ("bool", 0)
            assert evaluate([good], given, False)[0], f"{node}: {code}"
            assert len(values) <= 8
            evaluate(list(values), given, False)
    if op.view_map and not getattr(op, "reshape_view", False):
        base = inputs[0].copy(order="C")
        flat = np.concatenate([base.ravel(), base.ravel()[:1]]) if base.size else np.zeros(1, base.dtype)
        strides = [T.constant(s // base.itemsize, dtype="int64") for s in base.strides]
        view = op.view(node, [*shapes, *inferred], strides)
        offset, *steps = (int(v) for v in evaluate([view.offset, *view.strides], given, False))
        if outputs[0].size:
            found = np.lib.stride_tricks.as_strided(flat[offset:], outputs[0].shape, [s * base.itemsize for s in steps])
            np.testing.assert_array_equal(found, outputs[0])


def failing_checks(output, given):
    """The exceptions of the run-time checks that fail, of the node that makes ``output``."""
    node = output.owner
    inputs = evaluate(list(node.inputs), given)
    shapes, values = dims_of(node, inputs, None)
    inferred = node.op.infer_shape(node, shapes) if node.op.infer_shape is not None else []
    found = []
    # Checks are for native code, where `broadcast_dim` itself checks nothing.
    with mock.patch.object(broadcast_dim, "numpy", lambda *dims: reduce(lambda a, b: b if a == 1 else a, dims)):
        for good, code, told in node.op.checks(node, [*shapes, *inferred]):
            if not evaluate([good], values, False)[0]:
                found.append(node.op.failure(node, code, [int(v) for v in evaluate(list(told), values, False)]))
    return found


def check(build, expected, *arrays, static=(False, True)):
    """``build(*variables)`` equals ``expected(*arrays)``, for known and unknown dimensions."""
    for flag in static:
        variables = [variable_like(a, f"v{k}", flag) for k, a in enumerate(arrays)]
        output = build(*variables)
        outputs = list(output) if isinstance(output, (list, tuple)) else [output]
        results = evaluate(outputs, dict(zip(variables, arrays)))
        wanted = expected(*[a.copy() for a in arrays])
        wanted = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        assert len(results) == len(wanted)
        for result, want in zip(results, wanted):
            np.testing.assert_array_equal(result, want)
            assert result.dtype == np.asarray(want).dtype


def check_grad(build, *arrays, twice=True):
    """Gradients of a smooth cost of ``build(*variables)`` against differences, and those of the gradient."""
    from symtensor.autodiff.gradient import grad

    rng = np.random.default_rng(0)
    variables = [variable_like(a, f"v{k}") for k, a in enumerate(arrays)]
    given = dict(zip(variables, arrays))
    output = build(*variables)
    (value,) = evaluate([output], given)
    weights = T.constant(rng.normal(size=value.shape))
    cost = T.sum(T.sqr(output) * weights) + T.sum(output * weights)
    grads = [grad(cost, v) for v in variables]
    _compare(cost, grads, variables, given)
    if twice:
        pushed = sum((T.sum(T.sqr(g)) for g in grads[1:]), T.sum(T.sqr(grads[0])))
        _compare(pushed, [grad(pushed, v, disconnected_inputs="ignore") for v in variables], variables, given)


def _compare(cost, grads, variables, given, step=1e-6):
    computed = evaluate(grads, given)
    for v, g in zip(variables, computed):
        wanted = np.zeros_like(given[v])
        for at in np.ndindex(given[v].shape):
            ends = []
            for sign in (1, -1):
                moved = given[v].copy()
                moved[at] += sign * step
                ends.append(float(evaluate([cost], {**given, v: moved}, False)[0]))
            wanted[at] = (ends[0] - ends[1]) / (2 * step)
        assert g.shape == wanted.shape
        np.testing.assert_allclose(g, wanted, rtol=1e-5, atol=1e-5)



def check_native(cases):
    """One compiled function computes what NumPy does, node by node: ``cases`` holds (build, arrays)."""
    from evaluation import native_function

    import symtensor

    if native_function() is None:
        pytest.skip("no native code on this machine")
    given, outputs = {}, []
    for build, *arrays in cases:
        variables = [variable_like(a, None) for a in arrays]
        given.update(zip(variables, arrays))
        made = build(*variables)
        outputs += made if isinstance(made, list) else [made]
    wanted = evaluate(outputs, given, observe=False)
    with symtensor.config.change_flags(linker="c"):
        function = symtensor.function(list(given), outputs, on_unused_input="ignore")
    assert function.backend == "c"
    found = function(*[a.copy() for a in given.values()])
    for k, (value, want) in enumerate(zip(found, wanted)):
        assert value.dtype == want.dtype, outputs[k].owner
        np.testing.assert_array_equal(value, want, err_msg=str(outputs[k].owner))
