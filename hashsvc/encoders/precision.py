"""Mixed precision: where numbers may be halved, and what opts out.

Halved numbers feed further layers. What decides a bit, compares with a codebook or makes up a loss is float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

HALVED = torch.bfloat16
ABLE = frozenset({"cpu", "cuda"})


def mixed(device: torch.device) -> AbstractContextManager[object]:
    """Matrix products and convolutions in bfloat16 on a GPU, in float32 elsewhere."""
    return torch.autocast(device.type, HALVED) if device.type == "cuda" else nullcontext()


def single(device: torch.device) -> AbstractContextManager[object]:
    """Convolutions in float32 as they are written, where cuDNN would round what they multiply to TF32 (10 bits)."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()


def whole(device: torch.device) -> AbstractContextManager[object]:
    """Everything in float32, whatever :func:`mixed` says outside; what comes in halved must be made whole first."""
    halved = device.type in ABLE and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if halved else nullcontext()


class Deciding(nn.Linear):
    """A layer that bits are cut from: float32 in and out."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``float32[n, out]``."""
        with whole(rows.device):
            return super().forward(rows.float())
