"""The demo's story: files, training, ingest, a server, questions, a restart, the same answers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc.cli.demo.asking import IMAGES, KEY, TEXTS, Answers, ask, p_at_10
from hashsvc.cli.demo.digits import Digits, label_of, write_digits
from hashsvc.cli.demo.documents import write_documents
from hashsvc.cli.demo.gallery import Tile, draw_gallery
from hashsvc.cli.demo.precision import NEAREST
from hashsvc.cli.demo.process import server
from hashsvc.cli.demo.queries import QUESTIONS, Question
from hashsvc.cli.ingest import Rows, ingest_here
from hashsvc.cli.screen import table
from hashsvc.cli.target import New
from hashsvc.cli.training import Training, train_here
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from rich.console import Console

    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.service import Service

IMAGE_BITS, TEXT_BITS = 64, 128
GALLERY_ROWS = 10
MARK = ".hashsvc-demo"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo keeps its things, all under one folder."""

    folder: Path

    @property
    def store(self) -> Path:
        """The store that is filled and served."""
        return self.folder / "store"

    @property
    def inputs(self) -> Path:
        """What a user would bring: a .jsonl file and folders of pictures."""
        return self.folder / "inputs"

    @property
    def documents(self) -> Path:
        """The texts."""
        return self.inputs / "stdlib.jsonl"

    @property
    def gallery(self) -> Path:
        """The picture of questions and answers."""
        return self.folder / "gallery.png"

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.folder / "server.log"

    def clear(self) -> None:
        """An empty folder that belongs to the demo; one that holds other things is refused."""
        if self.folder.exists() and not (self.folder / MARK).exists() and any(self.folder.iterdir()):
            raise FailedPrecondition(f"{self.folder} holds other files: name another folder with --folder")
        for held in (self.store, self.inputs):
            shutil.rmtree(held, ignore_errors=True)
        for file in (self.gallery, self.log):
            file.unlink(missing_ok=True)
        self.inputs.mkdir(parents=True)
        (self.folder / MARK).touch()


def run_demo(folder: Path, screen: Console) -> dict[str, Any]:
    """Run the whole demo under ``folder`` and show it on ``screen``; returns the result as a JSON document."""
    started = time.monotonic()
    places = Places(folder.resolve())
    places.clear()
    screen.rule("[bold]Real files", align="left")
    digits = _write_inputs(places, screen)
    screen.rule("[bold]Train an encoder for each, ingest into a collection each", align="left")
    _fill(places, digits, screen)
    pictures = digits.question_files()
    screen.rule("[bold]Serve, and ask over gRPC", align="left")
    first, counts = _ask_server(places, pictures, screen)
    _show(first, pictures, screen)
    _draw(places, digits, pictures, first.images)
    screen.print(f"Gallery of query digits and their nearest neighbours: {places.gallery}")
    screen.rule("[bold]Restart the server, and ask again", align="left")
    second, _ = _ask_server(places, pictures, screen)
    same = first.same_as(second)
    screen.print("The same answers." if same else "[red]Other answers than before the restart.")
    score = p_at_10(pictures, first.images)
    return {
        "images": {"items": counts[IMAGES], "bits": IMAGE_BITS, "p_at_10": round(score, 4)},
        "texts": {
            "items": counts[TEXTS],
            "bits": TEXT_BITS,
            "queries": [{"query": q.text, "keys": a.keys} for q, a in zip(QUESTIONS, first.texts, strict=True)],
        },
        "same_after_restart": same,
        "seconds": round(time.monotonic() - started, 1),
    }


def _write_inputs(places: Places, screen: Console) -> Digits:
    documents = write_documents(places.documents)
    screen.print(f"{documents:,} documented names of this Python's standard library: {places.documents}")
    digits = write_digits(places.inputs / "digits")
    kept_out = len(digits.question_files())
    screen.print(f"handwritten digits as PNG files, {kept_out} of them kept out to ask with: {digits.collection}")
    return digits


def _fill(places: Places, digits: Digits, screen: Console) -> None:
    """Train and ingest in this process, by the functions behind ``hashsvc train`` and ``hashsvc ingest``."""
    from hashsvc.app import open_store

    with open_store(str(places.store)) as store:
        for name, source, kind, bits in (
            (IMAGES, str(digits.collection), Kind.IMAGE, IMAGE_BITS),
            (TEXTS, str(places.documents), Kind.TEXT, TEXT_BITS),
        ):
            begun = time.monotonic()
            encoder = train_here(store, Training(name, [source], kind, bits))
            trained = time.monotonic()
            done = ingest_here(store, name, Rows([source]), New(encoder.label))
            screen.print(
                f"{name}: encoder {encoder.label} ({encoder.model}, {bits} bits) trained in {trained - begun:.0f} s, "
                f"{done.counts.stored:,} items ingested in {time.monotonic() - trained:.1f} s"
            )


def _ask_server(places: Places, pictures: Sequence[Path], screen: Console) -> tuple[Answers, dict[str, int]]:
    from hashsvc.client import Client

    with server(places.store, places.log) as address:
        client: Service = Client(address)
        try:
            screen.print(f"server at {address}")
            return ask(client, pictures), {name: client.count_items(name) for name in (IMAGES, TEXTS)}
        finally:
            client.close()


def _show(answers: Answers, pictures: Sequence[Path], screen: Console) -> None:
    texts = [
        (question.text, _place(question, answer), ", ".join(answer.keys[:5]))
        for question, answer in zip(QUESTIONS, answers.texts, strict=True)
    ]
    screen.print(table(("asked by text", "answered at", "nearest five of ten"), texts))
    neighbours = [(match.distance, match.key) for match in answers.key.matches]
    screen.print(table(("distance", "key"), neighbours, title=f"Asked by key: the neighbours of {KEY}"))
    images = [
        (_name(picture), label_of(picture.as_posix()), " ".join(label_of(m.key) for m in answer.matches[:NEAREST]))
        for picture, answer in _one_of_each(pictures, answers.images)
    ]
    screen.print(table(("asked by image", "shows", "ten nearest show"), images))


def _place(question: Question, answer: Answer) -> str:
    """Where among the ten the first accepted key stands."""
    return next((f"{place}." for place, key in enumerate(answer.keys, 1) if key in question.accepted), "-")


def _name(picture: Path) -> str:
    return "/".join(picture.parts[-2:])


def _one_of_each(pictures: Sequence[Path], answers: Sequence[Answer]) -> list[tuple[Path, Answer]]:
    """The first picture of every digit with its answer, from 0 to 9."""
    first: dict[str, tuple[Path, Answer]] = {}
    for picture, answer in zip(pictures, answers, strict=True):
        first.setdefault(label_of(picture.as_posix()), (picture, answer))
    return [first[label] for label in sorted(first)]


def _draw(places: Places, digits: Digits, pictures: Sequence[Path], answers: Sequence[Answer]) -> None:
    rows = []
    for picture, answer in _one_of_each(pictures, answers)[:GALLERY_ROWS]:
        own = label_of(picture.as_posix())
        tiles = [Tile(digits.collection / m.key, str(m.distance), label_of(m.key) == own) for m in answer.matches]
        rows.append([Tile(picture, "asked"), *tiles[:NEAREST]])
    title = f"Digits that no encoder saw, their ten nearest of the collection, and the Hamming distance of {IMAGE_BITS}"
    draw_gallery(rows, places.gallery, title=title)
