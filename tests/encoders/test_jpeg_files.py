"""Picture files decoded on a device: here by one that only looks like it, as the rest needs no GPU."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hashsvc.domain.kinds import Kind
from hashsvc.encoders.device import DeviceEncoder, Placement
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts.image import MAX_PIXELS
from hashsvc.encoders.fronts.jpeg import plain_size
from hashsvc.encoders.jpeg_files import JpegDecoder, JpegFiles, jpeg_decoder
from hashsvc.errors import InvalidArgument, InvalidContent
from tests.encoders.material import contents, fitted

HERE = torch.device("cpu")


def jpeg(size: tuple[int, int] = (8, 8), mode: str = "L", seed: int = 0, **options: Any) -> bytes:
    channels = {"L": (), "RGB": (3,), "CMYK": (3,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], *channels), np.uint8)
    file = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode == "CMYK" else picture).save(file, "JPEG", **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg((24, 16), exif=exif)


class Decoding:
    """Decodes by Pillow, one brightness off, and keeps what it was asked; what is cut off is an error for all."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, files: list[torch.Tensor], channels: int) -> list[torch.Tensor]:
        self.asked.append(len(files))
        try:
            pictures = [Image.open(io.BytesIO(file.numpy().tobytes())) for file in files]
            found = [np.array(picture.convert("L" if channels == 1 else "RGB")) for picture in pictures]
        except OSError as error:
            raise RuntimeError(str(error)) from None
        return [torch.from_numpy(p.reshape(*p.shape[:2], -1) ^ 1).permute(2, 0, 1) for p in found]


def encoder(kind: Kind = Kind.IMAGE) -> DeviceEncoder:
    found = fitted("autoencoder", kind).candidates["autoencoder"]
    assert isinstance(found, CodeEncoder)
    return DeviceEncoder(found, Placement(HERE, rows=16))


def files(decoding: Decoding | None = None) -> JpegFiles:
    return JpegFiles(encoder(), JpegDecoder("some-1.0", decoding) if decoding else None)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (jpeg((24, 16)), (16, 24)),
        (jpeg((24, 16), "RGB"), (16, 24)),
        (jpeg((24, 16), "RGB", progressive=True), (16, 24)),
        (turned(1), (16, 24)),
        (turned(6), None),
        (jpeg(mode="CMYK"), None),
        (contents(Kind.IMAGE)[0], None),
        (jpeg()[:40], None),
        (b"\xff\xd8\xff", None),
        (b"", None),
        (b"\xff\xd8" + b"\xff\xfe\x00\x00" * 9, None),
        (b"\xff\xd8\xff\xe1\x00\x20Exif\0\0" + bytes(80), None),
    ],
)
def test_only_plain_upright_jpegs_have_a_size(content: bytes, size: tuple[int, int] | None) -> None:
    assert plain_size(content) == size


def test_without_a_decoder_the_codes_are_those_of_pillow() -> None:
    found = files()
    asked = [*contents(Kind.IMAGE)[:20], jpeg((40, 30)), turned(6)]
    device = encoder()
    assert (found.encode(asked) == device.encode([device.decode(content) for content in asked])).all()
    assert found.path == device.path
    assert jpeg_decoder(HERE) is None


def test_the_decoder_gets_the_jpegs_and_the_path_names_it() -> None:
    decoding = Decoding()
    found = files(decoding)
    png, colour = contents(Kind.IMAGE)[0], jpeg(mode="RGB")
    pixels = found.decoded([jpeg(), png, turned(6), colour])
    assert decoding.asked == [2]
    assert found.path.endswith(" jpeg-some-1.0")
    front = encoder().decode
    assert (pixels[0].numpy() == np.asarray(front(jpeg())) ^ 1).all()
    assert (pixels[3].numpy() == np.asarray(front(colour)) ^ 1).all()
    assert (pixels[1].numpy() == np.asarray(front(png))).all()
    assert (pixels[2].numpy() == np.asarray(front(turned(6)))).all()


def test_another_size_is_resized_as_pillow_does() -> None:
    content = jpeg((41, 30), seed=4)
    pixels = files(Decoding()).decoded([content])[0].numpy().astype(int)
    assert np.abs(pixels - np.asarray(encoder().decode(content))).max() <= 2


def test_a_code_depends_neither_on_company_nor_on_batches() -> None:
    asked = [jpeg(seed=seed) for seed in range(40)]
    together = files(Decoding()).encode(asked)
    alone = files(Decoding())
    assert (np.concatenate([alone.encode([content]) for content in asked]) == together).all()
    cut = jpeg(seed=3)[:-60]
    pixels = files(damaged := Decoding()).decoded
    with pytest.raises(InvalidContent) as refused:
        pixels([asked[0], cut, asked[1]], first=16)
    assert refused.value.field == "contents[17].content"
    assert damaged.asked == [3, 1, 1, 1]


def test_large_pictures_are_decoded_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashsvc.encoders.jpeg_files.PIXELS_AT_ONCE", 200)
    decoding = Decoding()
    files(decoding).decoded([jpeg()] * 7)
    assert decoding.asked == [3, 3, 1]


def test_too_many_pixels_never_reach_the_decoder() -> None:
    content = bytearray(jpeg())
    frame = content.index(b"\xff\xc0") + 5
    content[frame : frame + 4] = b"\x20\x00\x20\x00"
    decoding = Decoding()
    with pytest.raises(InvalidContent, match=f"more than the {MAX_PIXELS} allowed"):
        files(decoding).encode([bytes(content)])
    assert not decoding.asked


def test_memory_that_runs_out_is_no_reason_for_another_decoder() -> None:
    def full(files: list[torch.Tensor], channels: int) -> list[torch.Tensor]:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(torch.OutOfMemoryError):
        JpegFiles(encoder(), JpegDecoder("some", full)).encode([jpeg()])


def test_only_encoders_of_pictures_take_files() -> None:
    assert files().encode([]).shape == (0, 4)
    with pytest.raises(InvalidArgument, match="vector encoder"):
        JpegFiles(encoder(Kind.VECTOR), None)
