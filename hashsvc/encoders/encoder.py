"""The one encoder: a front, a network and a binarizer. Every model in ``MODELS`` trains one of these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hashsvc.domain.encoders import CodeSpec
from hashsvc.encoders.binarizers import Binarizer, binarizer_name
from hashsvc.encoders.contract import Decoded
from hashsvc.encoders.fronts import Front
from hashsvc.encoders.networks import Network, network_name
from hashsvc.encoders.path import encoding_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 32
FORMAT = 1


class CodeEncoder:
    """Encodes in batches of one fixed, padded shape, so that batching changes no bit.

    Args:
        model: name in ``MODELS``.
        front: bytes -> batches.
        network: batches -> features.
        binarizer: features -> codes.
        margin: a feature nearer than this to its threshold may give another bit on another path.
        golden: contents whose codes are stored with the encoder and checked at every load.
    """

    def __init__(
        self,
        model: str,
        front: Front,
        network: Network,
        binarizer: Binarizer,
        *,
        margin: float,
        golden: Sequence[bytes] = (),
    ) -> None:
        self.model = model
        self.front = front
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.binarizer = binarizer
        self.golden = tuple(golden)
        self.spec = CodeSpec(
            bits=binarizer.bits,
            kind=front.kind,
            fingerprint=fingerprint(self.config(margin), self.tensors()),
            metric=binarizer.metric,
            margin=margin,
        )

    @property
    def path(self) -> str:
        """See :attr:`Encoder.path`."""
        return encoding_path()

    def decode(self, content: bytes) -> Decoded:
        """See :meth:`Encoder.decode`."""
        return self.front.decode(content)

    def features(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.features`."""
        return features(self.front, self.network, items)

    def encode(self, items: Sequence[Decoded]) -> NDArray[np.uint8]:
        """See :meth:`Encoder.encode`."""
        if not items:
            return np.empty((0, self.spec.bits // 8), dtype=np.uint8)
        return self.binarizer.codes(self.features(items))

    def tables(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.tables`."""
        return self.binarizer.tables(self.features(items))

    def config(self, margin: float | None = None) -> dict[str, Any]:
        """Everything but the tensors, as JSON values."""
        return {
            "format": FORMAT,
            "model": self.model,
            "kind": str(self.front.kind),
            "bits": self.binarizer.bits,
            "margin": self.spec.margin if margin is None else margin,
            "front": self.front.config(),
            "network": {"type": network_name(self.network), **self.network.config},
            "binarizer": {"type": binarizer_name(self.binarizer), **self.binarizer.config()},
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every learned number, by dotted name."""
        parts = {
            "front": self.front.tensors(),
            "network": self.network.state_dict(),
            "binarizer": self.binarizer.tensors(),
        }
        return {f"{part}.{name}": t.contiguous() for part, tensors in parts.items() for name, t in tensors.items()}


def features(front: Front, network: Network, items: Sequence[Decoded]) -> NDArray[np.float32]:
    """Features ``float32[n, d]`` in batches of ``ROWS`` rows, the last one filled up with blanks."""
    found = list(_batches(front, network, items))
    return np.concatenate(found) if found else np.empty((0, 0), dtype=np.float32)


def _batches(front: Front, network: Network, items: Sequence[Decoded]) -> Iterator[NDArray[np.float32]]:
    blank = front.blank()
    with torch.inference_mode():
        for start in range(0, len(items), ROWS):
            rows = list(items[start : start + ROWS])
            batch = front.batch(rows + [blank] * (ROWS - len(rows)))
            yield network(batch)[: len(rows)].numpy()


def fingerprint(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> str:
    """sha256 (hex) of the configuration and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, ensure_ascii=False).encode())
    for name in sorted(tensors):
        array = tensors[name].numpy()
        digest.update(f"\n{name} {array.dtype.str} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
