"""An encoder placed on a device gives the codes of the CPU; here the device is a CPU with other batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hashsvc.codes import unpack
from hashsvc.domain.kinds import Kind
from hashsvc.encoders.device import DeviceEncoder, Placement
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.networks import PictureNetwork
from hashsvc.encoders.precision import single
from hashsvc.errors import InvalidArgument
from tests.encoders.material import contents, fitted

CASES = [("autoencoder", Kind.TEXT), ("autoencoder", Kind.IMAGE), ("autoencoder", Kind.VECTOR), ("vq_vae", Kind.TEXT)]


@pytest.fixture(params=CASES, ids="-".join)
def encoder(request: pytest.FixtureRequest) -> CodeEncoder:
    name, kind = request.param
    found = fitted(name, kind).candidates[name]
    assert isinstance(found, CodeEncoder)
    return found


def turned(encoder: CodeEncoder, placed: DeviceEncoder) -> tuple[np.ndarray, np.ndarray]:
    """Which bits differ from the CPU's, and how near their features are to turning."""
    items = [encoder.decode(content) for content in contents(encoder.spec.kind)]
    codes = placed.encode(items)
    assert codes.shape == (len(items), encoder.spec.bits // 8)
    return unpack(codes ^ encoder.encode(items)).astype(bool), encoder.binarizer.slack(encoder.features(items))


def test_bits_turn_within_the_margin_only(encoder: CodeEncoder) -> None:
    differ, slack = turned(encoder, DeviceEncoder(encoder, Placement(torch.device("cpu"), rows=64)))
    assert not differ[slack > encoder.spec.margin].any()


def test_half_the_numbers_turn_few_bits(encoder: CodeEncoder) -> None:
    placed = DeviceEncoder(encoder, Placement(torch.device("cpu"), torch.bfloat16, rows=64))
    differ, slack = turned(encoder, placed)
    assert differ.mean() < 0.01
    assert placed.margin == encoder.spec.margin * (200 if encoder.network.halves else 1)
    if encoder.network.halves:
        assert not differ[slack > placed.margin].any()


def test_a_row_does_not_depend_on_its_batch(encoder: CodeEncoder) -> None:
    placed = DeviceEncoder(encoder, Placement(torch.device("cpu"), rows=48))
    items = [placed.decode(content) for content in contents(encoder.spec.kind)[:150]]
    together = placed.encode(items)
    assert (placed.encode(items[::-1])[::-1] == together).all()
    assert (np.concatenate([placed.encode([item]) for item in items[:10]]) == together[:10]).all()
    assert (placed.tables(items[:3]) == placed.tables(items)[:3]).all()
    assert placed.encode([]).shape == (0, encoder.spec.bits // 8)


def test_it_says_where_it_computes(encoder: CodeEncoder) -> None:
    placed = DeviceEncoder(encoder, Placement.of("cpu"))
    assert placed.path.startswith("cpu float32 rows-32 torch-")
    assert (placed.spec, placed.model) == (encoder.spec, encoder.model)


@pytest.mark.parametrize("name", ["cuda:99", "cuda:999", "cuda:01", "tpu", "", "meta"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="cpu"):
        Placement.of(name)


def test_convolutions_in_single_precision_are_not_rounded_to_tf32() -> None:
    conv = torch.backends.cudnn
    with conv.flags(enabled=True, allow_tf32=True), single(torch.device("cuda")):
        assert (conv.enabled, conv.allow_tf32) == (True, False)
    with conv.flags(enabled=True, allow_tf32=True):
        with single(torch.device("cuda")):
            pass
        assert conv.allow_tf32


def test_what_a_picture_is_reduced_to_is_never_halved() -> None:
    network = PictureNetwork((3, 8, 8), (4, 4), 8, 16)
    pictures = torch.rand(5, 3, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        reduced = network.reduce(pictures)
    assert torch.equal(reduced, network.reduce(pictures))
