"""The workloads in PyTorch with `torch.compile`."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import use_torch

use_torch.compiled = torch.compile


def __getattr__(name: str) -> Any:
    return getattr(use_torch, name)
