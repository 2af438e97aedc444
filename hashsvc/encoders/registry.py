"""Every model by name: one line to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.acai import fit_acai
from hashsvc.encoders.alae import fit_alae
from hashsvc.encoders.autoencoder import fit_autoencoder
from hashsvc.encoders.bsq import fit_bsq
from hashsvc.encoders.contract import OnProgress
from hashsvc.encoders.deep_autoencoder import fit_deep_autoencoder, fit_denoising, fit_inpainting
from hashsvc.encoders.deep_vae import fit_deep_vae
from hashsvc.encoders.deep_vq_vae import fit_deep_vq_vae
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.linear import fit_itq, fit_lsa_sign, fit_lsh, fit_pca_sign
from hashsvc.encoders.nvae import fit_nvae
from hashsvc.encoders.pq import fit_pq
from hashsvc.encoders.rbm import fit_rbm
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.encoders.vae import fit_vae
from hashsvc.encoders.vae_gan import fit_vae_gan
from hashsvc.encoders.vq_vae import fit_vq_vae
from hashsvc.errors import InvalidArgument

ALL = frozenset({Kind.TEXT, Kind.IMAGE, Kind.VECTOR})
DENSE = frozenset({Kind.IMAGE, Kind.VECTOR})
DEFAULT = "autoencoder"


@dataclass(frozen=True, slots=True)
class Model:
    """One way to train an encoder.

    Args:
        name: what requests call it.
        kinds: kinds of items it can be trained on.
        fit: ``(training, bits, seed, progress) -> encoder``; the same arguments give the same encoder.
        floor: a baseline that is fitted beside every trained model.
        decodes: whether it leads back from a latent to an item.
    """

    name: str
    kinds: frozenset[Kind]
    fit: Callable[[TrainingSet, int, int, OnProgress], CodeEncoder]
    floor: bool = False
    decodes: bool = False


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model("autoencoder", ALL, fit_autoencoder),
        Model("vae", ALL, fit_vae),
        Model("vq_vae", ALL, fit_vq_vae),
        Model("bsq", ALL, fit_bsq),
        Model("deep_autoencoder", ALL, fit_deep_autoencoder, decodes=True),
        Model("denoising", ALL, fit_denoising, decodes=True),
        Model("inpainting", frozenset({Kind.IMAGE}), fit_inpainting, decodes=True),
        Model("deep_vae", ALL, fit_deep_vae, decodes=True),
        Model("deep_vq_vae", frozenset({Kind.IMAGE}), fit_deep_vq_vae, decodes=True),
        Model("acai", DENSE, fit_acai, decodes=True),
        Model("vae_gan", frozenset({Kind.IMAGE}), fit_vae_gan, decodes=True),
        Model("alae", DENSE, fit_alae, decodes=True),
        Model("nvae", frozenset({Kind.IMAGE}), fit_nvae, decodes=True),
        Model("rbm", DENSE, fit_rbm, decodes=True),
        Model("itq", ALL, fit_itq, floor=True),
        Model("pca_sign", DENSE, fit_pca_sign, floor=True),
        Model("lsa_sign", frozenset({Kind.TEXT}), fit_lsa_sign, floor=True),
        Model("pq", frozenset({Kind.VECTOR}), fit_pq, floor=True),
        Model("lsh", ALL, fit_lsh, floor=True),
    )
}


def find_model(name: str, kind: Kind) -> Model:
    """The model of that name; InvalidArgument lists those there are for the kind."""
    model = MODELS.get(name)
    if model is None or kind not in model.kinds:
        known = ", ".join(["auto", *(m.name for m in MODELS.values() if kind in m.kinds)])
        raise InvalidArgument(f"no model {name!r} for items of kind {kind}: one of {known}", field="model")
    return model


def floors(kind: Kind) -> list[Model]:
    """The baselines of a kind."""
    return [model for model in MODELS.values() if model.floor and kind in model.kinds]
