"""Texts in any script cut into tokens, and tokens into character n-grams (Bojanowski et al., TACL 2017, sec. 3.2)."""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han, kana
)
RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
ASCII_RUN = re.compile(r"\w\w+", re.ASCII)  # what RUN finds in ASCII, but for single letters, in under half the time
UNSPACED_START = re.compile(rf"[{UNSPACED}]")
SHORTEST, LONGEST = 3, 5


def tokens(text: str) -> list[str]:
    """Words of at least two letters, lower-cased; pairs of characters where a script writes no spaces."""
    if text.isascii():
        return ASCII_RUN.findall(text.lower())
    found: list[str] = []
    for run in RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        if UNSPACED_START.match(run):
            found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
        elif len(run) > 1:
            found.append(run)
    return found


def marks(text: str) -> list[str]:
    """What a text without any token is made of: its pieces between spaces, single letters and signs included."""
    return unicodedata.normalize("NFKC", text).lower().split()


@lru_cache(maxsize=1 << 16)
def grams(token: str, buckets: int) -> NDArray[np.integer[Any]]:
    """Buckets of the n-grams of ``<token>`` with 3 to 5 characters, of the whole among them; the same everywhere."""
    framed = f"<{token[:64]}>"
    pieces = {framed}
    for size in range(SHORTEST, LONGEST + 1):
        pieces.update(framed[i : i + size] for i in range(len(framed) - size + 1))
    found = sorted(zlib.crc32(piece.encode("utf-8", "surrogatepass")) % buckets for piece in pieces)
    return np.array(found, dtype=np.uint16 if buckets <= 1 << 16 else np.uint32)  # 16 bits are sorted by radix
