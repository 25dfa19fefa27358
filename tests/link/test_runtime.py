"""Programs and calls, with the extension and without."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import numpy as np
import pytest
import runtime_programs as programs
from runtime_programs import SCALAR, VECTOR, code, function, host_node

from symtensor.graph.shared import Container
from symtensor.graph.types import TensorType
from symtensor.link import execute

pytestmark = [pytest.mark.compiler, programs.needs_compiler]


@pytest.fixture(autouse=True, params=["extension", "ctypes"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "ctypes":
        programs.use_ctypes(monkeypatch)
    elif execute.extension is None:
        pytest.skip("the extension is not built")
    return str(request.param)


def add_one(**settings: Any) -> Any:
    return function(execute.load(code(programs.ADD_ONE, [SCALAR], [SCALAR])), **settings)


def shared(value: Any) -> Container:
    return Container(VECTOR, np.asarray(value, "float64"))


def step(inplace: bool, a: Container, b: Container, **settings: Any) -> Any:
    source = programs.STEP_INPLACE if inplace else programs.STEP
    program = execute.load(code(source, [VECTOR] * 3, [VECTOR] * 3, {1: 1, 2: 2} if inplace else {}))
    return function(program, containers=[a, b], targets=[0, 1], unpack=1, **settings)


# -- programs ------------------------------------------------------------------------------------------------------


def test_run() -> None:
    program = execute.load(code(programs.ADD_ONE, [SCALAR], [SCALAR]))
    (result,) = program.run([np.array(2.0)])
    assert (result, result.shape, result.dtype) == (3.0, (), np.float64)
    assert (result.flags.writeable, result.flags.aligned, result.ctypes.data % 64) == (True, True, 0)
    assert program.path.endswith(".so")
    with pytest.raises(TypeError, match="expected a float64 array"):
        program.run([np.array(2)])
    with pytest.raises(ValueError, match="takes 1 arrays, got 2"):
        program.run([np.array(2.0), np.array(2.0)])


def test_run_statuses() -> None:
    with pytest.raises(execute.ProgramFailure) as caught:
        execute.load(code(programs.FAILS, [SCALAR], [VECTOR])).run([np.array(1.0)])
    assert (caught.value.code, caught.value.node) == (3, 7)
    assert caught.value.values == (-5, 0, 0, 0, 0, 0, 0, 1 << 40)
    with pytest.raises(execute.NeedsGeneral):
        execute.load(code(programs.GENERAL, [SCALAR], [SCALAR])).run([np.array(1.0)])
    with pytest.raises(MemoryError):
        execute.load(code(programs.NO_MEMORY, [SCALAR], [SCALAR])).run([np.array(1.0)])


def test_constants_follow_the_inputs() -> None:
    source = programs.main("double *o = NEW(0, 1); *o = *IN(0) * IN(1)[1];")
    program = execute.load(code(source, [SCALAR], [SCALAR], constants=(np.array([3.0, 5.0]),)))
    assert program.run([np.array(2.0)])[0] == 10.0
    assert function(program, unpack=1)(4.0) == 20.0


def test_result_memory_is_reused_and_released() -> None:
    call = add_one(unpack=1)
    first = call(1.0)
    address = first.ctypes.data
    kept = call(2.0)
    assert kept.ctypes.data != address
    del first
    assert call(3.0).ctypes.data == address
    kept += 1
    assert kept == 4.0


# -- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.5, np.float64(1.5), np.array(1.5), np.array(1.5, ">f8")], ids=repr)
def test_scalars_that_go_straight_in(value: Any) -> None:
    call = add_one(unpack=1)
    assert call(value) == 2.5
    assert call.record == []


@pytest.mark.parametrize("value", [True, np.float32(2), [1.0][0:0], 10**400, "text", None, np.ma.array(1.0)],
                         ids=lambda value: repr(value)[:12])
def test_other_values_are_converted_in_python(value: Any) -> None:
    call = add_one(unpack=1)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        call(value)
    assert call.record == [("convert", 0)]


def test_python_floats_only_where_allowed() -> None:
    call = add_one(unpack=1, takes=[0])
    assert call(1.0) == 2.0
    assert call.record == [("convert", 0)]


def test_exact_and_writeable_arrays() -> None:
    fixed = np.array(1.0)
    fixed.flags.writeable = False
    for takes, value in ((execute.EXACT, 1.0), (execute.EXACT, np.array(1.0, ">f8")), (execute.WRITEABLE, fixed)):
        call = add_one(unpack=1, takes=[takes])
        assert call(np.array(1.0)) == 2.0
        assert call.record == []
        assert call(value) == 2.0
        assert call.record == [("convert", 0)]
        call.trust_input = True
        assert call(np.array(1.0)) == 2.0
        assert call.record == [("convert", 0)]


def test_keywords_and_defaults(implementation: str) -> None:
    source = programs.main("double *o = NEW(0, 1); *o = *IN(0) + 10 * *IN(1) + 100 * *IN(2);")
    program, defaults = execute.load(code(source, [SCALAR] * 3, [SCALAR])), [None, np.array(5.0), None]
    call = function(program, unpack=1, names=(("a", "b", None), defaults, (0, 2, 1)))
    if implementation == "ctypes":  # all of it is left to Python
        with pytest.raises(TypeError, match="takes one argument"):
            call(1.0, b=2.0)
        return
    made = "".join(["a", "a"])[:1]  # not the string that the names hold
    assert [call(1.0, b=2.0), call(b=2.0, a=1.0), call(b=2.0, **{made: 1.0})] == [521.0] * 3
    assert [call(1.0, 2.0, 3.0), call(1.0, 2.0)] == [321.0, 521.0]
    defaults[1] = np.array(7.0)
    assert call(1.0, b=2.0) == 721.0
    assert call.record == []
    for args, kwargs in (((1.0,), {"a": 1.0}), ((1.0,), {"c": 1.0}), ((), {"a": 1.0}), ((1.0,), {}), ((), {}),
                         ((1.0, 2.0, 3.0, 4.0), {}), ((1.0, 2.0, 3.0), {"b": 1.0})):
        call.record.clear()
        with pytest.raises((TypeError, RecursionError)):
            call(*args, **kwargs)
        assert call.record[0] == ("indirect", args, kwargs)


def test_layouts() -> None:
    source = programs.main("""
        const int64_t *shape = call->inputs[0].shape;
        double *o = NEW(0, shape[0] * shape[1]);
        memcpy(o, IN(0), (size_t)(shape[0] * shape[1]) * 8);
        memcpy(call->outputs[0].shape, shape, 16);""")
    kind = TensorType("float64", (None, None))
    call = function(execute.load(code(source, [kind], [kind])), unpack=1)
    base = np.arange(24.0).reshape(4, 6)
    for view in (base, base.T, base[::2, ::-1], base[:, :0], base[1:2, 3:4], base.astype(">f8"), base.copy("F")):
        np.testing.assert_array_equal(call(view), view)
    assert call.record == []
    np.testing.assert_array_equal(call(np.ma.array(base)), base)  # a subclass is left to Python
    assert call.record == [("convert", 0)]
    with pytest.raises(TypeError, match="float64 array"):
        call(np.zeros(3))
    unaligned = np.zeros(8 * 4 + 1, "u1")[1:].view("float64").reshape(2, 2)
    np.testing.assert_array_equal(call(unaligned), 0)


def test_static_dimensions_are_checked() -> None:
    kind = TensorType("float64", (3,))
    source = programs.main("double *o = NEW(0, 1); *o = IN(0)[2];")
    call = function(execute.load(code(source, [kind], [SCALAR])), unpack=1)
    assert call(np.array([1.0, 2.0, 3.0])) == 3.0
    with pytest.raises(TypeError, match=r"shape \(3,\)"):
        call(np.zeros(2))


def test_keywords_and_missing_arguments_are_bound_in_python() -> None:
    call = add_one(unpack=1)
    assert call(x=1.0) == 2.0
    assert call.record == [("indirect", (), {"x": 1.0})]
    with pytest.raises(TypeError, match="takes one argument"):
        call()
    with pytest.raises(TypeError, match="takes one argument"):
        call(1.0, 2.0)


@pytest.mark.parametrize(("unpack", "expected"), [(0, [3.0]), (1, 3.0), (3, {"results": [3.0]})])
def test_unpack(unpack: int, expected: Any) -> None:
    assert add_one(unpack=unpack)(2.0) == expected


def test_setup_refuses_what_does_not_fit() -> None:
    program = execute.load(code(programs.ADD_ONE, [SCALAR], [SCALAR]))
    with pytest.raises(ValueError, match="does not fit"):
        function(program, unpack=2)
    with pytest.raises(ValueError, match="does not fit"):
        function(program, containers=[shared([1.0]), shared([1.0])])


def test_failures_and_guards_reach_the_subclass() -> None:
    call = function(execute.load(code(programs.FAILS, [SCALAR], [VECTOR])))
    with pytest.raises(IndexError) as caught:
        call(2.5)
    assert caught.value.args == (3, 7, (-5, 0, 0, 0, 0, 0, 0, 1 << 40), [2.5])
    call = function(execute.load(code(programs.GENERAL, [SCALAR], [SCALAR])))
    assert call(2.5) == ("general", [2.5])


def test_functions_are_collected() -> None:
    call = add_one()
    call.me = call
    gone = weakref.ref(call)
    del call
    gc.collect()
    assert gone() is None


# -- shared variables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inplace", [False, True])
def test_updates(inplace: bool) -> None:
    a, b = shared([1.0, 2.0]), shared([10.0, 20.0])
    memory = a.storage[0].ctypes.data
    call = step(inplace, a, b)
    np.testing.assert_array_equal(call(np.array([0.5, 0.25])), [1.5, 2.25])
    np.testing.assert_array_equal(a.value, [1.5, 2.25])
    np.testing.assert_array_equal(b.value, [9.5, 19.75])
    assert (a.storage[0].ctypes.data == memory) == inplace


@pytest.mark.parametrize("inplace", [False, True])
def test_arguments_that_borrow_shared_memory(inplace: bool) -> None:
    a, b = shared([1.0, 2.0]), shared([10.0, 20.0])
    call = step(inplace, a, b)
    np.testing.assert_array_equal(call(a.value), [2.0, 4.0])
    np.testing.assert_array_equal(a.value, [2.0, 4.0])
    np.testing.assert_array_equal(b.value, [9.0, 18.0])


def test_shared_variables_over_the_same_memory() -> None:
    a, b = shared([1.0, 2.0]), shared([0.0])
    b.storage[0] = a.storage[0]
    step(True, a, b)(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(a.value, [2.0, 3.0])
    np.testing.assert_array_equal(b.value, [0.0, 1.0])


def test_read_only_and_strided_shared_memory() -> None:
    a, b = shared([1.0, 2.0]), shared([10.0, 20.0])
    a.storage[0].flags.writeable = False
    constant = a.storage[0]
    b.storage[0] = np.array([10.0, 0.0, 20.0])[::2]
    step(True, a, b)(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(constant, [1.0, 2.0])
    np.testing.assert_array_equal(a.value, [2.0, 3.0])
    np.testing.assert_array_equal(b.value, [9.0, 19.0])


def test_a_wrong_shared_value_is_refused() -> None:
    a, b = shared([1.0]), shared([1.0])
    a.storage[0] = np.zeros(1, "int64")
    with pytest.raises(TypeError, match="expected a float64 array"):
        step(False, a, b)(np.array([1.0]))
    assert not a.lock.acquire(blocking=False) or a.lock.release() is None


# -- host calls ----------------------------------------------------------------------------------------------------


def host_program(host: Any) -> Any:
    return execute.load(code(programs.HOST, [VECTOR], [VECTOR], hosts=[host_node()]), host)


def test_host_call() -> None:
    seen = []

    def host(index: int, arrays: list[Any]) -> list[Any]:
        seen.append((index, arrays[0].tolist()))
        return [(arrays[0] * 10)[::1]]

    call = function(host_program(host), unpack=1)
    np.testing.assert_array_equal(call(np.array([1.0, 2.0])), [21.0, 41.0])
    assert seen == [(0, [2.0, 4.0])]


def test_host_results_of_any_layout() -> None:
    program = host_program(lambda index, arrays: [np.repeat(arrays[0], 2)[::2]])
    np.testing.assert_array_equal(program.run([np.array([1.0, 2.0])])[0], [3.0, 5.0])
    program = host_program(lambda index, arrays: [arrays[0]])
    np.testing.assert_array_equal(program.run([np.array([1.0, 2.0])])[0], [3.0, 5.0])


def test_what_a_host_keeps_stays_alive() -> None:
    kept = []
    program = host_program(lambda index, arrays: (kept.append(arrays[0][1:]), [arrays[0] + 1])[1])
    for _ in range(5):
        program.run([np.arange(1000.0)])
    gc.collect()
    others = [program.run([np.arange(1000.0)])[0] for _ in range(5)]
    for view in kept:
        assert len({view.ctypes.data, *(other.ctypes.data for other in others)}) == 6
        view.sum()


@pytest.mark.parametrize(("host", "error", "match"), [
    (lambda index, arrays: 1 / 0, ZeroDivisionError, "division"),
    (lambda index, arrays: [], ValueError, "returned 0 arrays"),
    (lambda index, arrays: [np.zeros(2, "int8")], TypeError, "float64 array"),
    (lambda index, arrays: [np.zeros((2, 2))], TypeError, "float64 array"),
    (lambda index, arrays: 5, TypeError, "sequence|len"),
])
def test_host_errors(host: Any, error: type[Exception], match: str) -> None:
    call = function(host_program(host), unpack=1)
    with pytest.raises(error, match=match):
        call(np.array([1.0, 2.0]))


# -- memory --------------------------------------------------------------------------------------------------------


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def test_calls_leak_nothing() -> None:
    call, failing = add_one(unpack=1), function(execute.load(code(programs.FAILS, [SCALAR], [VECTOR])))
    hosted = function(host_program(lambda index, arrays: [arrays[0] * 2]), unpack=1)
    x = np.ones(3)

    def work(times: int) -> None:
        for _ in range(times):
            call(1.0)
            call(x=2.0)
            call.record.clear()
            hosted(x)
            with pytest.raises(IndexError):
                failing(1.0)

    work(300)
    before = resident()
    work(3000)
    assert resident() - before < 2_000_000
