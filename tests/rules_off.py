"""The suite with one rule off at a time: ``python3 dev.py rules``, a plugin of pytest.

A test is run as it is, and the rules that were applied in it are noted; then it is run again without each of these. A
test that asserts what the optimizer makes of a graph, not what the graph computes, is marked ``optimized`` and is not
run again. So that this stays affordable, a rule is left out in ``--rules-each`` tests (of each process), those that are
long are passed over, and ``--rules-only`` names the rules that matter.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

import symtensor.optimize.rules  # noqa: F401  (fills the tables)
from symtensor import config
from symtensor.optimize.explain import Log
from symtensor.optimize.pattern import TABLES

ALWAYS = {"expand"}
"""Rules that the steps after them take for granted."""

RULES = {rule.name for table in TABLES.values() for rule in table} - ALWAYS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rules-each", type=int, default=6, help="tests to run again without a rule, in each process")
    parser.addoption("--rules-longest", type=float, default=2.0, help="seconds of the longest test to run again")
    parser.addoption("--rules-only", default="", help="names of rules, separated by semicolons")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RulesOff(config), "rules-off")


class RulesOff:
    """Notes rules, and runs tests again."""

    def __init__(self, options: pytest.Config) -> None:
        self.each = options.getoption("--rules-each")
        self.longest = options.getoption("--rules-longest")
        self.only = {name for name in options.getoption("--rules-only").split(";") if name}
        self.times: Counter[str] = Counter()

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        applied: set[str] = set()
        began, passed = time.perf_counter(), False
        with noting(applied):
            reports = runtestprotocol(item, nextitem=nextitem, log=True)
            passed = all(report.passed for report in reports)
        again = passed and item.get_closest_marker("optimized") is None
        if again and time.perf_counter() - began <= self.longest:
            for rule in sorted(applied & RULES):
                if self.times[rule] < self.each and (not self.only or rule in self.only):
                    self.times[rule] += 1
                    self.without(rule, item, nextitem)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def without(self, rule: str, item: Any, nextitem: Any) -> None:
        """Run the test without the rule, and report that it fails."""
        if not hasattr(item, "_initrequest"):
            return
        item._initrequest()
        with config.change_flags(optimizer_excluding=rule):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if report.failed:
                report.longrepr = f"{item.nodeid} without the rule {rule}:\n{report.longreprtext}"
                item.ihook.pytest_runtest_logreport(report=report)


class noting:  # noqa: N801 - a context manager
    """Adds the names of the rules that are applied to a set."""

    def __init__(self, applied: set[str]) -> None:
        self.applied = applied

    def __enter__(self) -> None:
        applied = self.applied

        def append(log: Log, firing: Any) -> None:
            applied.add(firing.rule)
            list.append(log, firing)

        Log.append = append  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        del Log.append
