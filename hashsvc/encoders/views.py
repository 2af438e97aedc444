"""Two views of a picture: how its edges run, and how light and dark lie in it, whatever the exposure.

Outlines are histograms of oriented gradients (Dalal & Triggs, CVPR 2005) over small overlapping cells; shades are the
pixels less their mean. Both have unit length. Pictures of one thing differ in their pixels far more than in outlines.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

ORIENTATIONS = 8
CELL, CELLS_ACROSS = 4, 4


def outlines(pictures: torch.Tensor) -> torch.Tensor:
    """Histograms ``float32[n, orientations * cells]`` of pictures ``float32[n, channels, rows, columns]``.

    An edge counts by its contrast, in its strongest channel, for the two orientations it lies between.
    """
    framed = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = framed[:, :, 1:-1, 2:] - framed[:, :, 1:-1, :-2]
    down = framed[:, :, 2:, 1:-1] - framed[:, :, :-2, 1:-1]
    squares, channel = (across.square() + down.square()).max(dim=1, keepdim=True)
    across, down, contrast = across.gather(1, channel), down.gather(1, channel), squares.sqrt()
    turn = torch.atan2(down, across) * (ORIENTATIONS / (2 * math.pi))
    bins = torch.arange(ORIENTATIONS, device=pictures.device, dtype=turn.dtype)[None, :, None, None]
    apart = ((turn - bins + ORIENTATIONS / 2) % ORIENTATIONS - ORIENTATIONS / 2).abs()
    cell = cell_size(pictures.shape[2], pictures.shape[3])
    counted = contrast * (1 - apart).clamp_min(0)
    pooled = functional.avg_pool2d(counted, 2 * cell, cell, padding=(cell + 1) // 2)
    return functional.normalize(pooled.flatten(1).sqrt())


def shades(pictures: torch.Tensor) -> torch.Tensor:
    """Pixels ``float32[n, channels * rows * columns]`` less their mean, of unit length."""
    flat = pictures.flatten(1)
    return functional.normalize(flat - flat.mean(dim=1, keepdim=True))


def cell_size(rows: int, columns: int) -> int:
    """Pixels between two cells: four, and fewer where a picture would have less than four cells across."""
    return max(1, min(CELL, min(rows, columns) // CELLS_ACROSS))


def outline_width(rows: int, columns: int) -> int:
    """Numbers that :func:`outlines` gives a picture of this size."""
    cell = cell_size(rows, columns)
    steps = [(side + 2 * ((cell + 1) // 2) - 2 * cell) // cell + 1 for side in (rows, columns)]
    return ORIENTATIONS * steps[0] * steps[1]


VIEWS = (outlines, shades)
