"""Galleries: queries with their nearest items, as pictures, snippets of text or lines of numbers."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from hashsvc.domain.kinds import Kind
from hashsvc.report.svg import Frame, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.domain.quality import Gallery, Shown

SIDE = 160
QUERY_LETTERS, LETTERS = 420, 240
POINTS = 96


def galleries(rows: Sequence[Gallery], kind: Kind) -> str:
    """All galleries, each a query and its neighbours."""
    return "".join(_gallery(row, kind) for row in rows)


def _gallery(row: Gallery, kind: Kind) -> str:
    near = "".join(
        f"<li{_mark(shown)}>{_content(shown, kind, LETTERS)}{_caption(shown)}</li>" for shown in row.neighbours
    )
    query = f'<div class="query">{_content(row.query, kind, QUERY_LETTERS)}{_caption(row.query)}</div>'
    return f'<article class="gallery {kind}">{query}<ol>{near}</ol></article>'


def _mark(shown: Shown) -> str:
    return "" if shown.related is None else f' class="{"related" if shown.related else "unrelated"}"'


def _caption(shown: Shown) -> str:
    words = "query" if shown.distance is None else f"{shown.distance}"
    sign = {None: "", True: '<span class="sign" title="related">✓</span>', False: '<span class="sign">✗</span>'}
    label = f"<em>{escape(shown.label)}</em>" if shown.label else ""
    return f'<p class="caption" title="{escape(shown.key)}"><b>{words}</b>{sign[shown.related]}{label}</p>'


def _content(shown: Shown, kind: Kind, letters: int) -> str:
    if kind is Kind.IMAGE:
        return f'<img alt="{escape(shown.key)}" src="{thumbnail(shown.content)}">'
    if kind is Kind.VECTOR:
        return sparkline(shown.content)
    return f"<p>{escape(snippet(shown.content, letters))}</p>"


def snippet(content: bytes, letters: int) -> str:
    """The beginning of a text, white space run together, cut at a word with an ellipsis."""
    words = " ".join(content.decode(errors="replace").split())
    if len(words) <= letters:
        return words
    return words[:letters].rsplit(" ", 1)[0].rstrip(" ,;:.-") + " …"


def thumbnail(content: bytes) -> str:
    """A picture as a data URL, at most 160 pixels a side; small and grey ones as PNG, others as JPEG."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = ImageOps.exif_transpose(opened)
        mode = "L" if picture.mode in {"1", "L", "I", "I;16", "F"} else "RGB"
        picture = picture.convert(mode)
    picture.thumbnail((SIDE, SIDE))
    form = "png" if mode == "L" or max(picture.size) <= 64 else "jpeg"
    stream = io.BytesIO()
    picture.save(stream, form)
    return f"data:image/{form};base64,{base64.b64encode(stream.getvalue()).decode()}"


def sparkline(content: bytes) -> str:
    """A vector as a line; long ones are averaged down to 96 points."""
    values = np.frombuffer(content, "<f4").astype(np.float64)
    parts = np.array_split(values, min(POINTS, len(values)))
    means = [float(part.mean()) for part in parts]
    frame = Frame(160, 48, left=2, right=2, top=4, bottom=4)
    x, y = frame.x(0, max(len(means) - 1, 1)), frame.y(min(means), max(means))
    return frame.drawing([line([(x(i), y(m)) for i, m in enumerate(means)], "var(--series-0)")], "a vector")
