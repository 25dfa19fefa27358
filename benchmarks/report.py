"""The figures as text, as docs/performance.md and as a plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.measure import Outcome
from benchmarks.workloads import FRAMEWORKS, WORKLOADS, Workload

__all__ = ["best_peer", "geometric_mean", "of_limit", "plot", "ratio", "report", "summary"]

OURS = "symtensor"
SHOWN = {"symtensor": "symtensor", "numpy": "NumPy", "pytensor": "PyTensor", "jax": "JAX", "torch": "PyTorch",
         "torch_compile": "torch.compile"}
COLOURS = {"numpy": "#9aa5b1", "pytensor": "#b07aa1", "jax": "#4e79a7", "torch": "#e15759",
           "torch_compile": "#f28e2b"}


def best_peer(outcome: Outcome) -> str | None:
    """The framework beside symtensor with the fastest step."""
    peers = {name: row.step for name, row in outcome.rows.items() if name != OURS}
    return min(peers, key=peers.__getitem__) if peers else None


def ratio(outcome: Outcome) -> float | None:
    """The best peer's time of a step over symtensor's: above 1 where symtensor is ahead."""
    best = best_peer(outcome)
    if best is None or OURS not in outcome.rows:
        return None
    return outcome.rows[best].step / outcome.rows[OURS].step


def of_limit(outcome: Outcome) -> tuple[str, float, float] | None:
    """Which physical limit binds, its milliseconds, and symtensor's time as a multiple of it."""
    if not outcome.limits or OURS not in outcome.rows:
        return None
    name = max(outcome.limits, key=outcome.limits.__getitem__)
    return name, outcome.limits[name], outcome.rows[OURS].step / outcome.limits[name]


