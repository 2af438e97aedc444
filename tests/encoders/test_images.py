"""The image front: formats, sizes, bombs and damage."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hashsvc.encoders.fronts.image import ImageFront, open_image
from hashsvc.errors import InvalidContent
from tests.encoders.material import digits, png

FRONT = ImageFront(8, 8, 1)


def picture(format: str, mode: str = "RGB", size: tuple[int, int] = (20, 10)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, color="red" if mode == "RGB" else 0).save(file, format)
    return file.getvalue()


def bomb(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_known_formats_are_decoded(format: str) -> None:
    decoded = ImageFront(8, 12, 3).decode(picture(format))
    assert decoded.shape == (8, 12, 3)
    assert decoded.dtype == np.uint8
    assert decoded[..., 0].min() > 200


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"no picture at all", "cannot be read"),
        (picture("ICO"), "cannot be read"),
        (picture("PNG")[:45], "cannot be"),
        (digits()[0][0][:80], "cannot be"),
        (bomb(20_000), "pixels"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_a_reason(content: bytes, why: str) -> None:
    with pytest.raises(InvalidContent, match=why):
        FRONT.decode(content)


def test_transparent_parts_are_white_and_pictures_upright() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(clear, "PNG")
    assert np.asarray(open_image(clear.getvalue())).min() == 255
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 10)).save(turned, "JPEG", exif=exif)
    assert open_image(turned.getvalue()).size == (10, 30)


def test_sixteen_bit_grey_keeps_its_contrast() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 65535], [32768, 16384]], dtype=np.uint16)).save(file, "PNG")
    assert np.asarray(open_image(file.getvalue())).tolist() == [[0, 255], [127, 63]]


def test_the_front_takes_the_size_and_colour_of_its_pictures() -> None:
    assert ImageFront.fit(digits()[0]).config() == {"rows": 8, "columns": 8, "channels": 1}
    grey = np.full((9, 9, 3), 80, dtype=np.uint8)
    assert ImageFront.fit([png(grey)] * 3).channels == 1
    mixed = [picture("PNG", size=(300, 200)), picture("JPEG", size=(100, 240))]
    assert ImageFront.fit(mixed).config() == {"rows": 64, "columns": 64, "channels": 3}
