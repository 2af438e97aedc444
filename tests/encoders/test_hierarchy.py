"""The hierarchy of latents: what its groups say to each other, and what the bound is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from hashsvc.encoders import hierarchy, nvae

T = TypeVar("T")
SHAPES = [(1, 8, 8), (3, 9, 14), (1, 5, 3)]


def network_of(shape: tuple[int, int, int] = (1, 8, 8)) -> hierarchy.HierarchyNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return hierarchy.HierarchyNetwork(shape=shape, groups=(2, 2), channels=8, depth=3, hidden=(16, 16)).eval()


def rows_of(shape: tuple[int, int, int], count: int = 4) -> torch.Tensor:
    return torch.rand(count, math.prod(shape), generator=torch.Generator().manual_seed(1))


def seeded(found: Callable[[], T]) -> T:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return found()


def pairs(means: torch.Tensor) -> list[float]:
    """Sums of the first and of the last two."""
    return means.reshape(2, 2).sum(dim=1).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_pictures_of_any_size_lead_to_latents_and_back(shape: tuple[int, int, int]) -> None:
    network = network_of(shape)
    latents = network.latents(rows_of(shape))
    assert latents.shape == (4, network.config["latent"] or network.centre.numel())
    assert network.items(latents).shape == (4, *shape)
    assert network.drawn(3, torch.Generator().manual_seed(0)).shape == (3, latents.shape[1])


@torch.inference_mode()
def test_latents_say_all_that_the_way_down_was_told() -> None:
    network = network_of()
    latents, logits, _ = network.posterior(rows_of((1, 8, 8)), 0.0)
    assert torch.allclose(network.rebuilt(latents), logits, atol=1e-5)


@torch.inference_mode()
def test_the_divergence_is_that_of_the_posterior_from_its_prior() -> None:
    network, rows = network_of(), rows_of((1, 8, 8))
    group, seen = network.groups[0], network.first.expand(len(rows), -1, -1, -1)
    mean, spread = group.expected(seen)
    away, wider = group.shifted(seen, network.read(rows)[0])
    posterior = Normal(mean + spread.exp() * away, (spread + wider).exp())
    expected = kl_divergence(posterior, Normal(mean, spread.exp())).flatten(1).sum(dim=1)
    assert torch.allclose(network.posterior(rows, 0.0)[2][0], expected, rtol=1e-4)


@torch.inference_mode()
def test_a_later_group_expects_what_the_first_has_said() -> None:
    network = network_of()
    expected: list[list[torch.Tensor]] = []
    for told in (0.0, 1.0):
        found: list[torch.Tensor] = []

        def choose(
            number: int, _: torch.Tensor, mean: torch.Tensor, __: torch.Tensor, told: float = told
        ) -> torch.Tensor:
            expected[-1].append(mean)
            return torch.full_like(mean, told if number == 0 else 0.0)

        expected.append(found)
        network.descended(1, choose)
    assert [torch.allclose(one, other) for one, other in zip(*expected, strict=True)] == [True, False, False, False]


@torch.inference_mode()
def test_the_divergence_gains_its_weight_and_large_groups_pay_more_of_it() -> None:
    rising = nvae.WarmUp(4)
    assert [rising() for _ in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    network, rows = network_of(), rows_of((1, 8, 8))
    means = seeded(lambda: network.posterior(rows, 1.0)[2]).mean(dim=1)
    shares = means * torch.tensor([3.0, 3.0, 12.0, 12.0])
    whole, half = (seeded(partial(nvae.bound, network, rows, weight)) for weight in (1.0, 0.5))
    assert [float(whole[name]) for name in ("coarse", "fine")] == pytest.approx(pairs(means))
    assert [float(half[name]) for name in ("coarse", "fine")] == pytest.approx(
        pairs(0.5 * means * shares / shares.mean())
    )
    assert half["rebuilt"] == whole["rebuilt"]
    assert half["fine"] / whole["fine"] > half["coarse"] / whole["coarse"]


def test_a_place_of_the_coarse_grid_holds_the_four_of_the_fine_one_above_it() -> None:
    fine = torch.arange(2 * hierarchy.FINE**2 * 3.0).view(2, hierarchy.FINE, hierarchy.FINE, 3)
    coarse = hierarchy.gathered(fine)
    assert coarse.shape == (2, hierarchy.COARSE, hierarchy.COARSE, 12)
    assert torch.equal(coarse[1, 0, 1].view(2, 2, 3), fine[1, 0:2, 2:4])
    assert torch.equal(hierarchy.scattered(coarse), fine)
