"""Autoregressive priors: nothing is known of an index before it comes, and what follows from it is learned."""

from __future__ import annotations

import math

import pytest
import torch

from hashsvc.encoders import Progress
from hashsvc.encoders.loop import Schedule
from hashsvc.encoders.prior import Prior, bits_an_index, train_prior, unigram_bits

SHAPES = [(4, 5), (12,)]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_index_is_guessed_from_those_before_it_alone(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    prior = Prior(shape, 6, 8, 2).eval()
    places = math.prod(shape)
    indices = torch.randint(0, 6, (1, places))
    before = prior(indices.reshape(1, *shape)).flatten(2)
    for place in range(places):
        changed = indices.clone()
        changed[0, place] = (changed[0, place] + 1) % 6
        moved = (prior(changed.reshape(1, *shape)).flatten(2) - before).abs().amax(dim=(0, 1))
        assert moved[: place + 1].max() == 0
        assert (moved.max() > 0) == (place < places - 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_follows_from_the_last_index_costs_nothing_and_is_drawn(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    steps = torch.arange(math.prod(shape))
    counted = (torch.randint(0, 5, (200, 1)) + steps) % 5
    prior = Prior(shape, 5, 16, 1)
    train_prior(prior, counted.reshape(200, *shape), Schedule(20, 50, 2e-2), seed=0, progress=silent)
    first = math.log2(5) / len(steps)
    assert unigram_bits(counted, 5) == pytest.approx(math.log2(5), abs=0.01)
    assert bits_an_index(prior, counted.reshape(200, *shape)) < first + 0.3
    with torch.inference_mode():
        drawn, again = (prior.drawn(40, torch.Generator().manual_seed(3)).flatten(1) for _ in range(2))
    assert torch.equal(drawn, again)
    assert ((drawn.diff(dim=1) % 5) == 1).float().mean() > 0.8


def silent(_: Progress) -> None:
    return None
