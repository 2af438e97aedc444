"""What a decoder is good for, as free functions over an encoder: rebuild, draw, walk between items, repair, map."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from hashsvc.domain.encoders import Made
from hashsvc.domain.kinds import Kind
from hashsvc.encoders.deep_autoencoder import HOLE
from hashsvc.encoders.device import DeviceEncoder
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts.text import TextFront
from hashsvc.encoders.generation.network import DecodingNetwork
from hashsvc.encoders.generation.words import most_probable
from hashsvc.encoders.registry import MODELS
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import Decoded, Encoder

    Items = NDArray[np.float32]
    """Items as a batch: ``float32[n, channels, rows, columns]`` in [0, 1], or ``float32[n, d]``. Of texts, what is
    made are chances of the vocabulary's words, ``float32[n, words]``."""

Hole = tuple[int, int, int, int]
"""Top, left, height and width of a hole, in pixels."""


def decoder_of(encoder: Encoder) -> tuple[CodeEncoder, DecodingNetwork]:
    """The encoder with the network that leads back, on the CPU wherever it encodes.

    Raises:
        FailedPrecondition: the encoder has no decoder; the message names the models that have one.
    """
    encoder = encoder.host if isinstance(encoder, DeviceEncoder) else encoder
    if isinstance(encoder, CodeEncoder) and isinstance(encoder.network, DecodingNetwork):
        return encoder, encoder.network
    known = ", ".join(m.name for m in MODELS.values() if m.decodes and encoder.spec.kind in m.kinds)
    raise FailedPrecondition(
        f"the encoder was trained as {encoder.model!r}, which keeps no decoder: "
        + (f"train one with --model {known.replace(', ', ' or ')}" if known else "no model decodes this kind"),
        reason="NO_DECODER",
    )


def shown(encoder: Encoder, items: Sequence[Decoded]) -> Items:
    """Items as the encoder sees them.

    Raises:
        InvalidArgument: they are texts, which it sees as bags of words.
    """
    coder, _ = decoder_of(encoder)
    batch = coder.front.batch(items)
    if not isinstance(batch, torch.Tensor):
        raise InvalidArgument(
            "a text is seen as a bag of words, which has no pixels or places: rebuild it, or drop words of it",
            field="items",
        )
    return _array(batch)


@torch.inference_mode()
def reconstruct(encoder: Encoder, items: Sequence[Decoded]) -> Items:
    """Items rebuilt from their latents."""
    _, network = decoder_of(encoder)
    return _array(network.items(_latents(encoder, items)))


@torch.inference_mode()
def generate(encoder: Encoder, count: int, *, seed: int = 0) -> Items:
    """``count`` new items, from latents drawn as they come; the same seed draws the same."""
    _, network = decoder_of(encoder)
    return _array(network.items(network.drawn(count, torch.Generator().manual_seed(seed))))


@torch.inference_mode()
def interpolate(encoder: Encoder, first: Decoded, last: Decoded, steps: int) -> Items:
    """Items on the straight line between two latents, both ends among them: no mixture of their pixels.

    Raises:
        InvalidArgument: fewer than two steps.
    """
    if steps < 2:
        raise InvalidArgument(f"a path needs at least 2 steps, not {steps}", field="steps")
    _, network = decoder_of(encoder)
    ends = _latents(encoder, [first, last])
    shares = torch.linspace(0, 1, steps)[:, None]
    return _array(network.items(ends[:1] * (1 - shares) + ends[1:] * shares))


def noisy(items: Items, spread: float, *, seed: int = 0) -> Items:
    """Items under Gaussian noise of that spread.

    Raises:
        InvalidArgument: the spread is negative, or not finite as ``float32``.
    """
    if not 0 <= spread <= np.finfo(np.float32).max:
        raise InvalidArgument(f"the spread of noise is a number from 0 on, not {spread:g}", field="spread")
    drawn = np.random.default_rng(seed).normal(0.0, spread, items.shape)
    return (items + drawn).astype(np.float32)


