"""What a decoder made, for a person: pictures as rows of pixels, texts as lines of words."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.cli.screen import facts, show
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.domain.encoders import Made
    from hashsvc.domain.items import Item

    Row = tuple[str, NDArray[np.uint8]]

SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Line:
    """One line about a text: what stands there, and of made words the probability of each."""

    caption: str
    text: str
    chances: tuple[float, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values."""
        if not self.chances:
            return {"caption": self.caption.strip(), "text": self.text}
        return {"caption": self.caption.strip(), "words": self.text.split(" "), "chances": list(self.chances)}


def told(item: Item) -> Line:
    """An item's key and the beginning of its text."""
    return said(_harmless(item.key), item.content or b"")


def said(caption: str, content: bytes) -> Line:
    """The beginning of a text."""
    text = " ".join(_harmless(content.decode("utf-8", "replace")).split())
    return Line(caption, text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…")


def _harmless(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def worded(caption: str, made: Made) -> Line:
    """The words that were made of one."""
    return Line(caption, made.content.decode(), made.chances)


def write_lines(lines: Sequence[Line], out: Path | None, *, json: bool) -> None:
    """Print lines, or write them to the file ``out``; with ``json`` as one document, words with their probabilities."""
    width = max(len(line.caption) for line in lines)
    plain = "".join(f"{line.caption:<{width}}  {line.text}\n" for line in lines)
    document: dict[str, Any] = {"lines": [line.document for line in lines]}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(plain, encoding="utf-8")
        show({"words": str(out), **document}, facts([("words", out), ("lines", len(lines))]), json=json)
    elif json:
        show(document, json=True)
    else:
        sys.stdout.write(plain)


def write_pictures(rows: Sequence[Row], out: Path, *, json: bool) -> None:
    """Write rows of pictures, each under its caption, as one PNG."""
    from hashsvc.report.sheet import grid

    grid(rows, out)
    shown = sum(len(pictures) for _, pictures in rows)
    show({"picture": str(out), "shown": shown}, facts([("picture", out), ("shown", shown)]), json=json)


def file_for(out: Path | None) -> Path:
    """Where a picture goes; InvalidArgument where nobody said so, or where the name says that it is no PNG."""
    if out is None:
        raise InvalidArgument("a picture needs a file: name one with --out FILE.png", field="--out")
    if out.suffix.lower() not in {"", ".png"}:
        raise InvalidArgument(f"pictures are written as PNG: name {out.with_suffix('.png')}, not {out}", field="--out")
    return out


def pixels_of(kind: Kind, made: Sequence[Made]) -> NDArray[np.uint8]:
    """Made pictures, or vectors as lines of grey, as ``uint8[n, rows, columns, channels]``."""
    import numpy as np
    from PIL import Image

    if kind is Kind.IMAGE:
        pictures = np.stack([np.asarray(Image.open(io.BytesIO(one.content))) for one in made])
        return pictures if pictures.ndim == 4 else pictures[..., None]
    return _grey([one.content for one in made])


def pixels_seen(kind: Kind, items: Sequence[Item], like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Items as their encoder saw them, which made pictures of the shape of ``like``."""
    import numpy as np

    contents = [item.content or b"" for item in items]
    if kind is not Kind.IMAGE:
        return _grey(contents)
    from hashsvc.encoders.fronts.image import ImageFront

    front = ImageFront(*like.shape[1:])
    return np.stack([front.decode(content) for content in contents])


def _grey(vectors: Sequence[bytes]) -> NDArray[np.uint8]:
    import numpy as np

    from hashsvc.encoders.generation.looking import lines_of

    return lines_of(np.stack([np.frombuffer(vector, "<f4") for vector in vectors]))


def interleaved(*columns: Sequence[Line]) -> list[Line]:
    """The first line of each column, then the second of each, and so on."""
    return [line for group in zip(*columns, strict=True) for line in group]


def path_lines(first: Item, last: Item, path: Sequence[Made]) -> Iterator[Line]:
    """A path between two texts: its first, the words of each step, its last."""
    yield told(first)
    for step, made in enumerate(path):
        yield worded(f"  {step / (len(path) - 1):.0%}", made)
    yield told(last)
