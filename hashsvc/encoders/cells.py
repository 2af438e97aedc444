"""Residual cells over a grid of places (Vahdat & Kautz, NeurIPS 2020, figure 3a)."""

from __future__ import annotations

import torch
from torch import nn

WIDER, SQUEEZED, SIDE = 2, 4, 3


class Excitation(nn.Module):
    """Channels weighed by what they say over all places (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // SQUEEZED, 1)
        self.weigh = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid())

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, rows, columns, channels]``, as given."""
        found: torch.Tensor = grid * self.weigh(grid.mean(dim=(1, 2)))[:, None, None]
        return found


class Normalised(nn.BatchNorm1d):
    """Channels of a grid, normalised over all places of a batch."""

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, rows, columns, channels]``, as given."""
        return super().forward(grid.flatten(0, 2)).view(grid.shape)


class Depthwise(nn.Conv2d):
    """Every channel of a grid convolved alone."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, SIDE, padding=SIDE // 2, groups=channels)
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, rows, columns, channels]``, as given."""
        return super().forward(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Cell(nn.Module):
    """A grid and what a residual cell adds to it: wide and yet cheap, as channels are convolved alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = WIDER * channels
        self.layers = nn.Sequential(
            Normalised(channels),
            nn.Linear(channels, wide),
            nn.SiLU(),
            Depthwise(wide),
            Normalised(wide),
            nn.SiLU(),
            nn.Linear(wide, channels),
            Excitation(channels),
        )

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, rows, columns, channels]``, as given."""
        found: torch.Tensor = grid + self.layers(grid)
        return found