@torch.inference_mode()
def denoise(encoder: Encoder, damaged: Items) -> Items:
    """Damaged items (see :func:`noisy`) led back to where items lie.

    A text that lost words (:func:`drop_words`) is a text still: :func:`reconstruct` leads it back.
    """
    _, network = decoder_of(encoder)
    return _array(network.items(network.latents_of(torch.from_numpy(damaged))))


def cut(items: Items, hole: Hole) -> Items:
    """Pictures with a grey hole.

    Raises:
        InvalidArgument: the hole lies outside of the pictures, or the items are none.
    """
    top, left, height, width = hole
    if items.ndim != 4:
        raise InvalidArgument(
            "only pictures have holes: damage vectors by noise, texts by words left out", field="hole"
        )
    rows, columns = items.shape[2:]
    if min(top, left) < 0 or min(height, width) < 1 or top + height > rows or left + width > columns:
        raise InvalidArgument(
            f"a hole of {height} x {width} at ({top}, {left}) lies outside of pictures of {rows} x {columns}",
            field="hole",
        )
    found = items.copy()
    found[:, :, top : top + height, left : left + width] = HOLE
    return found


def inpaint(encoder: Encoder, items: Items, hole: Hole) -> Items:
    """Pictures whose hole is filled in from what stands around it; nothing else of them changes."""
    filled = denoise(encoder, cut(items, hole))
    top, left, height, width = hole
    found = items.copy()
    inside = np.s_[:, :, top : top + height, left : left + width]
    found[inside] = filled[inside]
    return found


@torch.inference_mode()
def latent_map(encoder: Encoder, items: Sequence[Decoded]) -> NDArray[np.float32]:
    """Latents ``float32[n, 2]``: as they are where they have two numbers, else their two strongest directions."""
    latents = _latents(encoder, items).numpy()
    if latents.shape[1] == 2:
        return latents
    centred = latents - latents.mean(axis=0)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    strongest = directions[:, ::-1][:, :2]
    signs = np.sign(strongest[np.abs(strongest).argmax(axis=0), np.arange(strongest.shape[1])])
    found: NDArray[np.float32] = (centred @ (strongest * signs)).astype(np.float32)
    return found


def pictures_of(encoder: Encoder, items: Items) -> NDArray[np.uint8]:
    """Items as pixels ``uint8[n, rows, columns, channels]``; vectors as one line of grey between their extremes."""
    if encoder.spec.kind is Kind.IMAGE:
        pixels: NDArray[np.uint8] = (items.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
        return pixels
    return lines_of(items)


def lines_of(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Vectors ``float32[n, d]`` as lines of grey ``uint8[n, 1, d, 1]`` between the extremes of them all."""
    low, high = rows.min(), rows.max()
    grey = (rows - low) / max(float(high - low), 1e-12) * 255
    line: NDArray[np.uint8] = grey.round().astype(np.uint8)[:, None, :, None]
    return line


def made(encoder: Encoder, items: Items) -> list[Made]:
    """Items as contents of the encoder's own kind.

    Pictures are PNG files, vectors little-endian float32, texts their most probable words.
    """
    coder, _ = decoder_of(encoder)
    if isinstance(coder.front, TextFront):
        return most_probable(coder.front.words, items)
    if encoder.spec.kind is Kind.IMAGE:
        return [Made(_png(picture)) for picture in pictures_of(encoder, items)]
    return [Made(item.astype("<f4").tobytes()) for item in items]


def _png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, "PNG")
    return file.getvalue()


def _latents(encoder: Encoder, items: Sequence[Decoded]) -> torch.Tensor:
    coder, network = decoder_of(encoder)
    return network.latents_of(coder.front.batch(items))


def _array(batch: torch.Tensor) -> Items:
    found: Items = batch.numpy().astype(np.float32)
    return found
