"""Replayed steps give what the steps give: with recordings that look like a CUDA graph, and with some that fail."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.device import DeviceEncoder, Placement
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.replay import Record, Step, cuda_graph, recorder
from tests.encoders.material import contents, fitted

PLACEMENT = Placement(torch.device("cpu"), rows=16)


class Graph:
    """Records as CUDA does: one buffer goes in, the same ones come out, and they are written over."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, step: Step, example: torch.Tensor) -> Step:
        self.recorded += 1
        held, results = example.clone(), step(example)

        def replay(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
            self.replayed += 1
            held.copy_(batch)
            for result, found in zip(results, step(held), strict=True):
                result.copy_(found)
            return tuple(result.clone() for result in results)

        return replay


def failing(step: Step, example: torch.Tensor) -> Step:
    raise RuntimeError("operation not permitted when stream is capturing")


def without_graphs(step: Step, example: torch.Tensor) -> Step:
    raise AttributeError("no graphs in this build")


def failing_later(step: Step, example: torch.Tensor) -> Step:
    def replay(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise RuntimeError("an illegal instruction was encountered")

    return replay


def stale(step: Step, example: torch.Tensor) -> Step:
    results = step(example)
    return lambda _: results


def rounding(step: Step, example: torch.Tensor) -> Step:
    return lambda batch: (step(batch)[0] * (1 + 1e-6), *step(batch)[1:])


def short(step: Step, example: torch.Tensor) -> Step:
    return lambda batch: step(batch)[:1]


BROKEN = [failing, without_graphs, failing_later, stale, rounding, short]


def host(kind: Kind, model: str = "autoencoder") -> CodeEncoder:
    found = fitted(model, kind).candidates[model]
    assert isinstance(found, CodeEncoder)
    return found


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VECTOR])
def test_a_replayed_step_gives_the_codes_and_features_of_the_step(kind: Kind) -> None:
    graph = Graph()
    replayed, eager = DeviceEncoder(host(kind), PLACEMENT, graph), DeviceEncoder(host(kind), PLACEMENT)
    items = [eager.decode(content) for content in contents(kind)[:100]]
    assert (replayed.encode(items) == eager.encode(items)).all()
    assert (replayed.features(items) == eager.features(items)).all()
    assert (replayed.encode(items[:5]) == eager.encode(items[:5])).all()
    assert (graph.recorded, graph.replayed) == (1, 1 + 7 + 7 + 1)
    assert replayed.path == eager.path


@pytest.mark.parametrize("record", BROKEN, ids=lambda record: record.__name__)
def test_a_bad_recording_is_left_alone_and_told_once(
    record: Callable[[Step, torch.Tensor], Step], caplog: pytest.LogCaptureFixture
) -> None:
    found, eager = DeviceEncoder(host(Kind.IMAGE), PLACEMENT, record), DeviceEncoder(host(Kind.IMAGE), PLACEMENT)
    items = [eager.decode(content) for content in contents(Kind.IMAGE)[:50]]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert (found.encode(items) == eager.encode(items)).all()
    [line] = caplog.messages
    assert line.startswith("encoding on cpu without a recording of its step: ")


def test_texts_are_never_recorded() -> None:
    graph = Graph()
    found = DeviceEncoder(host(Kind.TEXT), PLACEMENT, graph)
    found.encode([found.decode(content) for content in contents(Kind.TEXT)[:20]])
    assert not graph.recorded


def test_another_shape_takes_the_step_itself() -> None:
    graph = Graph()
    found = DeviceEncoder(host(Kind.VECTOR), PLACEMENT, graph)
    items = torch.from_numpy(np.stack([np.asarray(found.decode(content)) for content in contents(Kind.VECTOR)[:16]]))
    whole = found.compute(items)
    taken = graph.replayed
    part = found.compute(items[:7])
    assert graph.replayed == taken
    torch.testing.assert_close(part[0], whole[0][:7])


def test_codes_without_thresholds_are_cut_from_replayed_features() -> None:
    graph = Graph()
    encoder = host(Kind.VECTOR, "vq_vae")
    found = DeviceEncoder(encoder, PLACEMENT, graph)
    items = [found.decode(content) for content in contents(Kind.VECTOR)[:40]]
    assert (found.encode(items) == DeviceEncoder(encoder, PLACEMENT).encode(items)).all()
    assert graph.replayed == 4


def test_only_cuda_devices_record() -> None:
    found: Record | None = recorder(torch.device("cuda", 0))
    assert found is cuda_graph
    assert recorder(torch.device("cpu")) is None
