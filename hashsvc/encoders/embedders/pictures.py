"""Pictures -> vectors by a timm model in a local folder: ``config.json`` names the architecture, beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hashsvc.encoders.embedders.embedder import decoded, missing, unreadable
from hashsvc.encoders.fronts.image import open_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BATCH = 32


class Pictures:
    """Asks a loaded timm ``model``, whose ``transform`` takes a picture to ``float32[3, rows, columns]``."""

    def __init__(self, model: Any, transform: Any) -> None:
        self._model = model
        self._transform = transform

    def vectors(self, contents: Sequence[bytes]) -> NDArray[np.float32]:
        """See :meth:`Embedder.vectors`."""
        found = [self._batch(contents, start) for start in range(0, len(contents), BATCH)]
        return np.concatenate(found) if found else np.empty((0, int(self._model.num_features)), dtype=np.float32)

    def _batch(self, contents: Sequence[bytes], start: int) -> NDArray[np.float32]:
        pictures = decoded(contents[start : start + BATCH], open_image, first=start)
        with torch.inference_mode():
            batch = torch.stack([self._transform(picture.convert("RGB")) for picture in pictures])
            return np.asarray(self._model(batch).numpy(), dtype=np.float32)


def open_pictures(folder: Path) -> Pictures:
    """Load a folder as the timm hub has it; see :func:`open_embedder`."""
    try:
        import timm
        from timm.data import create_transform, resolve_data_config
    except ImportError as error:
        raise missing("timm", "pictures") from error
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        model = timm.create_model(config["architecture"], pretrained=False, num_classes=int(config["num_classes"]))
        model.load_state_dict(weights)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise unreadable(folder, error) from error
    model.reset_classifier(0)
    settings = resolve_data_config(config.get("pretrained_cfg", {}), model=model)
    return Pictures(model.eval(), create_transform(**settings, is_training=False))
