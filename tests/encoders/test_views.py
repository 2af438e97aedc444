"""Views of pictures: what they see, what they pass over, and every size of picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.encoders.views import ORIENTATIONS, VIEWS, outline_width, outlines, shades
from tests.encoders.material import contents


def bars(direction: int) -> torch.Tensor:
    """One picture of stripes."""
    picture = torch.zeros(1, 1, 32, 32)
    picture[:, :, 8:24, ::4] = 1.0
    return picture if direction == 0 else picture.transpose(2, 3)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (8, 8), (9, 28), (28, 28), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_has_the_width_it_says(size: tuple[int, int], channels: int) -> None:
    pictures = torch.rand(5, channels, *size)
    assert outlines(pictures).shape == (5, outline_width(*size))
    assert shades(pictures).shape == (5, channels * size[0] * size[1])


@pytest.mark.parametrize("view", VIEWS)
def test_exposure_changes_nothing(view: object) -> None:
    assert callable(view)
    pictures = torch.rand(4, 3, 16, 16) / 2
    assert torch.allclose(view(pictures), view(pictures * 1.5 + 0.2), atol=1e-4)


def test_a_blank_picture_has_no_outlines_and_no_shades() -> None:
    blank = torch.full((2, 1, 12, 12), 0.5)
    assert not outlines(blank).any()
    assert shades(blank).abs().max() < 1e-3


def test_outlines_tell_directions_apart_and_forgive_a_shift() -> None:
    across, along = outlines(bars(0)), outlines(bars(1))
    moved = outlines(torch.roll(bars(0), 1, dims=3))
    assert float((across * moved).sum()) > 0.9
    assert float((across * along).sum()) < 0.6
    strongest = across.reshape(ORIENTATIONS, -1).sum(dim=1)
    assert set(strongest.topk(2).indices.tolist()) == {0, ORIENTATIONS // 2}


def by_hand(picture: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]) -> list[float]:
    """The outlines of one picture whose cells are two pixels wide, pixel by pixel."""
    _, rows, columns = picture.shape
    counted = np.zeros((ORIENTATIONS, rows + 2, columns + 2))
    for row, column in np.ndindex(rows, columns):
        left, right = max(column - 1, 0), min(column + 1, columns - 1)
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        edges = [(float(c[row, right] - c[row, left]), float(c[below, column] - c[above, column])) for c in picture]
        across, down = max(edges, key=lambda edge: math.hypot(*edge))
        turn = math.atan2(down, across) * ORIENTATIONS / (2 * math.pi)
        for orientation, share in ((math.floor(turn), math.floor(turn) + 1 - turn), (math.ceil(turn), turn % 1)):
            counted[orientation % ORIENTATIONS, row + 1, column + 1] += math.hypot(across, down) * share
    windows = sliding_window_view(counted, (4, 4), axis=(1, 2))[:, ::2, ::2].mean(axis=(3, 4))
    found = np.sqrt(windows).ravel()
    return list(found / np.linalg.norm(found))


@pytest.mark.parametrize("channels", [1, 3])
def test_outlines_are_what_counting_by_hand_gives(channels: int) -> None:
    pictures = torch.rand(3, channels, 8, 11, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(outlines(pictures), [by_hand(one) for one in pictures.numpy()], atol=1e-5)


def test_a_grey_picture_in_colours_has_the_outlines_it_has_in_grey() -> None:
    grey = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(outlines(grey.expand(-1, 3, -1, -1)), outlines(grey))


def test_other_pictures_are_projected_as_the_training_pictures_were() -> None:
    front = ImageFront.fit(contents(Kind.IMAGE))
    items = [front.decode(content) for content in contents(Kind.IMAGE)]
    training = TrainingSet(front, items)
    near = training.near(items[:20], 3)
    assert near.shape == (20, 3 * len(VIEWS))
    assert np.array_equal(near[:, 0], np.arange(20))
    assert np.array_equal(near[:, 3], np.arange(20))
    for view in training.views:
        assert np.isclose((view.values**2).sum(axis=1).mean(), 1.0, atol=1e-3)
