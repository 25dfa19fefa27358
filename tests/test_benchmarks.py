"""The benchmark measures what it says: workloads agree, its comparison finds what is wrong, its ratios are right."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import symtensor
from benchmarks import __main__ as program
from benchmarks.limits import Limit
from benchmarks.measure import Outcome, Row, differences
from benchmarks.report import best_peer, geometric_mean, milliseconds, of_limit, ratio, report, summary
from benchmarks.worker import prepared, results_of
from benchmarks.workloads import ARRAYS, FRAMEWORKS, WORKLOADS, Workload, data_of, named

FUNCTIONS = sorted({w.function: w for w in WORKLOADS}.values(), key=lambda w: w.name)


@pytest.fixture(autouse=True)
def floats() -> Iterator[None]:
    """The modules set floatX when they are imported."""
    with symtensor.config.change_flags(floatX="float32"):
        yield


def results(framework: str, workload: Workload, seed: int = 0) -> list[np.ndarray]:
    module = importlib.import_module(f"benchmarks.use_{framework}")
    return results_of(*prepared(module, workload, data_of(workload, tiny=True, seed=seed)))


def start(workload: Workload) -> list[np.ndarray]:
    return list(data_of(workload, tiny=True).start.values()) if workload.learns else []


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_symtensor_agrees_with_numpy(workload: Workload) -> None:
    got, expected = results("symtensor", workload), results("numpy", workload)
    assert not differences(workload, got, expected, start(workload))
    assert all(np.isfinite(value).all() and value.any() for value in expected)


@pytest.mark.parametrize("workload", FUNCTIONS, ids=lambda w: w.function)
def test_other_data_is_found_to_differ(workload: Workload) -> None:
    if workload.function == "scalar":
        return  # its only number is fixed
    got = results("numpy", workload, seed=1)
    assert differences(workload, got, results("numpy", workload), start(workload))


def test_every_workload_has_arrays_and_a_row_of_its_own() -> None:
    assert {w.function for w in WORKLOADS} == set(ARRAYS)
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)
    assert set(named("mlp").sizes) == set(named("mlp").tiny)
    with pytest.raises(KeyError, match=r"no workload 'mpl'; there are logreg, mlp"):
        named("mpl")


def test_what_a_workload_must_move_and_compute() -> None:
    mlp, chain = named("mlp"), named("chain")
    assert mlp.flops(mlp.size) == 2 * 600 * 500 * (784 + 784 + 10 + 10 + 10)
    assert chain.traffic(chain.size) == 8e6
    assert all(w.flops(w.size) >= 0 and w.traffic(w.size) >= 0 for w in WORKLOADS)


def test_differences() -> None:
    w = replace(named("chain"), tolerance=1e-3)
    one = np.array([1.0, 2.0], "float32")
    assert not differences(w, [one * 1.0005], [one])
    assert differences(w, [one * 1.002], [one]) == ["result 0 differs by 2.0e-03 of the largest"]
    assert differences(w, [one[:1]], [one]) == ["result 0 has shape (1,), not (2,)"]
    assert differences(w, [], [one]) == ["0 results, not 1"]
    assert differences(w, [one * np.nan], [one])
    begin = one - 1e-3  # parameters went a thousandth: half of that is not enough
    assert differences(w, [one, begin + 5e-4], [one, one], [begin])
    assert not differences(replace(w, random=True), [one[::-1]], [one])


def outcome() -> Outcome:
    rows = {"symtensor": Row(0.5, 0.1, 2.0, 1.9, 50, 40), "jax": Row(1, 0.2, 3.0, 2.9, 200, 150),
            "torch": Row(0, 0, 6.0, 5, 300, 200)}
    return Outcome(rows, {"pytensor": "> 120 s", "numpy": "wrong: result 0 differs"}, {"memory": 0.5, "products": 1.0})


def test_ratios() -> None:
    found = outcome()
    assert best_peer(found) == "jax"
    assert ratio(found) == 1.5
    assert of_limit(found) == ("products", 1.0, 2.0)
    del found.rows["symtensor"]
    assert ratio(found) is None
    assert of_limit(found) is None
    assert ratio(Outcome()) is None
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert np.isnan(geometric_mean([]))


@pytest.mark.parametrize(("value", "text"),
                         [(0.0004, "0.4 us"), (0.25, "0.25 ms"), (12.34, "12.3 ms"), (2341, "2.34 s")])
def test_times_are_shown_with_a_fitting_unit(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_the_page_says_everything() -> None:
    w = named("mlp")
    page = report({w.name: outcome()}, {"processor": "a fast one"}, Path("plot.svg"))
    assert "**Geometric mean of (best peer / symtensor) over 1 workloads: 1.50; at least 1.0 on 1.**" in page
    assert "| `mlp` | 2 ms | wrong | > 120 s | 3 ms | 6 ms | **1.50** |" in page
    assert "| `mlp` | 5.02 MB, 0.959 GFLOP | 1 ms (products) | 2 ms | 2.0 |" in page
    assert "(plot.svg)" in page
    assert "| processor | a fast one |" in page
    assert "NumPy at `mlp`: wrong: result 0 differs" in page
    assert "best peer / symtensor: 1.50 (jax)" in summary(w, outcome())


def test_limits_are_measured() -> None:
    for name in ("mlp", "running_sum", "scalar"):
        limit = Limit(named(name))
        found = limit.measure(seconds=0.001)
        limit.close()
        kinds = {"mlp": {"memory", "products"}, "running_sum": {"memory", "latency"}, "scalar": set()}
        assert set(found) == kinds[name]
        assert all(value > 0 for value in found.values())


def test_a_run_writes_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    """Processes, comparison, rounds and the file, at the quickest workload."""
    path = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "scalar", "--frameworks", "symtensor,numpy", "--rounds", "2",
                                      "--seconds", "0.001", "--json", str(path)])
    assert program.main() == 0
    assert "best peer / symtensor" in capsys.readouterr().out
    outcomes, machine = program.read(path)
    row = outcomes["scalar"].rows["symtensor"]
    assert 0 < row.fastest <= row.step < row.cold * 1e3
    assert row.peak_mb >= row.base_mb > 10
    assert machine["processor"]
    assert json.loads(path.read_text())["outcomes"]["scalar"] == asdict(outcomes["scalar"])


def test_frameworks_are_chosen() -> None:
    assert program.chosen("symtensor,numpy", quick=False) == ["symtensor", "numpy"]
    assert not set(program.chosen(None, quick=True)) & set(program.SLOW_COMPILERS)
    with pytest.raises(SystemExit, match="no framework tensorflow"):
        program.chosen("tensorflow", quick=False)
    assert set(program.chosen(None, quick=False)) <= set(FRAMEWORKS)
