"""The models of the encoders room and the kinds they are trained on, so that a job is checked without loading torch."""

from __future__ import annotations

from collections.abc import Mapping

from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

AUTO = "auto"
ALL = frozenset({Kind.TEXT, Kind.IMAGE, Kind.VECTOR})
DENSE = frozenset({Kind.IMAGE, Kind.VECTOR})
IMAGES = frozenset({Kind.IMAGE})

MODEL_KINDS: Mapping[str, frozenset[Kind]] = {
    **dict.fromkeys(("autoencoder", "vae", "vq_vae", "bsq", "deep_autoencoder", "denoising", "deep_vae"), ALL),
    **dict.fromkeys(("acai", "alae", "rbm"), DENSE),
    **dict.fromkeys(("inpainting", "deep_vq_vae", "vae_gan", "nvae"), IMAGES),
    **dict.fromkeys(("itq", "lsh"), ALL),
    "pca_sign": DENSE,
    "lsa_sign": frozenset({Kind.TEXT}),
    "pq": frozenset({Kind.VECTOR}),
}


def check_model(name: str, kind: Kind) -> str:
    """``name`` if an encoder of a kind can be trained by it; InvalidArgument lists what it can be trained by."""
    if kind not in ALL:
        raise InvalidArgument(f"kind must be text, image or vector, not {kind}", field="kind")
    if name != AUTO and kind not in MODEL_KINDS.get(name, ()):
        known = ", ".join([AUTO, *(model for model, kinds in MODEL_KINDS.items() if kind in kinds)])
        raise InvalidArgument(f"no model {name!r} for items of kind {kind}: one of {known}", field="model")
    return name
