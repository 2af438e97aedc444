"""Adversarial terms inside one loss (Goodfellow et al., NeurIPS 2014): who is judged must not teach the judge.

All players take their step at the same time, on one sum of terms. Where a term is meant for some players only, the
others are frozen in it: they compute, and learn nothing from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.func import functional_call

if TYPE_CHECKING:
    from torch import nn


def frozen(module: nn.Module, *given: torch.Tensor) -> torch.Tensor:
    """``module(*given)``, differentiable in what is given but not in the module's own numbers."""
    found: torch.Tensor = functional_call(module, {name: p.detach() for name, p in module.named_parameters()}, given)
    return found
