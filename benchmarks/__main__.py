"""Measure every installed framework at every workload, in one run.

    python -m benchmarks                        all; writes docs/performance.md and its plot
    python -m benchmarks --only mlp,chain --frameworks symtensor,jax --rounds 9
    python -m benchmarks --quick                few rounds, and no peer that compiles for long

The page is written by runs of all workloads only, or with ``--write``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.limits import description
from benchmarks.measure import Outcome, Row, Settings, measure
from benchmarks.report import plot, report, summary
from benchmarks.workloads import FRAMEWORKS, WORKLOADS, named

PACKAGES = {"torch_compile": "torch"}
SLOW_COMPILERS = ("pytensor", "torch_compile")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="workloads, separated by commas")
    parser.add_argument("--frameworks", help=f"of {', '.join(FRAMEWORKS)}")
    parser.add_argument("--rounds", type=int, help="timed samples of each framework; the median counts (21; quick 5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of steps in a sample (0.1)")
    parser.add_argument("--limit", type=float, help="seconds for a framework's first step (120; quick 20)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures to this file; those in it already are kept")
    parser.add_argument("--from-json", type=Path, help="write the page from such a file, and measure nothing")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md in any case")
    options = parser.parse_args()
    if options.from_json:
        outcomes, machine = read(options.from_json)
        write(outcomes, machine)
        return 0
    frameworks = chosen(options.frameworks, options.quick)
    workloads = [named(name) for name in options.only.split(",")] if options.only else list(WORKLOADS)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    machine = description(sorted({PACKAGES.get(name, name) for name in frameworks}))
    outcomes = read(options.json)[0] if options.json and options.json.exists() else {}
    settings = Settings(options.rounds or (5 if options.quick else 21),
                        options.limit or (20 if options.quick else 120), options.seconds)
    for workload in workloads:
        outcome = measure(workload, frameworks, settings)
        outcomes[workload.name] = outcome
        print(summary(workload, outcome), flush=True)
        if options.json:
            found = {"machine": machine, "outcomes": {name: asdict(value) for name, value in outcomes.items()}}
            options.json.write_text(json.dumps(found, indent=1))
    if options.write or (not options.only and not options.quick and not options.frameworks):
        write(outcomes, machine)
    wrong = [name for name, o in outcomes.items() if any("wrong" in reason for reason in o.missing.values())]
    if wrong:
        print(f"wrong results: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def chosen(wanted: str | None, quick: bool) -> list[str]:
    """The frameworks to measure: those asked for, as far as they are installed."""
    names = wanted.split(",") if wanted else [f for f in FRAMEWORKS if not (quick and f in SLOW_COMPILERS)]
    if unknown := set(names) - set(FRAMEWORKS):
        raise SystemExit(f"no framework {', '.join(sorted(unknown))}; there are {', '.join(FRAMEWORKS)}")
    there = [name for name in names if importlib.util.find_spec(PACKAGES.get(name, name)) is not None]
    if missing := set(names) - set(there):
        print(f"not installed, left out: {', '.join(sorted(missing))}")
    return there


def read(path: Path) -> tuple[dict[str, Outcome], dict[str, str]]:
    """What ``--json`` wrote."""
    found = json.loads(path.read_text())
    outcomes = {name: Outcome({k: Row(**row) for k, row in value["rows"].items()}, value["missing"], value["limits"])
                for name, value in found["outcomes"].items()}
    return outcomes, found["machine"]


def write(outcomes: dict[str, Outcome], machine: dict[str, str]) -> None:
    picture = plot(outcomes, DOCS / "performance.svg")
    (DOCS / "performance.md").write_text(report(outcomes, machine, picture))
    print(f"wrote {DOCS / 'performance.md'}")


if __name__ == "__main__":
    sys.exit(main())
