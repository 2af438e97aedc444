"""``picture``: what an encoder with a decoder knows, as a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from hashsvc.cli.program import run
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``digits/LABEL/N.png`` and a store with encoders ``filled`` (decodes) and ``flat`` (does not)."""
    folder = tmp_path_factory.mktemp("picture")
    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images[:120], data.target[:120], strict=True)):
        path = folder / "digits" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(path)
    (folder / "one").mkdir()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "one" / "0.png")
    for name, model in (("filled", "inpainting"), ("flat", "lsh")):
        trained = ("train", name, folder / "digits", "--kind", "image", "--bits", 16, "--model", model)
        assert run([str(word) for word in (*trained, "--store", folder / "store")]) == 0
    return folder


VERBS = {
    "reconstruct": (True, ()),
    "generate": (False, ("--count", 12)),
    "interpolate": (True, ("--steps", 7)),
    "denoise": (True, ("--spread", 0.3)),
    "inpaint": (True, ("--hole", "2,2,3,3")),
    "map": (True, ()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_writes_the_same_picture_for_the_same_seed(hashsvc: Run, place: Path, verb: str) -> None:
    sourced, options = VERBS[verb]
    arguments = ["picture", verb, "filled", *([place / "digits"] if sourced else []), *options]
    for out in ("first.png", "again.png"):
        found = hashsvc(*arguments, "--seed", 4, "--out", out, "--store", place / "store", "--json").document
        assert found["picture"] == out
    assert Path("first.png").read_bytes() == Path("again.png").read_bytes()
    with Image.open("first.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture).std() > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("generate", "flat"), "keeps no decoder"),
        (("generate", "nothing"), "nothing"),
        (("inpaint", "filled", "digits", "--hole", "1,2"), "TOP,LEFT,HEIGHT,WIDTH"),
        (("inpaint", "filled", "digits", "--hole", "7,7,9,9"), "outside of pictures of 8 x 8"),
        (("interpolate", "filled", "one"), "a path needs two items"),
        (("map", "filled", "digits", "--by", "colour"), "colour"),
    ],
)
def test_a_wrong_request_is_one_clear_line(
    hashsvc: Run, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(place)
    refused = hashsvc("picture", *arguments, "--out", "x.png", "--store", place / "store")
    assert said in refused.error
    assert not Path("x.png").exists()
