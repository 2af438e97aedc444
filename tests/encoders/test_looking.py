"""What can be done with a decoder, and the parts behind it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Encoder
from hashsvc.encoders.deep_autoencoder import HOLE, holes
from hashsvc.encoders.generation import looking
from hashsvc.errors import FailedPrecondition, InvalidArgument
from tests.encoders.material import contents, fitted


def trained(model: str, kind: Kind = Kind.IMAGE) -> Encoder:
    return fitted(model, kind).candidates[model]


def some(encoder: Encoder, count: int = 6) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [encoder.decode(content) for content in contents(encoder.spec.kind)[:count]]  # type: ignore[misc]


def test_a_rebuilt_item_is_nearer_to_its_own_than_to_others() -> None:
    encoder = trained("deep_autoencoder")
    items = some(encoder, 40)
    seen, rebuilt = looking.shown(encoder, items), looking.reconstruct(encoder, items)
    apart = ((rebuilt[:, None] - seen[None]) ** 2).sum(axis=(2, 3, 4))
    assert (apart.argmin(axis=1) == np.arange(40)).mean() > 0.8


@pytest.mark.parametrize(
    ("model", "kind"),
    [(model.name, kind) for model in MODELS.values() if model.decodes for kind in sorted(model.kinds)],
)
def test_drawn_items_follow_the_seed(model: str, kind: Kind) -> None:
    encoder = trained(model, kind)
    first, again, other = (looking.generate(encoder, 5, seed=seed) for seed in (1, 1, 2))
    assert len(first) == 5
    assert np.isfinite(first).all()
    assert (first == again).all()
    assert (first != other).any()


def test_a_path_begins_and_ends_with_its_items() -> None:
    encoder = trained("deep_autoencoder")
    first, last = some(encoder, 2)
    path = looking.interpolate(encoder, first, last, 5)
    ends = looking.reconstruct(encoder, [first, last])
    assert path.shape == (5, 1, 8, 8)
    assert np.allclose(path[[0, -1]], ends, atol=1e-5)
    mixed = (ends[0] + ends[1]) / 2
    assert np.abs(path[2] - mixed).max() > 0.05
    with pytest.raises(InvalidArgument, match="at least 2"):
        looking.interpolate(encoder, first, last, 1)


def test_noise_is_taken_away() -> None:
    encoder = trained("denoising")
    clean = looking.shown(encoder, some(encoder, 60))
    noisy = looking.noisy(clean, 0.5, seed=3)
    repaired = looking.denoise(encoder, noisy)
    assert ((repaired - clean) ** 2).mean() < 0.5 * ((noisy - clean) ** 2).mean()


def test_only_the_hole_is_filled_in() -> None:
    encoder = trained("inpainting")
    pictures = looking.shown(encoder, some(encoder, 60))
    hole = (2, 3, 3, 3)
    cut, filled = looking.cut(pictures, hole), looking.inpaint(encoder, pictures, hole)
    inside = np.zeros((8, 8), dtype=bool)
    inside[2:5, 3:6] = True
    assert (cut[:, 0, inside] == HOLE).all()
    assert (filled[:, 0, ~inside] == pictures[:, 0, ~inside]).all()
    assert ((filled - pictures) ** 2).mean() < ((cut - pictures) ** 2).mean()


@pytest.mark.parametrize("hole", [(-1, 0, 2, 2), (0, 0, 0, 2), (7, 0, 2, 2), (0, 6, 2, 3)])
def test_a_hole_outside_of_the_picture_is_refused(hole: tuple[int, int, int, int]) -> None:
    encoder = trained("inpainting")
    with pytest.raises(InvalidArgument, match="outside"):
        looking.cut(looking.shown(encoder, some(encoder)), hole)


def test_vectors_have_no_holes() -> None:
    encoder = trained("deep_vae", Kind.VECTOR)
    with pytest.raises(InvalidArgument, match="only pictures"):
        looking.cut(looking.shown(encoder, some(encoder)), (0, 0, 1, 1))


def test_a_map_has_a_place_for_every_item() -> None:
    encoder = trained("deep_vae", Kind.VECTOR)
    places = looking.latent_map(encoder, some(encoder, 50))
    assert places.shape == (50, 2)
    assert places[:, 0].std() >= places[:, 1].std() > 0


def test_an_encoder_without_a_decoder_names_those_that_have_one() -> None:
    with pytest.raises(FailedPrecondition, match=r"'itq'.*no decoder.*--model .*deep_vae"):
        looking.generate(trained("itq"), 1)
    with pytest.raises(FailedPrecondition, match=r"--model deep_autoencoder or denoising or deep_vae$"):
        looking.generate(trained("itq", Kind.TEXT), 1)


def test_pictures_are_bytes_and_vectors_lines() -> None:
    picture = looking.pictures_of(trained("deep_vae"), np.array([[[[0.0, 2.0]]]], dtype=np.float32))
    assert picture.tolist() == [[[[0], [255]]]]
    line = looking.pictures_of(trained("deep_vae", Kind.VECTOR), np.array([[-1.0, 1.0, 3.0]], dtype=np.float32))
    assert line.tolist() == [[[[0], [128], [255]]]]


def test_holes_lie_inside_and_have_their_size() -> None:
    found = holes((2, 6, 9), 400, 3, torch.Generator().manual_seed(0)).reshape(400, 2, 6, 9)
    assert (found.sum(dim=(2, 3)) == 9).all()
    assert (found[:, 0] == found[:, 1]).all()
    assert found.any(dim=0).all()
