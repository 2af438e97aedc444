"""Pictures as one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hashsvc.report.sheet import GAP, LINE, MARGIN, grid, scatter


def test_a_grid_shows_every_picture_in_its_place(tmp_path: Path) -> None:
    pictures = np.stack([np.full((28, 28, 1), shade, dtype=np.uint8) for shade in (0, 100, 200)])
    path = grid([("first", pictures), ("second", pictures[::-1])], tmp_path / "made" / "grid.png")
    sheet = np.asarray(Image.open(path))
    tops = [MARGIN + LINE + 5, MARGIN + LINE + 5 + 56 + LINE + GAP]
    lefts = [MARGIN + 5 + place * (56 + GAP) for place in range(3)]
    assert [sheet[tops[0], left, 0] for left in lefts] == [0, 100, 200]
    assert [sheet[tops[1], left, 0] for left in lefts] == [200, 100, 0]


def test_colours_are_kept(tmp_path: Path) -> None:
    red = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    red[..., 0] = 255
    sheet = np.asarray(Image.open(grid([("", red)], tmp_path / "red.png")))
    assert sheet[MARGIN + LINE + 30, MARGIN + 30].tolist() == [255, 0, 0]


def test_a_map_draws_each_group_in_a_colour_of_its_own(tmp_path: Path) -> None:
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1]] * 5, dtype=np.float32)
    sheet = np.asarray(Image.open(scatter(points, ["a", "b", "c", "d"] * 5, tmp_path / "map.png", title="four")))
    drawn = {tuple(pixel) for pixel in sheet.reshape(-1, 3).tolist() if max(pixel) - min(pixel) > 60}
    assert len(drawn) >= 4
