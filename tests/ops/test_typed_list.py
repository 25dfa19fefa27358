"""Typed lists: every function by its function and its method, types, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor import typed_list as tl

VECTORS = tl.TypedListType(T.dvector)
A, B, C = np.array([1.0, 2.0]), np.array([3.0]), np.zeros(0)


def run(build, *values, kinds=None):
    variables = [tl.TypedListType(T.dvector)() if isinstance(v, list) else T.dvector() if np.ndim(v) else T.lscalar()
                 for v in values]
    found = symtensor.function(variables, build(*variables))(*values)
    return found


def equal(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("methods", [False, True])
def test_functions_and_methods(methods: bool) -> None:
    def call(name):
        method = {"index": "ind"}.get(name, name)
        return (lambda x, *args: getattr(x, method)(*args)) if methods else getattr(tl, name)

    equal(run(call("append"), [A], B), [A, B])
    equal(run(call("extend"), [A], [B, C]), [A, B, C])
    equal(run(call("insert"), [A, B], 1, C), [A, C, B])
    equal(run(call("remove"), [A, B, A], A), [B, A])
    equal(run(call("reverse"), [A, B, C]), [C, B, A])
    assert run(call("index"), [A, B, B], B) == 1
    assert run(call("count"), [A, B, B], B) == 2
    assert run(tl.length, [A, B]).dtype == np.int64
    for key in (slice(None), slice(1, None), slice(None, None, -1), slice(-2, 9, 2)):
        equal(run(lambda x: x[key], [A, B, C]), [A, B, C][key])
    equal([run(lambda x, i: tl.getitem(x, i), [A, B, C], -2)], [B])
    equal(run(lambda x, i: x[i:], [A, B, C], 2), [C])
    equal(run(lambda v: tl.make_list([v, v * 2]), A), [A, A * 2])


def test_results_share_nothing_with_arguments() -> None:
    given = [A.copy()]
    x = VECTORS("x")
    found = symtensor.function([x], [x, tl.append(x, x[0])])(given)
    found[0][0][0] = 9
    assert given[0][0] == 1
    assert found[1][0][0] == 1


def test_types() -> None:
    nested = tl.TypedListType(T.dvector, 2)
    assert nested.get_depth() == 2
    assert VECTORS.get_depth() == 0
    assert nested.ttype.ttype == VECTORS == tl.TypedListType(T.dvector) != tl.TypedListType(T.fvector)
    assert hash(VECTORS) == hash(tl.TypedListType(T.dvector))
    assert repr(VECTORS) == "TypedList <TensorType(float64, vector)>"
    x = nested("x")
    assert x[0][1:][0].type == VECTORS
    assert x[0][0][0].type.ndim == 1
    assert x.ttype == nested.ttype
    assert tl.make_list([x, x]).type == tl.TypedListType(T.dvector, 3)
    assert VECTORS.values_eq([A, B], [A, B])
    assert not VECTORS.values_eq([A], [A, B])
    assert VECTORS.is_valid_value([A])
    assert not VECTORS.is_valid_value([[1.0]])
    constant = VECTORS.make_constant([A, B])
    assert float(constant[1][0].eval()) == 3
    equal(constant.eval(), [A, B])
    f = pickle.loads(pickle.dumps(symtensor.function([v := VECTORS("v")], v.append(v[0]))))
    equal(f([A]), [A, A])


def test_what_is_refused() -> None:
    x, v = VECTORS("x"), T.dvector("v")
    f = symtensor.function([x, v], [x[3], tl.index(x, v), x.remove(v)], on_unused_input="ignore")
    with pytest.raises(IndexError):
        f([A], A)
    with pytest.raises(ValueError, match="no element equal"):
        symtensor.function([x, v], tl.index_(x, v))([A], B)
    with pytest.raises(TypeError, match="argument 0 'x'.*element 1 of the list.*1 dimension|element 1 of the list"):
        f([A, np.zeros((2, 2))], A)
    with pytest.raises(TypeError, match="expected a list"):
        f(A, A)
    with pytest.raises(TypeError, match=r"append: expected TensorType\(float64, vector\)"):
        tl.append(x, T.dmatrix())
    with pytest.raises(TypeError, match="expected a typed list"):
        tl.length(v)
    with pytest.raises(TypeError, match="takes 2 values"):
        tl.append(x)
    with pytest.raises(TypeError, match="one type"):
        tl.make_list([v, T.dmatrix()])
    with pytest.raises(ValueError, match="no type"):
        tl.make_list([])
    with pytest.raises(TypeError, match=r"length\(x\)"):
        len(x)
    with pytest.raises(ValueError, match="depth"):
        tl.TypedListType(T.dvector, -1)
