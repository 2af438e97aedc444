"""One picture of questions and answers: each row a query, then its nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

TILE = 64
GAP = 8
FRAME = 3
CAPTION = 18
HEAD = 30
BETWEEN = 28  # between a query and its neighbours
PAPER, INK, QUIET = (255, 255, 255), (30, 30, 30), (120, 120, 120)
RIGHT, WRONG = (46, 125, 50), (198, 40, 40)


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture with a caption; ``right`` frames it green or red, None leaves it unframed."""

    picture: Path
    caption: str
    right: bool | None = None


def draw_gallery(rows: Sequence[Sequence[Tile]], file: Path, *, title: str) -> None:
    """Write a PNG: the first tile of each row is the query, the others its neighbours, nearest first."""
    columns = max(len(row) for row in rows)
    width = GAP + columns * (TILE + GAP) + BETWEEN
    height = HEAD + len(rows) * (TILE + CAPTION + GAP) + GAP
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(13)
    pen.text((GAP, GAP), title, fill=INK, font=font)
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            left = GAP + x * (TILE + GAP) + (BETWEEN if x else 0)
            _draw_tile(canvas, tile, left, HEAD + y * (TILE + CAPTION + GAP), font)
    canvas.save(file)


def _draw_tile(
    canvas: Image.Image, tile: Tile, left: int, top: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    pen = ImageDraw.Draw(canvas)
    with Image.open(tile.picture) as picture:
        canvas.paste(picture.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
    frame = QUIET if tile.right is None else RIGHT if tile.right else WRONG
    pen.rectangle((left - 1, top - 1, left + TILE, top + TILE), outline=frame, width=1 if tile.right is None else FRAME)
    pen.text((left + TILE / 2, top + TILE + 2), tile.caption, fill=QUIET, font=font, anchor="ma")
