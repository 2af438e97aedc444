"""Images: encoded picture bytes -> ``uint8[height, width, channels]`` at one size. Pillow decodes.

The header is read first: format and size are checked before a single pixel is decoded, because a few kilobytes of PNG
can decode to gigabytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded
from hashsvc.errors import InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
LARGEST_SIDE = 64
LOOK_AT = 256


def _readable(contents: Sequence[bytes]) -> list[Image.Image]:
    pictures: list[Image.Image] = []
    first: InvalidContent | None = None
    for content in contents:
        try:
            pictures.append(open_image(content))
        except InvalidContent as error:
            first = first or error
    if first is not None and not pictures:
        raise first
    return pictures


def open_image(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture, upright, as "L" (grey) or "RGB"; transparent parts become white.

    Raises:
        InvalidContent: no bytes, an unknown or forbidden format, too many pixels, or damaged data.
    """
    if not content:
        raise InvalidContent("image is empty: send the bytes of a picture file", field="content")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = picture.size
            if width * height > max_pixels:
                raise InvalidContent(
                    f"image is {width} x {height} pixels, more than the {max_pixels} allowed: shrink it",
                    field="content",
                )
            return _plain(picture)
    except UnidentifiedImageError:
        raise InvalidContent(
            f"image cannot be read: not one of {', '.join(FORMATS)}, or its header is damaged", field="content"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise InvalidContent(f"image cannot be decoded: {error}", field="content") from None
    except (Image.DecompressionBombError, MemoryError) as error:
        raise InvalidContent(f"image is too large: {error}", field="content") from None


def _plain(picture: Image.Image) -> Image.Image:
    picture.draft("RGB" if picture.mode not in {"L", "1"} else "L", (4 * LARGEST_SIDE, 4 * LARGEST_SIDE))
    picture.load()
    # Pillow copies what is upright, or in the wanted mode, already.
    upright = picture if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        values = np.asarray(upright, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).astype(np.uint8))
    if upright.has_transparency_data:
        over = upright.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return _in_mode(upright, "L" if upright.mode in {"L", "1", "LA"} else "RGB")


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


class ImageFront:
    """Resizes pictures to one size.

    Args:
        rows: height in pixels.
        columns: width in pixels.
        channels: 1 (grey) or 3 (colour).
    """

    kind = Kind.IMAGE

    def __init__(self, rows: int, columns: int, channels: int) -> None:
        self.rows, self.columns, self.channels = rows, columns, channels
        self.width = rows * columns * channels

    @classmethod
    def fit(cls, contents: Sequence[bytes]) -> ImageFront:
        """The front of these pictures: their own size where it is one and small, else a square; grey if all are grey.

        Raises:
            InvalidContent: none of the pictures looked at can be read.
        """
        step = max(1, len(contents) // LOOK_AT)
        pictures = _readable(contents[::step])
        channels = 3 if any(picture.mode == "RGB" and _coloured(picture) for picture in pictures) else 1
        sizes = {picture.size for picture in pictures}
        width, height = next(iter(sizes)) if len(sizes) == 1 else (LARGEST_SIDE, LARGEST_SIDE)
        return cls(min(height, LARGEST_SIDE), min(width, LARGEST_SIDE), channels)

    def decode(self, content: bytes) -> NDArray[np.uint8]:
        """``uint8[height, width, channels]``; InvalidContent as :func:`open_image`."""
        picture = _in_mode(open_image(content), "L" if self.channels == 1 else "RGB")
        if picture.size != (self.columns, self.rows):
            picture = picture.resize((self.columns, self.rows), Image.Resampling.BILINEAR)
        return np.array(picture, dtype=np.uint8).reshape(self.rows, self.columns, self.channels)

    def batch(self, items: Sequence[Decoded]) -> torch.Tensor:
        """``float32[n, channels, height, width]`` in [0, 1]."""
        pixels = torch.from_numpy(np.stack([np.asarray(item, dtype=np.uint8) for item in items]))
        return pixels.permute(0, 3, 1, 2).contiguous().float().div_(255.0)

    def blank(self) -> NDArray[np.uint8]:
        """The item that fills up a batch."""
        return np.zeros((self.rows, self.columns, self.channels), dtype=np.uint8)

    def config(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"rows": self.rows, "columns": self.columns, "channels": self.channels}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Learned numbers: none."""
        return {}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> ImageFront:
        """The front that gave ``config`` and ``tensors``."""
        assert not tensors
        return cls(int(config["rows"]), int(config["columns"]), int(config["channels"]))


def _coloured(picture: Image.Image) -> bool:
    pixels = np.asarray(picture, dtype=np.int16)
    return bool(np.abs(pixels - pixels.mean(axis=2, keepdims=True)).max() > 8)