def geometric_mean(values: Iterable[float]) -> float:
    """NaN for none."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def milliseconds(value: float) -> str:
    """With a unit that leaves some digits before the point."""
    if value < 0.1:
        return f"{value * 1e3:.3g} us"
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1e3:.3g} s"


def summary(workload: Workload, outcome: Outcome) -> str:
    """The figures of one workload for a terminal."""
    lines = [f"\n{workload.name}: {workload.title}",
             f"   {'':14}{'first, cold':>12}{'first, warm':>12}{'step':>12}{'fastest':>12}{'peak':>10}"]
    for name, row in outcome.rows.items():
        lines.append(f"   {name:14}{row.cold:>10.2f} s{row.warm:>10.2f} s{milliseconds(row.step):>12}"
                     f"{milliseconds(row.fastest):>12}{row.peak_mb:>7.0f} MB")
    lines += [f"   {name:14}{reason}" for name, reason in outcome.missing.items()]
    found, limit = ratio(outcome), of_limit(outcome)
    if found is not None:
        lines.append(f"   best peer / symtensor: {found:.2f} ({best_peer(outcome)})")
    if limit is not None:
        lines.append(f"   limit: {milliseconds(limit[1])} ({limit[0]}); symtensor takes {limit[2]:.1f} times that")
    return "\n".join(lines)


# ---- the page


def report(outcomes: Mapping[str, Outcome], machine: Mapping[str, str], picture: Path | None) -> str:
    """The whole text of docs/performance.md."""
    measured = [(w, outcomes[w.name]) for w in WORKLOADS if w.name in outcomes]
    ratios = [r for _, outcome in measured if (r := ratio(outcome)) is not None]
    parts = [
        "# Performance\n",
        "Written by `python3 dev.py bench`: every framework in a process of its own, two threads each; those of a row "
        "are timed in turn in one run, and the median of the rounds counts. All results were compared with NumPy's "
        "before. A workload is a record in `benchmarks/workloads.py`.\n",
        f"**Geometric mean of (best peer / symtensor) over {len(ratios)} workloads: {geometric_mean(ratios):.2f}; "
        f"at least 1.0 on {sum(r >= 1 for r in ratios)}.**\n",
    ]
    if picture is not None:
        parts.append(f"![Time of each framework over symtensor's, by workload]({picture.name})\n")
    parts += ["## The machine\n", "| | |\n|---|---|", *(f"| {key} | {value} |" for key, value in machine.items()),
              "\n## A step\n", *_steps(measured), "\n## The physical limit\n", *_limits(measured),
              "\n## First calls and memory\n", *_firsts(measured), "\n## The workloads\n",
              *(f"- `{w.name}`: {w.title}." for w, _ in measured), ""]
    return "\n".join(parts)


Measured = list[tuple[Workload, Outcome]]


def _table(heads: list[str], rows: Iterable[list[str]]) -> list[str]:
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(r) + " |" for r in rows)]


def _frameworks(measured: Measured) -> list[str]:
    return [name for name in FRAMEWORKS if any(name in o.rows or name in o.missing for _, o in measured)]


def _missing(outcome: Outcome, name: str) -> str:
    reason = outcome.missing.get(name, "")
    return reason if reason.startswith(">") else "wrong" if reason.startswith("wrong") else "–"


def _steps(measured: Measured) -> list[str]:
    names = _frameworks(measured)

    def row(workload: Workload, outcome: Outcome) -> list[str]:
        cells = [milliseconds(outcome.rows[n].step) if n in outcome.rows else _missing(outcome, n) for n in names]
        found = ratio(outcome)
        return [f"`{workload.name}`", *cells, "–" if found is None else f"**{found:.2f}**"]

    reasons = sorted({f"{SHOWN[name]} at `{w.name}`: {reason}" for w, o in measured
                      for name, reason in o.missing.items() if not reason.startswith(">")})
    return [*_table(["workload", *(SHOWN[n] for n in names), "best peer / symtensor"],
                    [row(w, o) for w, o in measured]),
            "\n`> N s`: the first step took longer. " + (f"Not measured: {'; '.join(reasons)}." if reasons else "")]


def _limits(measured: Measured) -> list[str]:
    """What no program can beat, and how far symtensor is from it."""
    def row(workload: Workload, outcome: Outcome) -> list[str] | None:
        found, w = of_limit(outcome), workload.size
        if found is None:
            return None
        work = [f"{workload.traffic(w) / 1e6:.3g} MB" if workload.traffic(w) else "",
                f"{workload.flops(w) / 1e9:.3g} GFLOP" if workload.flops(w) else "",
                f"{workload.depth(w) / 1e3:.3g}k in turn" if workload.depth(w) else ""]
        return [f"`{workload.name}`", ", ".join(filter(None, work)), f"{milliseconds(found[1])} ({found[0]})",
                milliseconds(outcome.rows[OURS].step), f"{found[2]:.1f}"]

    rows = [cells for w, o in measured if (cells := row(w, o)) is not None]
    return ["The longest of: copying the bytes that must come from memory and go there; NumPy's matrix product for the "
            "operations of the workload's products; additions that wait for one another. All on two threads, measured "
            "beside the frameworks.\n",
            *_table(["workload", "work", "limit", "symtensor", "times the limit"], rows)]


def _firsts(measured: Measured) -> list[str]:
    names = _frameworks(measured)

    def cell(outcome: Outcome, name: str) -> str:
        if name not in outcome.rows:
            return _missing(outcome, name)
        row = outcome.rows[name]
        return f"{row.cold:.2f}, {row.warm:.2f}, {row.peak_mb:.0f}"

    return ["Seconds from the first line of the model to the end of its first step, without imports: with an empty "
            "cache, and in a new process that finds the cache; then the process's peak memory in MB.\n",
            *_table(["workload", *(SHOWN[n] for n in names)],
                    [[f"`{w.name}`", *(cell(o, n) for n in names)] for w, o in measured])]


# ---- the plot


def plot(outcomes: Mapping[str, Outcome], path: Path) -> Path | None:
    """Each peer's time as a multiple of symtensor's, one line a workload; None where Matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: Matplotlib is not installed")
        return None
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "symtensor", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    rows = [(w.name, outcomes[w.name]) for w in reversed(WORKLOADS)
            if w.name in outcomes and OURS in outcomes[w.name].rows]
    figure, axes = plt.subplots(figsize=(8, 0.27 * len(rows) + 1.2))
    for name, colour in COLOURS.items():
        points = [(o.rows[name].step / o.rows[OURS].step, k) for k, (_, o) in enumerate(rows) if name in o.rows]
        if points:
            axes.scatter(*zip(*points), color=colour, label=SHOWN[name], s=26, zorder=3)
    limits = [(1 / found[2], k) for k, (_, o) in enumerate(rows) if (found := of_limit(o)) is not None]
    if limits:
        axes.scatter(*zip(*limits), color="black", marker="|", s=60, label="physical limit", zorder=2)
    axes.axvline(1, color="#2e7d32", linewidth=2, label=OURS, zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("time of a step as a multiple of symtensor's (right of the line: slower than symtensor)")
    axes.grid(axis="both", color="#e0e0e0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(COLOURS) + 2, frameon=False, fontsize=8,
                columnspacing=1.2, handletextpad=0.3)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path
