"""What every embedder is, and what is asked of its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from hashsvc.errors import Corrupt, FailedPrecondition, InvalidContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = "*.safetensors"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
Item = TypeVar("Item")


class Embedder(Protocol):
    """Contents -> vectors."""

    def vectors(self, contents: Sequence[bytes]) -> NDArray[np.float32]:
        """``float32[n, d]``, one row an item; InvalidContent names the first item that cannot be decoded."""
        ...


def check_folder(folder: Path) -> None:
    """FailedPrecondition unless the folder is there and its weights are safetensors alone."""
    if not folder.is_dir():
        raise FailedPrecondition(f"no model folder at {folder}: name a folder on this machine")
    pickled = sorted(path.name for pattern in PICKLED for path in folder.rglob(pattern))
    if pickled or not any(folder.rglob(WEIGHTS)):
        found = f"holds {pickled[0]}" if pickled else "holds no weights"
        raise FailedPrecondition(f"model folder {folder} {found}: only safetensors are read; save the model as such")


def decoded(contents: Sequence[bytes], decode: Callable[[bytes], Item], first: int = 0) -> list[Item]:
    """Every item decoded; the error of one names its place, counted from ``first``."""
    items = []
    for place, content in enumerate(contents, start=first):
        try:
            items.append(decode(content))
        except InvalidContent as error:
            error.field = f"contents[{place}]"
            raise
    return items


def missing(package: str, extra: str) -> FailedPrecondition:
    """The error of an extra that is not installed."""
    return FailedPrecondition(f"{package} is not installed: pip install 'hashsvc[{extra}]'")


def unreadable(folder: Path, error: Exception) -> Corrupt:
    """The error of a folder that cannot be read as a model."""
    return Corrupt(f"model folder {folder} cannot be read ({type(error).__name__}: {error}): copy it again")
