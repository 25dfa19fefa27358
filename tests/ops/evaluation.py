"""What tests of ops share: a tiny evaluator that checks what each op says of itself, and gradients by
differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

import symtensor.ops.tensor_variable  # noqa: F401
from symtensor.autodiff.gradient import grad
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.ops.convert import int64_constant
from symtensor.ops.elementwise import mul
from symtensor.ops.reduce import sum as sum_

Given = Mapping[Variable, Any]


def variable(
    dtype: str, ndim: int, name: str | None = None, shape: Sequence[int | None] | None = None
) -> Variable:
    """An input variable; all dimensions unknown unless a static shape is given."""
    return TensorType(dtype, shape if shape is not None else (None,) * ndim).make_variable(name)


def interpret(outputs: Sequence[Variable], given: Given, check: bool = True) -> list[np.ndarray]:
    """Values by `perform`; with ``check`` every result is held against its type and its `infer_shape`."""
    values: dict[Variable, Any] = {v: np.asarray(value) for v, value in given.items()}

    def value(v: Variable) -> Any:
        return values[v] if v in values else v.data if isinstance(v, Constant) else values[v]

    for node in toposort(outputs, given):
        inputs = [value(v) for v in node.inputs]
        before = [a.copy() for a in inputs]
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, inputs, storage)
        for array, copy in zip(inputs, before):
            if isinstance(array, np.ndarray):
                np.testing.assert_array_equal(array, copy, err_msg=f"{node.op} changed an input")
        for output, (result,) in zip(node.outputs, storage):
            if not isinstance(output.type, TensorType):  # a sparse matrix, on its way between two ops
                assert output.type.is_valid_value(result), f"{node.op} returned {result!r}"
                values[output] = result
                continue
            assert isinstance(result, np.ndarray), f"{node.op} returned a {type(result).__name__}"
            assert result.dtype == output.type.dtype, (
                f"{node.op}: {result.dtype} instead of {output.type.dtype}"
            )
            assert output.type.accepts(TensorType(result.dtype.name, result.shape)), (
                f"{node.op}: {result.shape}"
            )
            values[output] = result
        if check and node.op.infer_shape is not None:
            check_shapes(node, values, [np.shape(a) for a in inputs])
    return [np.asarray(value(v)) for v in outputs]


def check_shapes(node: Any, values: Given, shapes: Sequence[Sequence[int]]) -> None:
    symbolic = [tuple(int64_constant(dim) for dim in shape) for shape in shapes]
    for output, dims in zip(node.outputs, node.op.infer_shape(node, symbolic)):
        if dims is None:  # the op does not know this one
            continue
        found = tuple(int(dim) for dim in interpret(list(dims), {v: values[v] for v in values}, check=False))
        assert found == values[output].shape, (
            f"{node.op}: infer_shape says {found}, it is {values[output].shape}"
        )


@cache
def native_function() -> Callable[..., Any] | None:
    """`symtensor.function`, where compiled programs work."""
    try:
        from symtensor import config, function

        with config.change_flags(linker="c"):
            x = variable("float64", 0)
            assert function([x], x + 1)(1.0) == 2.0
    except Exception:
        return None
    return function


@cache
def _compiled_function(
    inputs: tuple[Variable, ...], outputs: tuple[Variable, ...]
) -> Callable[..., Any] | None:
    function = native_function()
    if function is None:
        return None
    from symtensor import config

    with config.change_flags(linker="c"):
        return function(list(inputs), list(outputs), on_unused_input="ignore")


def compiled(outputs: Sequence[Variable], given: Given) -> list[np.ndarray] | None:
    """Values by a compiled function; None where none can be made."""
    function = _compiled_function(tuple(given), tuple(outputs))
    return None if function is None else function(*given.values())


def evaluate(
    outputs: Sequence[Variable] | Variable, given: Given, rtol: float = 1e-6, atol: float = 1e-9
) -> Any:
    """Values by the interpreter; native code, where it can be made, must agree."""
    single = isinstance(outputs, Variable)
    wanted = [outputs] if single else list(outputs)
    values = interpret(wanted, given)
    native = compiled(wanted, given)
    for index, value in enumerate(values if native is not None else ()):
        assert native[index].dtype == value.dtype
        assert native[index].shape == value.shape
        tolerance = {"float16": 2e-3, "float32": 1e-5, "complex64": 1e-5}.get(value.dtype.name, rtol)
        np.testing.assert_allclose(native[index], value, rtol=tolerance, atol=max(atol, tolerance * 1e-1))
    return values[0] if single else values


def check_gradient(
    build: Callable[..., Variable],
    values: Sequence[Any],
    *,
    order: int = 1,
    rtol: float = 1e-5,
    step: float = 1e-5,
    seed: int = 0,
) -> None:
    """The gradients of ``sum(weights * build(*inputs))`` against central differences in float64.

    With ``order`` 2 the gradient itself is then checked the same way.
    """
    values = [np.asarray(value, dtype="float64") for value in values]
    inputs = [variable("float64", value.ndim) for value in values]
    built = build(*inputs)
    shape = interpret([built], dict(zip(inputs, values)))[0].shape
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    cost = sum_(mul(built, weights))
    grads = grad(cost, inputs, disconnected_inputs="ignore")
    exact = evaluate(grads, dict(zip(inputs, values)))
    for index, value in enumerate(values):
        numeric = np.zeros_like(value)
        for at in np.ndindex(value.shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(v) for v in values]
                moved[index][at] += sign * step
                ends.append(float(interpret([cost], dict(zip(inputs, moved)), check=False)[0]))
            numeric[at] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(exact[index], numeric, rtol=rtol, atol=rtol, err_msg=f"input {index}")
    if order > 1:
        for index in range(len(values)):
            check_gradient(lambda *xs, k=index: grad(
                sum_(mul(build(*xs), weights)), list(xs), disconnected_inputs="ignore")[k], values,
                           order=order - 1, rtol=rtol * 10, step=step, seed=seed + 1)


def layouts(array: np.ndarray) -> dict[str, np.ndarray]:
    """The same values in memory of different order and steps."""
    wide = np.zeros([2 * dim for dim in array.shape], array.dtype)
    every_second = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    every_second[...] = array
    backwards = np.ascontiguousarray(array[tuple(slice(None, None, -1) for _ in array.shape)])
    return {
        "C": np.ascontiguousarray(array).reshape(array.shape),
        "F": np.asfortranarray(array),
        "negative": backwards[tuple(slice(None, None, -1) for _ in array.shape)],
        "strided": every_second,
    }


def draw(dtype: str, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Random values of a dtype, small enough that sums and products are exact or nearly so."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("uint"):
        return rng.integers(0, 5, shape).astype(dtype)
    if dtype.startswith("int"):
        return rng.integers(-4, 5, shape).astype(dtype)
    values = rng.uniform(-2, 2, shape)
    if dtype.startswith("complex"):
        return (values + 1j * rng.uniform(-2, 2, shape)).astype(dtype)
    return values.astype(dtype)
