"""Restricted Boltzmann machine, learned by one step of contrastive divergence (Hinton, Neural Computation 2002)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

FIRST_SPREAD = 0.01


class Machine(nn.Module):
    """Visible and hidden units, each tied to all of the other side and to none of its own; hidden units are binary.

    Args:
        visible: visible units.
        hidden: hidden units.
        numbers: whether visible units are Gaussians of unit spread, and not binary.
    """

    def __init__(self, visible: int, hidden: int, *, numbers: bool = False) -> None:
        super().__init__()
        self.numbers = numbers
        self.weight = nn.Parameter(FIRST_SPREAD * torch.randn(visible, hidden))
        self.visible = nn.Parameter(torch.zeros(visible))
        self.hidden = nn.Parameter(torch.zeros(hidden))

    def chances(self, rows: torch.Tensor) -> torch.Tensor:
        """Chances ``float32[n, hidden]`` that hidden units are on beside visible rows ``float32[n, visible]``."""
        return torch.sigmoid(rows @ self.weight + self.hidden)

    def rebuilt(self, states: torch.Tensor) -> torch.Tensor:
        """Means ``float32[n, visible]`` of visible units beside hidden states ``float32[n, hidden]``."""
        inputs = states @ self.weight.T + self.visible
        return inputs if self.numbers else torch.sigmoid(inputs)

    def energy(self, rows: torch.Tensor) -> torch.Tensor:
        """Free energy ``float32[n]`` of visible rows, in nats: a row's negative log chance but for a constant."""
        own = 0.5 * (rows - self.visible).square().sum(dim=1) if self.numbers else -(rows @ self.visible)
        return own - functional.softplus(rows @ self.weight + self.hidden).sum(dim=1)

    def contrast(self, rows: torch.Tensor) -> torch.Tensor:
        """Free energy of rows above that of what one step of the machine makes of them, a mean (a scalar).

        Its gradient is the contrastive divergence of one step: what is made is taken as given.
        """
        with torch.no_grad():
            made = self.rebuilt(torch.bernoulli(self.chances(rows)))
        return (self.energy(rows) - self.energy(made)).mean()
