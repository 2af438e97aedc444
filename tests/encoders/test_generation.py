"""Members with a decoder: what they promise beyond a code, and how their training is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Progress
from hashsvc.encoders.checkpoints import Checkpoint, checkpoints_in
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.encoders.generation.likelihood import word_nats
from hashsvc.encoders.generation.network import DecodingNetwork
from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.errors import FailedPrecondition
from tests.encoders.material import contents, fitted

DECODING = [(model.name, kind) for model in MODELS.values() if model.decodes for kind in sorted(model.kinds)]


def silent(_: Progress) -> None:
    return None


@pytest.fixture(params=DECODING, ids="-".join)
def encoder(request: pytest.FixtureRequest) -> CodeEncoder:
    name, kind = request.param
    found = fitted(name, kind).candidates[name]
    assert isinstance(found, CodeEncoder)
    return found


def test_the_loss_is_told_in_named_terms_that_fall() -> None:
    seen: list[Progress] = []
    training = TrainingSet(VectorFront(4), list(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)))
    MODELS["deep_vae"].fit(training, 8, 0, seen.append)
    told = [at for at in seen if at.stage == "deep_vae"]
    assert all(set(at.terms) == {"rebuilt", "divergence"} for at in told)
    assert all(at.loss == pytest.approx(sum(at.terms.values())) for at in told)
    assert told[-1].loss is not None
    assert told[0].loss is not None
    assert told[-1].loss < told[0].loss


class Stopped(Exception):
    pass


def learned(folder: Path | None, stop_after: int = 0) -> torch.Tensor:
    """Weights after 6 passes over 16 items under noise; stopped and taken up again where asked."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        items = torch.randn(16, 3)

        def loss_of(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> torch.Tensor:
            found = module(items[rows] + 0.1 * torch.randn(len(rows), 3))
            loss: torch.Tensor = found.square().mean()
            return loss

        def stop(at: Progress) -> None:
            if at.done == stop_after + 1:
                raise Stopped

        checkpoint = None if folder is None else Checkpoint(folder / "c.safetensors", module, every=0)
        train(
            "c",
            16,
            module.parameters(),
            loss_of,
            Schedule(6, 4, 0.05),
            seed=1,
            progress=stop if stop_after else silent,
            checkpoint=checkpoint,
        )
        return torch.cat([value.flatten().double() for value in module.state_dict().values()])


def test_a_training_taken_up_again_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = learned(None)
    with pytest.raises(Stopped):
        learned(tmp_path, stop_after=3)
    assert torch.equal(learned(tmp_path), whole)


def test_a_damaged_checkpoint_is_started_over(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"\x07" * 100)
    assert torch.equal(learned(tmp_path), learned(None))


def test_a_bad_loss_leaves_the_last_good_state(tmp_path: Path) -> None:
    module = nn.Linear(1, 1, bias=False)
    checkpoint = Checkpoint(tmp_path / "bad.safetensors", module, every=0)
    calls = iter([1.0] * 5 + [float("nan")])

    def loss_of(_: object) -> torch.Tensor:
        return module.weight.sum() * next(calls)

    with pytest.raises(FailedPrecondition, match=r"step 6 of 8.*kept in .*bad\.safetensors"):
        train(
            "bad", 8, module.parameters(), loss_of, Schedule(2, 2, 0.1), seed=0, progress=silent, checkpoint=checkpoint
        )
    good = nn.Linear(1, 1, bias=False)
    assert Checkpoint(checkpoint.path, good, every=0).restore(torch.optim.AdamW(good.parameters())) == 1
    assert torch.isfinite(good.weight).all()


def test_a_state_that_a_good_loss_ruined_is_not_kept(tmp_path: Path) -> None:
    module = nn.Linear(1, 1, bias=False)
    checkpoint = Checkpoint(tmp_path / "ruined.safetensors", module, every=0)
    calls = iter([False] * 5 + [True] * 3)

    def loss_of(_: object) -> torch.Tensor:
        far = (module.weight - module.weight.detach()).abs().sum()
        return far.sqrt() if next(calls) else far  # the root is 0 here, and its slope infinite

    with pytest.raises(FailedPrecondition, match=r"step 6 of 8: a weight is not finite.*kept in"):
        train(
            "ruined",
            8,
            module.parameters(),
            loss_of,
            Schedule(4, 4, 0.1),
            seed=0,
            progress=silent,
            checkpoint=checkpoint,
        )
    good = nn.Linear(1, 1, bias=False)
    assert Checkpoint(checkpoint.path, good, every=0).restore(torch.optim.AdamW(good.parameters())) == 2
    assert torch.isfinite(good.weight).all()


def test_the_first_pass_is_kept_at_once(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    checkpoint = Checkpoint(tmp_path / "first.safetensors", module, every=1e9)
    checkpoint.keep(1, torch.optim.AdamW(module.parameters()), last=False)
    checkpoint.keep(2, torch.optim.AdamW(module.parameters()), last=False)
    assert Checkpoint(checkpoint.path, module, every=0).restore(torch.optim.AdamW(module.parameters())) == 1


def test_checkpoints_are_kept_only_where_asked(tmp_path: Path) -> None:
    assert Checkpoint.of("stage", 9, nn.Linear(1, 1)) is None
    with checkpoints_in(tmp_path):
        found = Checkpoint.of("stage", 9, nn.Linear(1, 1))
    assert found is not None
    assert found.path == tmp_path / "stage-9.safetensors"


def test_latents_lead_back_to_items_of_the_same_shape(encoder: CodeEncoder) -> None:
    network = encoder.network
    assert isinstance(network, DecodingNetwork)
    items = [encoder.decode(content) for content in contents(encoder.spec.kind)[:8]]
    batch = encoder.front.batch(items)
    with torch.inference_mode():
        rebuilt = network.items(network.latents_of(batch))
    if not isinstance(batch, torch.Tensor):
        _are_better_than_the_mean(rebuilt, batch)
        return
    assert rebuilt.shape == batch.shape
    if encoder.spec.kind is Kind.IMAGE:
        assert rebuilt.min() >= 0
        assert rebuilt.max() <= 1
    assert (rebuilt - batch).square().mean() < (batch - batch.mean(dim=0)).square().mean()


def _are_better_than_the_mean(chances: torch.Tensor, texts: Bag) -> None:
    """Chances of words are a distribution each, under which its own text costs less than under their mean."""
    assert torch.allclose(chances.sum(dim=1), torch.ones(len(chances)), atol=1e-4)
    mean = chances.mean(dim=0, keepdim=True).expand_as(chances)
    assert word_nats(chances.log(), texts).mean() < word_nats(mean.log(), texts).mean()
