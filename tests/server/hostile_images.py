"""Forty pictures that lie: bombs, cut off, scrambled, mislabelled. Run as a script, it decodes them all.

Prints one JSON object: how many were refused, and by how many MiB the process grew over it.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

SIDES = (8_000, 20_000, 65_535, 200_000)


def png(width: int, height: int, depth: int = 8, color: int = 2, data: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def saved(format: str, size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, format)
    return file.getvalue()


def bombs() -> Iterator[bytes]:
    """Headers that promise far more pixels than are decoded."""
    for side in SIDES:
        yield png(side, side)
        yield png(side, side, 16, 6, bytes(1000))
        yield b"P6 %d %d 255\n" % (side, side)
        yield struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    yield png(2**31 - 1, 1)
    yield png(1, 2**31 - 1)
    yield png(40_000, 40_000, 1, 0, bytes(40_000 * 5_001))  # 200 MB of zeros that deflate to almost nothing


def broken() -> Iterator[bytes]:
    """Pictures that were cut off, scrambled behind their header, or are none."""
    chance = random.Random(3)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"):
        whole = saved(kind)
        yield whole[: len(whole) // 8]
        yield whole[:14]
    for kind in ("PNG", "WEBP"):
        scrambled = bytearray(saved(kind))
        for _ in range(200):
            scrambled[chance.randrange(16, len(scrambled))] = chance.randrange(256)
        yield bytes(scrambled)
    yield saved("ICO", (16, 16))
    yield b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    yield b"%PDF-1.4\n" + bytes(100)
    yield b"\x89PNG\r\n\x1a\n"
    yield b""


def memory(field: str) -> int:
    """KiB of this process, from the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def forget_peak() -> int:
    """Start a new peak; the memory in use now, in KiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def main() -> None:
    """Decode them all."""
    from hashsvc.encoders.fronts.image import ImageFront
    from hashsvc.errors import InvalidContent

    front, refused = ImageFront(8, 8, 1), 0
    pictures = [*bombs(), *broken()]
    front.decode(saved("PNG"))
    before = forget_peak()
    for number, content in enumerate(pictures):
        try:
            front.decode(content)
            print(f"picture {number} was taken: {content[:20]!r}", file=sys.stderr)
        except InvalidContent:
            refused += 1
    grown = memory("VmHWM") - before
    print(json.dumps({"pictures": len(pictures), "refused": refused, "grown_mib": round(grown / 1024, 1)}))


if __name__ == "__main__":
    main()
