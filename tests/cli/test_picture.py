"""``picture``: what an encoder with a decoder knows, as a PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from hashsvc.app import Store
from hashsvc.cli.program import run
from tests.cli.conftest import Run
from tests.cli.test_server import serving
from tests.encoders.material import TOPICS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``digits/LABEL/N.png``, ``texts.jsonl`` of two topics, and a store.

    Its encoders: ``filled`` and ``topics`` (of texts) decode, ``flat`` and ``mute`` (of texts) do not.
    """
    folder = tmp_path_factory.mktemp("picture")
    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images[:120], data.target[:120], strict=True)):
        path = folder / "digits" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(path)
    (folder / "one").mkdir()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "one" / "0.png")
    rng = np.random.default_rng(2)
    rows = [{"key": f"t{n}", "text": " ".join(rng.choice(TOPICS[("sea", "kitchen")[n % 2]], 7))} for n in range(100)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, kind, model in (
        ("filled", "image", "inpainting"),
        ("flat", "image", "lsh"),
        ("topics", "text", "deep_vae"),
        ("mute", "text", "lsh"),
    ):
        source = folder / ("digits" if kind == "image" else "texts.jsonl")
        trained = ("train", name, source, "--kind", kind, "--bits", 16, "--model", model)
        assert run([str(word) for word in (*trained, "--store", folder / "store")]) == 0
    return folder


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """The same store behind a server in a process of its own."""
    with serving(place / "store") as (_, listening):
        yield listening


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
        (("denoise", "filled", "digits", "--drop", 0.5), "only texts lose words: say --spread"),
        (("denoise", "topics", "texts.jsonl", "--spread", 0.5), "texts lose words: say --drop"),
        (("inpaint", "topics", "texts.jsonl", "--hole", "1,1,1,1"), "only pictures have holes"),
        (("denoise", "filled", "digits", "--spread", "inf"), "a number from 0 on, not inf"),
        (("reconstruct", "mute", "texts.jsonl"), "--model deep_autoencoder or denoising or deep_vae"),
    ],
)
def test_a_wrong_request_is_one_clear_line(
    hashsvc: Run, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(place)
    refused = hashsvc("picture", *arguments, "--out", "x.png", "--store", place / "store")
    assert said in refused.error
    assert not Path("x.png").exists()


def test_a_picture_needs_a_file(hashsvc: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "generate", pytest.fail)  # nobody makes what cannot be written
    assert "--out FILE.png" in hashsvc("picture", "generate", "filled", "--store", place / "store").error


@pytest.mark.parametrize("verb", VERBS)
def test_a_picture_is_a_png_and_named_so(hashsvc: Run, place: Path, tmp_path: Path, verb: str) -> None:
    sourced, options = VERBS[verb]
    arguments = ["picture", verb, "filled", *([place / "digits"] if sourced else []), *options]
    refused = hashsvc(*arguments, "--out", tmp_path / "x.jpg", "--store", place / "store")
    assert f"name {tmp_path / 'x.png'}, not" in refused.error
    assert not (tmp_path / "x.jpg").exists()


def test_keys_do_not_steer_a_terminal(hashsvc: Run, place: Path, tmp_path: Path) -> None:
    rows = [{"key": f"\x1b[31m{n}\nred", "text": "sail harbour"} for n in range(2)]
    (tmp_path / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("picture", "interpolate", "topics", tmp_path / "red.jsonl", "--steps", 2, "--store", place / "store")
    printed = hashsvc(*asked).out
    assert len(printed.splitlines()) == 4
    assert all(line.isprintable() for line in printed.splitlines())
    captions = [line["caption"] for line in hashsvc(*asked, "--json").document["lines"]]
    assert captions[1:3] == ["0%", "100%"]
    assert sorted(captions[::3]) == ["[31m0 red", "[31m1 red"]


@pytest.mark.parametrize("verb", ["reconstruct", "generate", "interpolate"])
def test_a_server_gives_the_picture_that_the_store_gives(hashsvc: Run, place: Path, address: str, verb: str) -> None:
    sourced, options = VERBS[verb]
    arguments = ["picture", verb, "filled", *([place / "digits"] if sourced else []), *options, "--seed", 4, "--json"]
    for door in (("--store", place / "store"), ("--server", address)):
        assert hashsvc(*arguments, "--out", f"{door[0]}.png", *door).status == 0
    assert Path("--store.png").read_bytes() == Path("--server.png").read_bytes()


WORDS = {
    "reconstruct": (True, ("--count", 4), 8),
    "generate": (False, ("--count", 6), 6),
    "interpolate": (True, ("--count", 1, "--steps", 5), 7),
    "denoise": (True, ("--count", 3, "--drop", 0.4), 9),
}


@pytest.mark.parametrize("verb", WORDS)
def test_a_server_gives_the_words_that_the_store_gives(hashsvc: Run, place: Path, address: str, verb: str) -> None:
    sourced, options, lines = WORDS[verb]
    arguments = ["picture", verb, "topics", *([place / "texts.jsonl"] if sourced else []), *options, "--seed", 3]
    ours = hashsvc(*arguments, "--store", place / "store")
    theirs = hashsvc(*arguments, "--server", address)
    assert ours.status == 0, ours.err
    assert ours.out == theirs.out
    assert len(ours.out.splitlines()) == lines
    document = hashsvc(*arguments, "--server", address, "--json").document
    made = [line for line in document["lines"] if "words" in line]
    known = {word for topic in ("sea", "kitchen") for word in TOPICS[topic]}
    assert all(set(line["words"]) <= known for line in made)
    assert all(line["chances"] == sorted(line["chances"], reverse=True) for line in made)
    assert all(len(line["chances"]) == len(line["words"]) for line in made)


def test_rebuilt_texts_keep_to_their_topic(hashsvc: Run, place: Path, address: str) -> None:
    asked = ("picture", "reconstruct", "topics", place / "texts.jsonl", "--server", address, "--count", 10, "--json")
    lines = hashsvc(*asked).document["lines"]
    for text, rebuilt in zip(lines[::2], lines[1::2], strict=True):
        topic = TOPICS[("sea", "kitchen")[int(text["caption"].removeprefix("t")) % 2]]
        assert np.mean([word in topic for word in rebuilt["words"]]) >= 0.8


def test_words_go_to_a_file_where_one_is_named(hashsvc: Run, place: Path) -> None:
    arguments = ("picture", "generate", "topics", "--count", 3, "--store", place / "store")
    printed = hashsvc(*arguments).out
    said = hashsvc(*arguments, "--out", "words.txt", "--json").document
    assert Path("words.txt").read_text() == printed
    assert said["words"] == "words.txt"
    assert len(said["lines"]) == 3


def test_texts_have_a_map(hashsvc: Run, place: Path) -> None:
    hashsvc("picture", "map", "topics", place / "texts.jsonl", "--out", "map.png", "--store", place / "store")
    with Image.open("map.png") as picture:
        assert np.asarray(picture).std() > 5


def test_noise_on_pictures_is_not_laid_through_a_server(hashsvc: Run, place: Path, address: str) -> None:
    arguments = ("picture", "denoise", "filled", place / "digits", "--out", "x.png", "--server", address)
    assert "--store" in hashsvc(*arguments).error
