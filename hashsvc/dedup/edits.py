"""Planted edits: items changed the way duplicates in the wild differ from each other, at three strengths."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance

from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Edit = Callable[[bytes, np.random.Generator, "Strength"], bytes]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
BESIDE = {"a": "sq", "e": "wr", "i": "uo", "o": "ip", "n": "bm", "t": "ry", "s": "ad", "r": "et", "l": "ko", "h": "gj"}
LOOKS_LIKE = {"l": "1", "o": "0", "m": "rn", "e": "c", "i": "l", "s": "5", "b": "6", "g": "9", "h": "b", "w": "vv"}


class Strength(StrEnum):
    """How much of an item an edit changes."""

    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"


WRONG = {Strength.LIGHT: 0.005, Strength.MEDIUM: 0.02, Strength.STRONG: 0.05}
CUT = {Strength.LIGHT: 0.05, Strength.MEDIUM: 0.15, Strength.STRONG: 0.3}
QUALITY = {Strength.LIGHT: (70, 90), Strength.MEDIUM: (35, 60), Strength.STRONG: (12, 25)}
SCALE = {Strength.LIGHT: (0.75, 1.25), Strength.MEDIUM: (0.4, 0.75), Strength.STRONG: (0.2, 0.4)}
EDGE = {Strength.LIGHT: 0.02, Strength.MEDIUM: 0.05, Strength.STRONG: 0.1}
TONE = {Strength.LIGHT: 0.1, Strength.MEDIUM: 0.25, Strength.STRONG: 0.5}
NOISE = {Strength.LIGHT: 0.02, Strength.MEDIUM: 0.1, Strength.STRONG: 0.25}


def typos(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Letters left out, doubled, swapped or hit beside; at least one."""
    letters = list(content.decode())
    for place in _places(len(letters), rng, WRONG[strength]):
        kind = rng.integers(0, 4)
        here = letters[place]
        if kind == 0:
            letters[place] = ""
        elif kind == 1:
            letters[place] = here + here
        elif kind == 2 and place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], here
        else:
            near = BESIDE.get(here.lower(), LETTERS)
            letters[place] = near[int(rng.integers(0, len(near)))]
    return "".join(letters).encode()


def truncation(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """The end cut off."""
    text = content.decode()
    kept = max(1, int(len(text) * (1.0 - CUT[strength] * rng.uniform(0.5, 1.0))))
    return text[:kept].encode()


def case(content: bytes, rng: np.random.Generator, _strength: Strength) -> bytes:
    """All upper case, all lower case, or every word capitalised."""
    text = content.decode()
    ways: list[Callable[[str], str]] = [str.upper, str.lower, str.title]
    return ways[int(rng.integers(0, 3))](text).encode()


def scanned(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Letters read as what they look like, as by optical character recognition."""
    letters = list(content.decode())
    able = [place for place, letter in enumerate(letters) if letter in LOOKS_LIKE]
    for place in _places(len(able), rng, WRONG[strength] * len(letters) / max(len(able), 1)):
        letters[able[place]] = LOOKS_LIKE[letters[able[place]]]
    return "".join(letters).encode()


def _places(count: int, rng: np.random.Generator, share: float) -> list[int]:
    wanted = min(count, max(1, round(count * min(share, 1.0))))
    return sorted(rng.choice(count, wanted, replace=False).tolist()) if count else []


def jpeg(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Saved again with loss."""
    return _saved(_opened(content), quality=int(rng.integers(*QUALITY[strength])))


def resized(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Another size, the same proportions."""
    picture = _opened(content)
    scale = rng.uniform(*SCALE[strength])
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    return _saved(picture.resize(size, Image.Resampling.BICUBIC))


def cropped(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Each side cut by up to a share of the picture."""
    picture = _opened(content)
    left, top, right, bottom = rng.uniform(0.0, EDGE[strength], 4)
    width, height = picture.size
    return _saved(
        picture.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))
    )


def toned(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """Brightness and contrast changed."""
    picture = _opened(content)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        picture = change(picture).enhance(1.0 + rng.uniform(-TONE[strength], TONE[strength]))
    return _saved(picture)


def noisy(content: bytes, rng: np.random.Generator, strength: Strength) -> bytes:
    """A vector with normal noise of a share of its length."""
    values = np.frombuffer(content, "<f4").astype(np.float64)
    noise = rng.normal(0.0, 1.0, len(values)) * NOISE[strength] * np.sqrt((values**2).mean())
    changed: NDArray[np.float32] = (values + noise).astype("<f4")
    return changed.tobytes()


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.convert("RGB")


def _saved(picture: Image.Image, quality: int = 92) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "jpeg", quality=quality)
    return stream.getvalue()


EDITS: Mapping[Kind, Mapping[str, Edit]] = {
    Kind.TEXT: {"typos": typos, "truncation": truncation, "case": case, "scanned": scanned},
    Kind.IMAGE: {"jpeg": jpeg, "resized": resized, "cropped": cropped, "toned": toned},
    Kind.VECTOR: {"noisy": noisy},
}
