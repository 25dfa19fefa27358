"""The workloads in PyTorch with `torch.compile`."""

from __future__ import annotations

import torch

from benchmarks import use_torch
from benchmarks.use_torch import chain, chain_grad, logreg, mlp, scalar

use_torch.compiled = torch.compile

__all__ = ["chain", "chain_grad", "logreg", "mlp", "scalar"]
