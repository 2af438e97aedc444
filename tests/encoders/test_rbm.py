"""Machines of the stack, and what noise does to the code units above it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hashsvc.encoders import OnProgress, Progress, checkpoints, checkpoints_in
from hashsvc.encoders.boltzmann import Machine
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.encoders.generation.training import latents_of, measure, shape_of
from hashsvc.encoders.rbm import Config, LogisticNetwork, stack_machines, train_rbm
from hashsvc.encoders.training_set import TrainingSet


def silent(_: Progress) -> None:
    return None


def training(items: int = 64) -> TrainingSet:
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(8, 6))
    rows = middles[rng.integers(0, 8, items)] + 0.1 * rng.normal(size=(items, 6))
    return TrainingSet(VectorFront(6), list(rows.astype(np.float32)))


class Stopped(Exception):
    pass


def learned(progress: OnProgress) -> torch.Tensor:
    config = Config(latent=3, hidden=(5,), machine_steps=12, steps=12, batch=16)
    network = train_rbm(training(), config, 0, progress)
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@pytest.mark.parametrize("stage", ["rbm_0", "rbm_1", "rbm"])
def test_taken_up_again_it_goes_on_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    def stop(at: Progress) -> None:
        if (at.stage, at.done) == (stage, 2):
            raise Stopped

    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    whole = learned(silent)
    with checkpoints_in(tmp_path):
        with pytest.raises(Stopped):
            learned(stop)
        assert torch.equal(learned(silent), whole)


@pytest.mark.parametrize("numbers", [False, True])
def test_the_gradient_is_that_of_contrastive_divergence(*, numbers: bool) -> None:
    torch.manual_seed(1)
    machine = Machine(5, 3, numbers=numbers)
    rows = torch.rand(7, 5)
    torch.manual_seed(2)
    machine.contrast(rows).backward()  # type: ignore[no-untyped-call]
    torch.manual_seed(2)
    on = machine.chances(rows)
    made = machine.rebuilt(torch.bernoulli(on))
    expected = (made.T @ machine.chances(made) - rows.T @ on) / len(rows)
    assert machine.weight.grad is not None
    assert torch.allclose(machine.weight.grad, expected, atol=1e-6)


def test_a_machine_gives_what_it_has_seen_more_chance() -> None:
    torch.manual_seed(0)
    machine = Machine(6, 4)
    seen = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    optimiser = torch.optim.Adam(machine.parameters(), 0.05)
    for _ in range(200):
        optimiser.zero_grad()
        machine.contrast(seen.repeat(8, 1)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    unseen = torch.tensor([[1.0, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]])
    assert machine.energy(seen).max() < machine.energy(unseen).min() - 1


def test_the_way_back_begins_as_the_way_there_turned_round() -> None:
    items = training()
    network = LogisticNetwork(shape=shape_of(items), hidden=(5, 4), latent=3)
    measure(network, items)
    before = [down.weight.clone() for down, _ in network.floors()]
    stack_machines(network, items, Config(machine_steps=8), 0, silent)
    for (down, up), old in zip(network.floors(), before, strict=True):
        assert torch.equal(down.weight, up.weight.T)
        assert not torch.equal(down.weight, old)


def test_noise_drives_code_units_away_from_their_middle() -> None:
    items = training()

    def decided(noise: float) -> float:
        config = Config(latent=4, hidden=(16,), machine_steps=50, steps=600, rate=5e-3, noise=noise)
        return float(latents_of(train_rbm(items, config, 0, silent), items).abs().mean())

    assert decided(4.0) > 1.5 * decided(0.0)
