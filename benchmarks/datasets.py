"""The real data sets of the benchmarks, each split into a collection and queries by one fixed protocol.

They are read from the folder named by HASHSVC_DATA (default ``data``); labels serve for measuring only.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAGS = (
    "wordpress",
    "oracle",
    "svn",
    "apache",
    "excel",
    "matlab",
    "visual-studio",
    "cocoa",
    "osx",
    "bash",
    "spring",
    "hibernate",
    "scala",
    "sharepoint",
    "ajax",
    "qt",
    "drupal",
    "linq",
    "haskell",
    "magento",
)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Contents and labels: ``contents`` are the collection (and what an encoder is trained on), ``queries`` ask it.

    Args:
        labels: ``int64[len(contents)]``.
        query_labels: ``int64[len(queries)]``.
        names: what each label is called.
    """

    name: str
    kind: Kind
    contents: Sequence[bytes]
    labels: NDArray[np.int64]
    queries: Sequence[bytes]
    query_labels: NDArray[np.int64]
    names: tuple[str, ...]


class Absent(Exception):
    """A data set is not in the data folder; the message says where it was looked for."""


def folder() -> Path:
    """The data folder: HASHSVC_DATA, or ``data`` in the working directory."""
    return Path(os.environ.get("HASHSVC_DATA", "data"))


def load(name: str) -> DataSet:
    """One of :data:`DATASETS` by name.

    Raises:
        Absent: its files are not there.
    """
    return DATASETS[name]()


def _present(*parts: str) -> Path:
    path = folder().joinpath(*parts)
    if not path.exists():
        raise Absent(f"{path} is not there: unpack the data set, or set HASHSVC_DATA to the folder that holds it")
    return path


def _by_date(root: Path, names: Sequence[str]) -> tuple[list[bytes], NDArray[np.int64]]:
    """Posts of one side of the split without their headers (all above the first blank line), in order of path."""
    posts: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        for path in sorted((root / name).iterdir()):
            _, _, body = path.read_text(encoding="latin-1").partition("\n\n")
            posts.append(body.encode())
            labels.append(label)
    return posts, np.array(labels)


def newsgroups() -> DataSet:
    """20 Newsgroups by date: the training posts are the collection, the test posts query it."""
    root = _present("newsgroups20-bydate", "data")
    names = sorted(path.name for path in (root / "20news-bydate-train").iterdir())
    contents, labels = _by_date(root / "20news-bydate-train", names)
    queries, query_labels = _by_date(root / "20news-bydate-test", names)
    return DataSet("ng20", Kind.TEXT, contents, labels, queries, query_labels, tuple(names))


def titles() -> DataSet:
    """Stack Overflow titles: every tenth line a query, the rest the collection."""
    root = _present("stackoverflow-titles", "rawText")
    lines = (root / "title_StackOverflow.txt").read_bytes().splitlines()
    labels = np.array((root / "label_StackOverflow.txt").read_text().split(), dtype=np.int64)
    return _every("titles", Kind.TEXT, lines, labels - 1, TAGS, step=10)


def caltech() -> DataSet:
    """Caltech-101 photographs: in order of path, every fifth a query, the rest the collection."""
    root = _present("caltech101", "101_ObjectCategories")
    names = tuple(sorted(path.name for path in root.iterdir()))
    paths = [path for name in names for path in sorted((root / name).iterdir())]
    labels = np.array([names.index(path.parent.name) for path in paths])
    return _every("caltech", Kind.IMAGE, [path.read_bytes() for path in paths], labels, names, step=5)


def _every(
    name: str, kind: Kind, contents: Sequence[bytes], labels: NDArray[np.int64], names: tuple[str, ...], *, step: int
) -> DataSet:
    asks = np.arange(len(contents)) % step == 0
    held = [content for content, ask in zip(contents, asks, strict=True) if not ask]
    queries = [content for content, ask in zip(contents, asks, strict=True) if ask]
    return DataSet(name, kind, held, labels[~asks], queries, labels[asks], names)


def _idx(path: Path, header: int) -> NDArray[np.uint8]:
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def _pictures(pixels: NDArray[np.uint8]) -> list[bytes]:
    """Grey pictures ``uint8[n, 28, 28]`` as PNG."""
    pngs = []
    for picture in pixels:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "png", compress_level=1)
        pngs.append(stream.getvalue())
    return pngs


def _mnist_like(name: str, place: str, names: tuple[str, ...]) -> DataSet:
    root = _present(place)
    sides = []
    for side in ("train", "t10k"):
        pixels = _idx(root / f"{side}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        sides.append((_pictures(pixels), _idx(root / f"{side}-labels-idx1-ubyte.gz", 8).astype(np.int64)))
    (contents, labels), (queries, query_labels) = sides
    return DataSet(name, Kind.IMAGE, contents, labels, queries, query_labels, names)


def mnist() -> DataSet:
    """MNIST: the 60,000 training images are the collection, all 10,000 test images query it."""
    return _mnist_like("mnist", "mnist", tuple("0123456789"))


def fashion() -> DataSet:
    """Fashion-MNIST: the 60,000 training images are the collection, all 10,000 test images query it."""
    names = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    return _mnist_like("fashion", "fashion-mnist", names)


DATASETS = {"ng20": newsgroups, "mnist": mnist, "fashion": fashion, "titles": titles, "caltech": caltech}
