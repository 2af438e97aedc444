"""What the units of one run hand to each other: arrays in files of the run's folder, each whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.errors import FailedPrecondition, ResourceExhausted

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scratch:
    """A folder of arrays. It can be lost at any time: a run without it is begun again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any] | None = None) -> None:
        """Write arrays, and facts as JSON, under a name; readers see all of it or nothing. ResourceExhausted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}.{uuid.uuid4().hex}"
        text = np.frombuffer(json.dumps(dict(facts or {})).encode(), np.uint8)
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, facts=text, **arrays)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / f"{name}.npz")
        except OSError as error:
            raise ResourceExhausted(f"{self.folder} cannot be written: {error.strerror}", retry_after=1.0) from error
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The arrays and facts of a name.

        Raises:
            FailedPrecondition: the file is gone or damaged: the run has to be begun again.
        """
        path = self.folder / f"{name}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                arrays = {key: held[key] for key in held.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise FailedPrecondition(f"{path} is gone or damaged: run dedup again", reason="SCRATCH_LOST") from error
        facts: dict[str, Any] = json.loads(arrays.pop("facts").tobytes())
        return arrays, facts

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
