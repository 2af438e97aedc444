"""Fronts: bytes -> decoded items -> tensors, one for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded
from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.fronts.text import Bag, TextFront
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.errors import InvalidArgument

Batch = torch.Tensor | Bag
"""What a network eats: a :class:`Bag` of terms, ``float32[n, channels, rows, columns]`` pixels in [0, 1], or
``float32[n, d]`` vectors."""


class Front(Protocol):
    """Bytes of one kind -> decoded items -> batches."""

    kind: Kind
    width: int
    """Numbers in an item, as a dense row."""

    def decode(self, content: bytes) -> Decoded:
        """Check and decode one item; InvalidContent."""
        ...

    def batch(self, items: Sequence[Decoded]) -> Batch:
        """Items as one batch."""
        ...

    def blank(self) -> Decoded:
        """The item that fills up a batch."""
        ...

    def config(self) -> dict[str, Any]:
        """JSON values that rebuild it."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Learned numbers that rebuild it."""
        ...


FRONTS: Mapping[Kind, type[TextFront | ImageFront | VectorFront]] = {
    Kind.TEXT: TextFront,
    Kind.IMAGE: ImageFront,
    Kind.VECTOR: VectorFront,
}


def front_class(kind: Kind) -> type[TextFront | ImageFront | VectorFront]:
    """The front of a kind; InvalidArgument for a kind without content."""
    if kind not in FRONTS:
        raise InvalidArgument(f"items of kind {kind} have no content to encode: {', '.join(FRONTS)}", field="kind")
    return FRONTS[kind]
