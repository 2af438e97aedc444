"""Pictures as one PNG: a grid with a caption over each row, and a map of coloured dots."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP, MARGIN, LINE = 4, 12, 20
LEAST_SIDE = 56
PAPER, INK = (250, 250, 248), (60, 60, 60)
MAP_SIDE, LEGEND, DOT = 720, 150, 3


def grid(rows: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> Path:
    """Write rows of pictures, each under its caption.

    Args:
        rows: captions, and pictures ``uint8[n, rows, columns, channels]`` with 1 or 3 channels; small ones are
            enlarged without smoothing.
        path: of the PNG; its folder is made.
    """
    height, width = rows[0][1].shape[1:3]
    scale = max(1, math.ceil(LEAST_SIDE / max(height, width)))
    line = max(height * scale, 8)
    columns = max(len(pictures) for _, pictures in rows)
    size = (
        2 * MARGIN + columns * (width * scale + GAP) - GAP,
        2 * MARGIN + len(rows) * (line + LINE + GAP) - GAP,
    )
    sheet = Image.new("RGB", (max(size[0], 240), size[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (caption, pictures) in enumerate(rows):
        top = MARGIN + number * (line + LINE + GAP)
        draw.text((MARGIN, top + 2), caption, fill=INK, font=ImageFont.load_default(13))
        for column, picture in enumerate(pictures):
            place = (MARGIN + column * (width * scale + GAP), top + LINE)
            sheet.paste(_image(picture).resize((width * scale, line), Image.Resampling.NEAREST), place)
    return _saved(sheet, path)


def _image(picture: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).convert("RGB")


def scatter(points: NDArray[np.float32], groups: Sequence[str], path: Path, *, title: str = "") -> Path:
    """Write a map of ``points`` ``float32[n, 2]``, each coloured by its group, with a legend.

    The map is drawn at one scale both ways, so that areas can be compared.
    """
    sheet = Image.new("RGB", (MAP_SIDE + LEGEND, MAP_SIDE), PAPER)
    draw = ImageDraw.Draw(sheet)
    names = sorted(set(groups))
    colours = {name: _colour(place, len(names)) for place, name in enumerate(names)}
    low, high = (np.quantile(points, share, axis=0) for share in (0.002, 0.998))
    scale = (MAP_SIDE - 4 * MARGIN) / max(float((high - low).max()), 1e-12)
    centred = (points - (low + high) / 2) * scale * (1, -1) + MAP_SIDE / 2
    for (x, y), group in zip(centred.tolist(), groups, strict=True):
        if 0 <= x < MAP_SIDE and 0 <= y < MAP_SIDE:
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=colours[group])
    draw.text((MARGIN, MARGIN), title, fill=INK, font=ImageFont.load_default(16))
    for place, name in enumerate(names[: (MAP_SIDE - 4 * MARGIN) // LINE]):
        y = 3 * MARGIN + place * LINE
        draw.ellipse((MAP_SIDE + MARGIN, y + 2, MAP_SIDE + MARGIN + 10, y + 12), fill=colours[name])
        draw.text((MAP_SIDE + MARGIN + 18, y - 2), name[:16], fill=INK, font=ImageFont.load_default(14))
    return _saved(sheet, path)


def _colour(place: int, count: int) -> tuple[int, int, int]:
    shade = 0.62 if place % 2 else 0.82
    red, green, blue = colorsys.hsv_to_rgb(place / max(count, 1), 0.75, shade)
    return round(red * 255), round(green * 255), round(blue * 255)


def _saved(sheet: Image.Image, path: Path) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "PNG")
    return path
