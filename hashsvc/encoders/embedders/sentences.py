"""Texts -> vectors by a sentence-transformers model (Reimers & Gurevych, EMNLP 2019) in a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.encoders.embedders.embedder import decoded, missing, unreadable
from hashsvc.encoders.fronts.text import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BATCH = 32


class Sentences:
    """Asks a loaded sentence-transformers ``model``."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def vectors(self, contents: Sequence[bytes]) -> NDArray[np.float32]:
        """See :meth:`Embedder.vectors`; texts beyond the model's length are cut there by the model."""
        texts = decoded(contents, read_text)
        found = self._model.encode(texts, batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32).reshape(len(texts), -1)


def open_sentences(folder: Path) -> Sentences:
    """Load a folder that sentence-transformers saved; see :func:`open_embedder`."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise missing("sentence-transformers", "sentences") from error
    try:
        model = SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise unreadable(folder, error) from error
    return Sentences(model.eval())
