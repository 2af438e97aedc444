"""Training on a device makes and keeps everything there: checked on one that is none, see :mod:`elsewhere`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import loop, training_set
from hashsvc.encoders.fronts import front_class
from hashsvc.encoders.graph import nearest
from hashsvc.encoders.loop import Schedule
from hashsvc.encoders.precision import HALVED
from hashsvc.encoders.registry import MODELS
from hashsvc.encoders.training_set import HOST, TrainingSet
from tests.encoders.elsewhere import elsewhere
from tests.encoders.material import contents

CASES = [(model.name, kind) for model in MODELS.values() for kind in sorted(model.kinds) if not model.floor]


@pytest.fixture(autouse=True)
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


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
def test_nothing_is_made_on_the_wrong_side(name: str, kind: Kind) -> None:
    with elsewhere() as device:
        found = trained(name, kind, device)
    here = trained(name, kind, HOST)
    assert found.keys() == here.keys()
    for part, value in here.items():
        torch.testing.assert_close(found[part], value, msg=part)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
def test_halved_numbers_train_every_model(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "mixed", lambda device: torch.autocast(device.type, HALVED))
    found = trained(name, kind, HOST)
    for part, value in found.items():
        assert value.dtype in {torch.float32, torch.int64, torch.float64, torch.uint8}, part
        assert value.isfinite().all(), part
