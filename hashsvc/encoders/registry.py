"""Every model by name: one line to add one, beside its kinds in :mod:`hashsvc.domain.models`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hashsvc.domain.kinds import Kind
from hashsvc.domain.models import AUTO, MODEL_KINDS, check_model
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

DEFAULT = "autoencoder"


@dataclass(frozen=True, slots=True)
class Model:
    """One way to train an encoder.

    Args:
        name: what requests call it.
        fit: ``(training, bits, seed, progress) -> encoder``; the same arguments give the same encoder.
        floor: a baseline that is fitted beside every trained model.
        decodes: whether it leads back from a latent to an item.
    """

    name: str
    fit: Callable[[TrainingSet, int, int, OnProgress], CodeEncoder]
    floor: bool = False
    decodes: bool = False

    @property
    def kinds(self) -> frozenset[Kind]:
        """Kinds of items it can be trained on."""
        return MODEL_KINDS[self.name]


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model("autoencoder", fit_autoencoder),
        Model("vae", fit_vae),
        Model("vq_vae", fit_vq_vae),
        Model("bsq", fit_bsq),
        Model("deep_autoencoder", fit_deep_autoencoder, decodes=True),
        Model("denoising", fit_denoising, decodes=True),
        Model("inpainting", fit_inpainting, decodes=True),
        Model("deep_vae", fit_deep_vae, decodes=True),
        Model("deep_vq_vae", fit_deep_vq_vae, decodes=True),
        Model("acai", fit_acai, decodes=True),
        Model("vae_gan", fit_vae_gan, decodes=True),
        Model("alae", fit_alae, decodes=True),
        Model("nvae", fit_nvae, decodes=True),
        Model("rbm", fit_rbm, decodes=True),
        Model("itq", fit_itq, floor=True),
        Model("pca_sign", fit_pca_sign, floor=True),
        Model("lsa_sign", fit_lsa_sign, floor=True),
        Model("pq", fit_pq, floor=True),
        Model("lsh", fit_lsh, floor=True),
    )
}


def find_model(name: str, kind: Kind) -> Model:
    """The model of that name, the default one for "auto"; InvalidArgument lists those there are for the kind."""
    return MODELS[DEFAULT if check_model(name, kind) == AUTO else name]


def floors(kind: Kind) -> list[Model]:
    """The baselines of a kind."""
    return [model for model in MODELS.values() if model.floor and kind in model.kinds]
