"""The header of a JPEG file, read without decoding: which files every decoder shows the same way up."""

from __future__ import annotations

from PIL import ExifTags, Image

START = b"\xff\xd8\xff"
FRAMES = {0xC0, 0xC2}  # baseline and progressive; the others are rare, and not every decoder knows them
EXIF_OR_XMP, ADOBE, SCAN = 0xE1, 0xEE, 0xDA
UNMEASURED = {0x01, *range(0xD0, 0xDA), 0xFF}


def plain_size(content: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG file of 8-bit grey or YCbCr pixels that is stored upright; None for all else.

    What is None here may still be a good picture: :func:`~hashsvc.encoders.fronts.image.open_image` tells.
    """
    if not content.startswith(START):
        return None
    at = 2
    while at + 10 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker in FRAMES:
            return _frame(content[at + 4 : at + 10])
        if marker in UNMEASURED or marker in {ADOBE, SCAN} or length < 2:
            return None
        if marker == EXIF_OR_XMP and not _upright(content[at + 4 : at + 2 + length]):
            return None
        at += 2 + length
    return None


def _frame(fields: bytes) -> tuple[int, int] | None:
    depth, rows, columns, parts = fields[0], int.from_bytes(fields[1:3]), int.from_bytes(fields[3:5]), fields[5]
    return (rows, columns) if depth == 8 and rows and columns and parts in {1, 3} else None


def _upright(segment: bytes) -> bool:
    if not segment.startswith(b"Exif\0\0"):
        return b"Orientation" not in segment
    exif = Image.Exif()
    try:
        exif.load(segment)
    except (SyntaxError, ValueError, OSError, KeyError, IndexError, TypeError):
        return False
    return bool(exif.get(ExifTags.Base.Orientation, 1) == 1)
