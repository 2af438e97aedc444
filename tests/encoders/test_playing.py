"""Members with more than one player or stage: who learns from which term, and that nothing is left to chance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import OnProgress, Progress, acai, alae, checkpoints, checkpoints_in, deep_vq_vae, nvae, vae_gan
from hashsvc.encoders.deep_vae import GaussianNetwork
from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.generation.network import LatentNetwork, MirrorNetwork, stack
from hashsvc.encoders.generation.playing import frozen
from hashsvc.encoders.prior import Config as PriorConfig
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.errors import FailedPrecondition
from tests.encoders.material import contents

Learned = Callable[[TrainingSet, int, OnProgress], LatentNetwork]


def silent(_: Progress) -> None:
    return None


def learn_acai(training: TrainingSet, seed: int, progress: OnProgress) -> LatentNetwork:
    return acai.train_acai(training, acai.Config(latent=4, hidden=(8,), steps=12, batch=8), seed, progress)


def learn_vae_gan(training: TrainingSet, seed: int, progress: OnProgress) -> LatentNetwork:
    config = vae_gan.Config(latent=4, hidden=(8,), channels=2, steps=24, batch=8)
    return vae_gan.train_vae_gan(training, config, seed, progress)


def learn_vq_vae(training: TrainingSet, seed: int, progress: OnProgress) -> LatentNetwork:
    prior = PriorConfig(channels=4, layers=1, steps=12, batch=8)
    config = deep_vq_vae.Config(entries=8, depth=2, channels=4, steps=12, batch=8, prior=prior)
    return deep_vq_vae.train_deep_vq_vae(training, config, seed, progress)


def learn_alae(training: TrainingSet, seed: int, progress: OnProgress) -> LatentNetwork:
    return alae.train_alae(training, alae.Config(latent=4, hidden=(8,), steps=12, batch=8), seed, progress)


def learn_nvae(training: TrainingSet, seed: int, progress: OnProgress) -> LatentNetwork:
    config = nvae.Config(latent=2, groups=(1, 1), channels=4, hidden=(16, 16), steps=12, batch=8)
    return nvae.train_nvae(training, config, seed, progress)


LEARNERS: list[Learned] = [learn_acai, learn_vae_gan, learn_vq_vae, learn_alae, learn_nvae]


@pytest.fixture(scope="module")
def few() -> TrainingSet:
    front = ImageFront(8, 8, 1)
    return TrainingSet(front, [front.decode(content) for content in contents(Kind.IMAGE)[:32]])


def numbers(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


class Stopped(Exception):
    pass


def stop(at: Progress, stage: str) -> None:
    if (at.stage, at.done) == (stage, 3):
        raise Stopped


@pytest.mark.parametrize("learn", LEARNERS)
def test_the_seed_decides_everything(few: TrainingSet, learn: Learned) -> None:
    first, again, other = (numbers(learn(few, seed, silent)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("learn", "stage"),
    [*zip(LEARNERS, ("acai", "vae_gan", "deep_vq_vae", "alae", "nvae"), strict=True), (learn_vq_vae, "prior")],
)
def test_taken_up_again_all_players_go_on_where_they_stood(
    few: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learn: Learned, stage: str
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    whole = numbers(learn(few, 1, silent))
    with checkpoints_in(tmp_path):
        with pytest.raises(Stopped):
            learn(few, 1, partial(stop, stage=stage))
        assert torch.equal(numbers(learn(few, 1, silent)), whole)


def test_stages_that_are_done_tell_their_terms_again(
    few: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    told: list[Progress] = []
    learn_vq_vae(few, 1, told.append)
    whole = {at.stage: (at.loss, at.terms) for at in told}
    assert set(whole["deep_vq_vae"][1]) == {"rebuilt", "commitment"}
    assert set(whole["prior"][1]) == {"indices"}
    with checkpoints_in(tmp_path):
        with pytest.raises(Stopped):
            learn_vq_vae(few, 1, partial(stop, stage="prior"))
        told.clear()
        learn_vq_vae(few, 1, told.append)
    assert sum(at.stage == "deep_vq_vae" for at in told) == 1
    assert {at.stage: (at.loss, at.terms) for at in told} == whole


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_loss_that_is_no_number_stops_with_its_step(
    few: TrainingSet, monkeypatch: pytest.MonkeyPatch, learn: Learned
) -> None:
    monkeypatch.setattr(LatentNetwork, "scaled", lambda self, batch: batch.flatten(1) * float("nan"))
    with pytest.raises(FailedPrecondition, match="stopped at step 1 of 12"):
        learn(few, 1, silent)


def test_a_frozen_module_passes_gradients_on_and_keeps_none() -> None:
    module, given = nn.Linear(2, 1), torch.ones(3, 2, requires_grad=True)
    torch.autograd.backward(frozen(module, given).sum())
    assert given.grad is not None
    assert torch.equal(given.grad, module.weight.detach().expand(3, 2))
    assert module.weight.grad is None


def gradients(terms: dict[str, torch.Tensor], name: str, module: nn.Module) -> bool:
    """Whether a term teaches a module."""
    found = torch.autograd.grad(terms[name], list(module.parameters()), retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


def test_acai_and_its_critic_learn_from_their_own_terms() -> None:
    network = MirrorNetwork(shape=(1, 4, 4), hidden=(6,), latent=3)
    critic = stack([16, 6, 1])
    terms = acai.judgements(network, critic, torch.rand(8, 16), acai.Config())
    taught = {name: (gradients(terms, name, network), gradients(terms, name, critic)) for name in terms}
    assert taught == {"rebuilt": (True, False), "judged": (True, False), "critic": (False, True)}


def test_vae_gan_teaches_encoder_decoder_and_judge_apart() -> None:
    network = GaussianNetwork(shape=(1, 8, 8), hidden=(6,), latent=3)
    judge = vae_gan.Judge((1, 8, 8), 2)
    terms = vae_gan.verdicts(network, judge, torch.rand(8, 64), vae_gan.Config())
    parts = (network.down, network.up, judge)
    assert {name: tuple(gradients(terms, name, part) for part in parts) for name in terms} == {
        "pixels": (True, True, False),
        "features": (True, True, False),
        "divergence": (True, False, False),
        "fooled": (False, True, False),
        "judge": (False, False, True),
    }


def test_alae_teaches_map_generator_encoder_and_judge_apart() -> None:
    network = alae.MappedNetwork(shape=(1, 4, 4), hidden=(6,), latent=3)
    judge = stack([3, 6, 1])
    terms = alae.played(network, judge, torch.rand(8, 16), alae.Config(latent=3))
    parts = (network.map, network.up, network.down, judge)
    assert {name: tuple(gradients(terms, name, part) for part in parts) for name in terms} == {
        "fooled": (True, True, False, False),
        "judge": (False, False, True, True),
        "penalty": (False, False, True, True),
        "reciprocity": (False, True, True, False),
    }


def test_the_first_pictures_made_are_like_the_mean_picture(few: TrainingSet) -> None:
    network = alae.MappedNetwork(shape=(1, 8, 8), hidden=(6,), latent=3).eval()
    pictures = few.batch(np.arange(len(few)))
    assert isinstance(pictures, torch.Tensor)
    mean = pictures.mean(dim=0)
    with torch.no_grad():
        before = (network.items(torch.zeros(1, 3)) - mean).square().mean()
        alae.begin_at_mean(network, few)
        assert (network.items(torch.zeros(1, 3)) - mean).square().mean() < 0.2 * before


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14), (1, 5, 3)])
def test_a_grid_covers_pictures_of_any_size(shape: tuple[int, int, int]) -> None:
    network = deep_vq_vae.GridNetwork(shape=shape, entries=4, depth=2, channels=4, prior=(4, 1)).eval()
    rows = torch.rand(2, int(np.prod(shape)))
    latents = network.latents(rows)
    assert latents.shape == (2, network.config["latent"])
    assert network.items(latents).shape == (2, *shape)
    indices = network.indices(latents)
    assert torch.equal(network.indices(network.entries_at(indices)), indices)
    assert network.drawn(3, torch.Generator().manual_seed(0)).shape == (3, network.config["latent"])
