"""What a store's encoders make: contents rebuilt, drawn, and laid between two."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from hashsvc.app import Store, open_store
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition, InvalidArgument, InvalidContent
from hashsvc.settings import Limits, Settings
from tests.encoders.material import digits, vectors


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Encoders "pictures" and "numbers" with a decoder, and "plain" without one; few contents a call, small ones."""
    folder = tmp_path_factory.mktemp("making")
    (folder / "digits").mkdir()
    for number, content in enumerate(digits()[0][:120]):
        (folder / "digits" / f"{number}.png").write_bytes(content)
    rows = np.stack([np.frombuffer(content, "<f4") for content in vectors()[0][:120]])
    np.save(folder / "rows.npy", rows)
    settings = Settings(limits=Limits(max_made=6, max_image_bytes=1_000))
    with open_store(str(folder / "store"), settings=settings) as opened:
        opened.train("pictures", [str(folder / "digits")], kind=Kind.IMAGE, bits=32, model="deep_autoencoder")
        opened.train("numbers", [str(folder / "rows.npy")], kind=Kind.VECTOR, bits=32, model="deep_vae")
        opened.train("plain", [str(folder / "rows.npy")], kind=Kind.VECTOR, bits=32, model="itq")
        yield opened


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return np.asarray(picture, dtype=np.float32)


def test_rebuilt_pictures_are_files_that_look_like_their_items(store: Store) -> None:
    given = digits()[0][:6]
    rebuilt = [pixels(made.content) for made in store.reconstruct("pictures", given)]
    apart = [[float(((one - pixels(other)) ** 2).mean()) for other in given] for one in rebuilt]
    assert [int(np.argmin(row)) for row in apart] == list(range(6))


def test_what_is_made_can_be_encoded_again(store: Store) -> None:
    drawn = store.generate("pictures", 3, seed=5)
    assert store.encode("pictures", [made.content for made in drawn]).shape == (3, 4)
    assert {pixels(made.content).shape for made in drawn} == {(8, 8)}
    assert drawn == store.generate("pictures@1", 3, seed=5)
    assert drawn != store.generate("pictures", 3, seed=6)


def test_vectors_stay_vectors(store: Store) -> None:
    given = vectors()[0][:2]
    rebuilt = store.reconstruct("numbers", given)
    path = store.interpolate("numbers", *given, steps=5)
    numbers = [np.frombuffer(made.content, "<f4") for made in (*rebuilt, *path)]
    assert {one.shape for one in numbers} == {(64,)}
    assert np.allclose(numbers[0], numbers[2], atol=1e-3)
    assert np.allclose(numbers[1], numbers[6], atol=1e-3)


def test_limits_and_wrong_arguments_are_named(store: Store) -> None:
    one, two = digits()[0][:2]
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: store.reconstruct("pictures", [one] * 7), "contents"),
        (lambda: store.generate("pictures", 7), "count"),
        (lambda: store.generate("pictures", 1, seed=2**32), "seed"),
        (lambda: store.interpolate("pictures", one, two, steps=7), "steps"),
        (lambda: store.interpolate("pictures", one, two, steps=1), "steps"),
    ]
    for call, field in refusals:
        with pytest.raises(InvalidArgument) as refused:
            call()
        assert refused.value.field == field
    with pytest.raises(InvalidContent, match="at most 1,000") as refused:
        store.interpolate("pictures", one, b"x" * 1_001, steps=3)
    assert refused.value.field == "last.content"
    with pytest.raises(InvalidContent) as refused:
        store.reconstruct("pictures", [one, b"no picture"])
    assert refused.value.field == "contents[1].content"


def test_an_encoder_without_a_decoder_says_so(store: Store) -> None:
    with pytest.raises(FailedPrecondition, match=r"'itq'.*no decoder.*deep_vae") as refused:
        store.generate("plain", 1)
    assert refused.value.reason == "NO_DECODER"
