"""Cases of loops and branches; tests/ops/test_scan.py and test_branch.py have what no case can say."""

from __future__ import annotations

import numpy as np
from cases import case

from symtensor import ifelse, scan
from symtensor import tensor as T


def decayed(rows: np.ndarray) -> np.ndarray:
    found, h = np.empty_like(rows), np.zeros_like(rows[0]) if len(rows) else None
    for k, row in enumerate(rows):
        found[k] = h = np.sin(row) + h * row.dtype.type(0.5)
    return found


case("loops/state", lambda x: scan(lambda row, h: T.sin(row) + h * T.constant(0.5, dtype=row.dtype), x,
                                   T.zeros_like(x[0]))[0], decayed, lambda n, d: [d(n + 1, 3)])
case("loops/rows", lambda x, w: scan(lambda row: T.dot(row, w) * 2, x)[0], lambda x, w: x @ w * 2,
     lambda n, d: [d(n, 3), d(3, 2)], dtypes="fdD")
for truth in (True, False):
    case(f"branch/{truth}", lambda c, x, y: ifelse(c, x * y, T.exp(x[::-1])),
         lambda c, x, y: x * y if c else np.exp(x[::-1]),
         lambda n, d, truth=truth: [np.asarray(truth), d(n, 2), d(n, 2)])
case("branch/in a loop",
     lambda i, x, w: scan(lambda at, row, w: ifelse(at > 5, w[at] * row, row + w[0]), [i, x], None, w)[0],
     lambda i, x, w: x + w[0], lambda n, d: [np.arange(n), d(n, 3), d(3, 3)])
