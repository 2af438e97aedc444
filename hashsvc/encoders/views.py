"""Two views of a picture: how its edges run, and how light and dark lie in it, whatever the exposure.

Outlines are histograms of oriented gradients (Dalal & Triggs, CVPR 2005) over small overlapping cells; shades are the
pixels less their mean. Both have unit length. Pictures of one thing differ in their pixels far more than in outlines.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

ORIENTATIONS = 8
ROUND = ORIENTATIONS - 1  # of a power of two: what is left of a number after whole turns, by its lowest bits
CELL, CELLS_ACROSS = 4, 4


def outlines(pictures: torch.Tensor) -> torch.Tensor:
    """Histograms ``float32[n, orientations * cells]`` of pictures ``float32[n, channels, rows, columns]``.

    An edge counts by its contrast, in its strongest channel, for the two orientations it lies between.
    """
    contrast, turn = _edges(pictures)
    cell = cell_size(pictures.shape[2], pictures.shape[3])
    planes = _planes(contrast, turn, margin=(cell + 1) // 2)
    # Means of cells first, then of two by two of them: windows overlap, and most of their sums are the same.
    pooled = functional.avg_pool2d(functional.avg_pool2d(planes, cell), 2, 1)
    return functional.normalize(pooled.flatten(1).sqrt())


def _edges(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Contrast, and direction in orientations, at each pixel: two ``[n, 1, rows, columns]``.

    Channels that are equally strong speak together.
    """
    framed = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = framed[:, :, 1:-1, 2:] - framed[:, :, 1:-1, :-2]
    down = framed[:, :, 2:, 1:-1] - framed[:, :, :-2, 1:-1]
    squares = across.square() + down.square()
    strongest = squares.amax(dim=1, keepdim=True)
    if pictures.shape[1] > 1:
        spoken = torch.eq(squares, strongest, out=torch.empty_like(squares))
        across, down = ((part * spoken).sum(dim=1, keepdim=True) for part in (across, down))
    return strongest.sqrt(), torch.atan2(down, across) * (ORIENTATIONS / (2 * math.pi))


def _planes(contrast: torch.Tensor, turn: torch.Tensor, margin: int) -> torch.Tensor:
    """Contrast by orientation, ``[n, orientations, rows + 2 * margin, columns + 2 * margin]``, empty in its margin."""
    count, _, rows, columns = contrast.shape
    planes = contrast.new_zeros((count, rows + 2 * margin, columns + 2 * margin, ORIENTATIONS)).permute(0, 3, 1, 2)
    inner = planes[:, :, margin : margin + rows, margin : margin + columns]
    below = turn.floor()
    beyond = contrast * (turn - below)
    orientation = below.to(torch.int64)
    inner.scatter_(1, orientation & ROUND, contrast - beyond)
    inner.scatter_(1, (orientation + 1) & ROUND, beyond)
    return planes


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
