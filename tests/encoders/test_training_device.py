"""Training on a device makes and keeps everything there: checked on one that is none, see :mod:`elsewhere`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import checkpoints, loop, training_set
from hashsvc.encoders.checkpoints import checkpoints_in
from hashsvc.encoders.contract import Progress
from hashsvc.encoders.deep_vae import Config, train_deep_vae
from hashsvc.encoders.fronts import front_class
from hashsvc.encoders.fronts.vector import VectorFront
from hashsvc.encoders.graph import nearest
from hashsvc.encoders.loop import Schedule
from hashsvc.encoders.precision import HALVED
from hashsvc.encoders.registry import MODELS
from hashsvc.encoders.training_set import HOST, TrainingSet
from tests.encoders.elsewhere import elsewhere
from tests.encoders.material import contents

CASES = [(model.name, kind) for model in MODELS.values() for kind in sorted(model.kinds) if not model.floor]


@pytest.fixture
def one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Schedule.__init__

    def once(self: Schedule, epochs: int, *rest: Any, **further: Any) -> None:
        made(self, min(epochs, 1), *rest, **further)

    monkeypatch.setattr(Schedule, "__init__", once)
    # Equal distances may come in another order, and so lead to another graph; test_block_graph compares the two ways.
    monkeypatch.setattr(training_set, "nearest_in_blocks", lambda values, k, _: nearest(values, k))


def trained(name: str, kind: Kind, device: torch.device) -> dict[str, torch.Tensor]:
    front = front_class(kind).fit(contents(kind)[:80])
    items = [front.decode(content) for content in contents(kind)[:80]]
    training = TrainingSet(front, items, device=device)
    return MODELS[name].fit(training, 16, 3, lambda _: None).tensors()


@pytest.mark.usefixtures("one_pass")
@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
def test_nothing_is_made_on_the_wrong_side(name: str, kind: Kind) -> None:
    with elsewhere() as device:
        found = trained(name, kind, device)
    here = trained(name, kind, HOST)
    assert found.keys() == here.keys()
    for part, value in here.items():
        torch.testing.assert_close(found[part], value, msg=part)


@pytest.mark.usefixtures("one_pass")
@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
def test_halved_numbers_train_every_model(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "mixed", lambda device: torch.autocast(device.type, HALVED))
    found = trained(name, kind, HOST)
    for part, value in found.items():
        assert value.dtype in {torch.float32, torch.int64, torch.float64, torch.uint8}, part
        assert value.isfinite().all(), part


class Stopped(Exception):
    pass


def taken_up(sides: list[torch.device], folder: Path) -> tuple[list[int], dict[str, torch.Tensor]]:
    """A model of three passes, stopped in its second on all sides but the last: which passes that one made, and it."""
    for side in sides:
        told: list[int] = []

        def progress(at: Progress, told: list[int] = told, last: bool = side is sides[-1]) -> None:
            told.append(at.done)
            if at.done == 2 and not last:
                raise Stopped

        items = list(np.random.default_rng(0).normal(size=(80, 64)).astype(np.float32))
        training = TrainingSet(VectorFront(64), items, device=side)
        with suppress(Stopped), checkpoints_in(folder):
            network = train_deep_vae(training, Config(latent=4, hidden=(16,), steps=12), 3, progress, passes=3)
    return told, network.state_dict()


@pytest.mark.filterwarnings(
    "ignore:.*copying from a non-meta parameter"
)  # which the pretend device only claims to hold
@pytest.mark.parametrize("there_first", [True, False])
def test_a_training_stopped_on_one_side_goes_on_on_the_other(
    there_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    _, whole = taken_up([HOST], tmp_path / "whole")
    with elsewhere() as device:
        passes, found = taken_up([device, HOST] if there_first else [HOST, device], tmp_path / "broken")
    assert passes == [2, 3]
    # The pretend device draws the host's random numbers, so that nothing but the place changes.
    for part, value in whole.items():
        torch.testing.assert_close(found[part], value, msg=part)
