"""The demo's images: scikit-learn's 1,797 digits as PNG files, every fifth one kept out to ask with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

WHITE = 255
FULL_INK = 16  # scikit-learn counts ink from 0 to 16
EVERY = 5


@dataclass(frozen=True, slots=True)
class Digits:
    """Two folders of pictures, each in sub-folders named by the digit they show: ``7/0042.png``."""

    collection: Path
    questions: Path

    def question_files(self) -> list[Path]:
        """The pictures that were kept out of training and collection, in order of their number."""
        return sorted(self.questions.glob("*/*.png"), key=lambda path: path.name)


def label_of(key: str) -> str:
    """The digit a picture shows, from its key or path: the name of its folder."""
    return key.replace("\\", "/").split("/")[-2]


def write_digits(folder: Path) -> Digits:
    """Write 1,437 pictures for the collection and 360 to ask with, 8 x 8 pixels, dark on white."""
    from sklearn.datasets import load_digits

    digits = Digits(folder / "collection", folder / "questions")
    pixels, labels = load_digits(return_X_y=True)
    pictures = np.round(WHITE - pixels.reshape(-1, 8, 8) * (WHITE / FULL_INK)).astype(np.uint8)
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        root = digits.collection if number % EVERY else digits.questions
        path = root / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return digits
