"""From a trained network with latents to an encoder: ITQ turns the latents so that their signs lose least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.encoders.assembly import assemble
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.encoders.generation.training import latents_of
from hashsvc.encoders.linear import fit_itq
from hashsvc.encoders.networks import LinearNetwork
from hashsvc.encoders.training_set import TrainingSet

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.generation.network import DecodingNetwork


def coded(
    model: str, training: TrainingSet, network: DecodingNetwork, bits: int, *, seed: int, progress: OnProgress
) -> CodeEncoder:
    """The encoder of a trained network, its features the rotated latents (Gong & Lazebnik, CVPR 2011)."""
    network.eval()
    latents = latents_of(network, training)
    network.remember(latents)
    rows = TrainingSet(VectorFront(latents.shape[1]), list(latents.numpy()), seed=seed)
    head = fit_itq(rows, bits, seed, progress).network
    assert isinstance(head, LinearNetwork)
    network.cut(head)
    return assemble(model, training, network)
