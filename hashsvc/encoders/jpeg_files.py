"""Codes of picture files whose JPEGs are decoded on the device; Pillow decodes the rest, and all where none can be.

A device's decoder rounds otherwise than Pillow (inverse transform, colours of coarser pixels, resizing), and no margin
bounds what that does to a feature. So nothing that a collection stores is decoded here: its codes, and those of the
queries that meet them, come by Pillow. Codes from here are comparable with codes from here; ``path`` names the decoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.fronts.image import MAX_PIXELS, ImageFront
from hashsvc.encoders.fronts.jpeg import plain_size
from hashsvc.errors import InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.device import DeviceEncoder

PIXELS_AT_ONCE = 2 * MAX_PIXELS


@dataclass(frozen=True, slots=True)
class JpegDecoder:
    """A decoder of JPEG files on a device.

    Args:
        name: its package and version, as a path names it.
        decode: files ``uint8[bytes]`` in host memory and channels (1 or 3) -> pictures ``uint8[channels, rows,
            columns]`` on the device, or RuntimeError if one of them cannot be decoded.
    """

    name: str
    decode: Callable[[list[torch.Tensor], int], list[torch.Tensor]]


def jpeg_decoder(device: torch.device) -> JpegDecoder | None:
    """The decoder of torchvision (nvJPEG) for a CUDA device; None where either is missing."""
    if device.type != "cuda":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchvision import __version__ as version
            from torchvision.io import ImageReadMode, decode_jpeg
    except (ImportError, OSError, RuntimeError):
        return None
    modes = {1: ImageReadMode.GRAY, 3: ImageReadMode.RGB}

    def decode(files: list[torch.Tensor], channels: int) -> list[torch.Tensor]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found: list[torch.Tensor] = decode_jpeg(files, mode=modes[channels], device=device)
        return found

    return JpegDecoder(f"torchvision-{version.partition('+')[0]}", decode)


class JpegFiles:
    """An encoder of picture files on a device.

    Args:
        placed: computes the codes.
        decoder: of its device; None leaves all to Pillow.

    Raises:
        InvalidArgument: the encoder is not one of pictures.
    """

    def __init__(self, placed: DeviceEncoder, decoder: JpegDecoder | None) -> None:
        front = placed.host.front
        if not isinstance(front, ImageFront):
            raise InvalidArgument(f"a {placed.spec.kind} encoder takes no {Kind.IMAGE} files", field="encoder")
        self._front = front
        self._placed = placed
        self._decoder = decoder
        self.path = placed.path if decoder is None else f"{placed.path} jpeg-{decoder.name}"

    def encode(self, contents: Sequence[bytes]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]`` of picture files; a file's code does not depend on its company.

        Raises:
            InvalidContent: a file cannot be read; the field says which.
        """
        if not contents:
            return np.empty((0, self._placed.spec.bits // 8), dtype=np.uint8)
        return self._placed.codes_of(self._batches(contents))

    def _batches(self, contents: Sequence[bytes]) -> Iterator[tuple[torch.Tensor, int]]:
        rows = self._placed.placement.rows
        for start in range(0, len(contents), rows):
            part = contents[start : start + rows]
            found = self.decoded(part, start)
            yield functional.pad(found, (0, 0, 0, 0, 0, 0, 0, rows - len(part))), len(part)

    def decoded(self, contents: Sequence[bytes], first: int = 0) -> torch.Tensor:
        """Pictures ``uint8[n, rows, columns, channels]`` on the device, the first of them number ``first``.

        Raises:
            InvalidContent: as :meth:`encode`.
        """
        front, device = self._front, self._placed.placement.device
        found = torch.empty(
            (len(contents), front.rows, front.columns, front.channels), dtype=torch.uint8, device=device
        )
        done: set[int] = set()
        for numbers in self._portions(contents):
            for number, picture in self._attempted(contents, numbers):
                found[number] = self._resized(picture)
                done.add(number)
        left = [number for number in range(len(contents)) if number not in done]
        if left:
            pixels = np.stack([self._by_pillow(contents[number], first + number) for number in left])
            found[torch.tensor(left, device=device)] = torch.from_numpy(pixels).to(device)
        return found

    def _portions(self, contents: Sequence[bytes]) -> Iterator[list[int]]:
        """Numbers of the files that the device may decode, as many at once as have a bounded number of pixels."""
        numbers: list[int] = []
        pixels = 0
        for number, content in enumerate(contents if self._decoder else ()):
            size = plain_size(content)
            own = size[0] * size[1] if size else MAX_PIXELS + 1
            if own > MAX_PIXELS:
                continue
            if numbers and pixels + own > PIXELS_AT_ONCE:
                yield numbers
                numbers, pixels = [], 0
            numbers.append(number)
            pixels += own
        if numbers:
            yield numbers

    def _attempted(self, contents: Sequence[bytes], numbers: list[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """Pictures of the files that can be decoded. One that cannot leads no other to another decoder."""
        assert self._decoder is not None
        files = [torch.frombuffer(bytearray(contents[number]), dtype=torch.uint8) for number in numbers]
        try:
            found = self._decoder.decode(files, self._front.channels)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            for number in numbers if len(numbers) > 1 else ():
                yield from self._attempted(contents, [number])
        else:
            yield from zip(numbers, found, strict=True)

    def _resized(self, picture: torch.Tensor) -> torch.Tensor:
        """``uint8[rows, columns, channels]`` of a picture, by Pillow's filter where the size differs."""
        size = (self._front.rows, self._front.columns)
        if tuple(picture.shape[1:]) != size:
            wide = functional.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0]
            picture = wide.round_().clamp_(0, 255).to(torch.uint8)
        return picture.permute(1, 2, 0)

    def _by_pillow(self, content: bytes, number: int) -> NDArray[np.uint8]:
        try:
            return self._front.decode(content)
        except InvalidContent as error:
            raise error.at(f"contents[{number}]") from None
