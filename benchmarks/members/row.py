"""One criterion of one member, and the material that several members share."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np

from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.encoders.training_set import HOST, TrainingSet
from hashsvc.report import sheet

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from hashsvc.encoders import Progress

SLACK = 0.03


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure and what it is held against.

    Args:
        ours: the figure.
        target: what it must reach.
        most: whether the target is an upper bound.
        reference: the paper's figure or the rival's, for the reader.
        slack: share of the target it may fall short by; 0 where two figures of the same run are compared.
        beside: further figures worth knowing.
    """

    ours: float
    target: float
    most: bool = True
    reference: str = ""
    slack: float = SLACK
    beside: Mapping[str, float] = field(default_factory=dict)

    def holds(self, ours: float) -> bool:
        """Whether a figure reaches the target."""
        if self.most:
            return ours <= self.target + self.slack * abs(self.target)
        return ours >= self.target - self.slack * abs(self.target)


def silent(_: Progress) -> None:
    """Progress that nobody follows."""


@cache
def pixels(side: str) -> NDArray[np.uint8]:
    """MNIST pictures ``uint8[n, 28, 28, 1]`` of "train" or "t10k"."""
    return _idx(f"{side}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)


@cache
def labels(side: str) -> NDArray[np.uint8]:
    """MNIST labels ``uint8[n]``."""
    return _idx(f"{side}-labels-idx1-ubyte.gz", 8)


def _idx(name: str, header: int) -> NDArray[np.uint8]:
    path = datasets.folder() / "mnist" / name
    if not path.exists():
        raise datasets.Absent(
            f"{path} is not there: unpack the data set, or set HASHSVC_DATA to the folder that holds it"
        )
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def chances(side: str) -> NDArray[np.float32]:
    """MNIST rows ``float32[n, 784]`` in [0, 1]."""
    return pixels(side).reshape(-1, 784).astype(np.float32) / np.float32(255)


def binary(side: str) -> NDArray[np.uint8]:
    """MNIST with every grey value drawn once as black or white, ``uint8[n, 28, 28, 1]`` of 0 and 255."""
    rng = np.random.default_rng(0 if side == "train" else 1)
    drawn = rng.random(pixels(side).shape, dtype=np.float32) * 255 < pixels(side)
    return drawn.astype(np.uint8) * np.uint8(255)


def pictures(values: NDArray[np.uint8], device: torch.device = HOST) -> TrainingSet:
    """Pictures ``uint8[n, rows, columns, channels]`` to train on, on a device."""
    return TrainingSet(ImageFront(*values.shape[1:]), list(values), device=device)


@dataclass
class Album:
    """Where pictures of what was trained go, if anywhere."""

    folder: Path | None = None

    def grid(self, name: str, rows: Mapping[str, NDArray[np.float32]], *, side: int = 28, across: int = 10) -> None:
        """Rows of square pictures in [0, 1], at most ``across`` a row, under their captions."""
        if self.folder is not None:
            shown = [
                (caption, (values[:across].reshape(-1, side, side, 1).clip(0, 1) * 255).astype(np.uint8))
                for caption, values in rows.items()
            ]
            sheet.grid(shown, self.folder / f"{name}.png")

    def map(self, name: str, points: NDArray[np.float32], groups: NDArray[np.uint8], title: str) -> None:
        """A latent map by class."""
        if self.folder is not None:
            sheet.scatter(points, [str(group) for group in groups], self.folder / f"{name}.png", title=title)


ALBUM = Album()


def vectors(values: NDArray[np.float32]) -> TrainingSet:
    """Rows ``float32[n, d]`` to train on."""
    return TrainingSet(VectorFront(values.shape[1]), list(values))
