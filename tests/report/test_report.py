"""The page: complete, self-contained, and safe whatever the data says."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hashsvc.domain.kinds import Kind
from hashsvc.domain.quality import (
    BitHealth,
    Column,
    DistanceSpread,
    Evaluation,
    Gallery,
    Plane,
    Ranked,
    Scores,
    Shown,
)
from hashsvc.errors import ResourceExhausted
from hashsvc.report import render, write
from hashsvc.report.charts import spread_out
from hashsvc.report.svg import nice_ticks

HOSTILE = '<script>alert("x")</script> & "quotes"'


def picture(side: int = 400, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side // 2)).save(stream, "png")
    return stream.getvalue()


def evaluation(kind: Kind = Kind.TEXT, content: bytes = HOSTILE.encode()) -> Evaluation:
    rows = (
        Ranked("autoencoder", 32, Column.SYMMETRIC, Scores(0.6, 0.4, 0.3)),
        Ranked("autoencoder", 32, Column.ASYMMETRIC, Scores(0.65, 0.45, 0.35)),
        Ranked("itq", 32, Column.SYMMETRIC, Scores(0.45, 0.3, 0.32)),
        Ranked("itq", 64, Column.SYMMETRIC, Scores(0.46, 0.31, 0.41)),
        Ranked(HOSTILE, 0, Column.FLOAT, Scores(0.47, 0.3, 1.0)),
    )
    return Evaluation(
        title=HOSTILE,
        kind=kind,
        method="autoencoder",
        bits=32,
        items=1000,
        queries=50,
        k=100,
        depth=1000,
        related_by="label",
        ranked=rows,
        health=BitHealth((0.5,) * 31 + (0.01,), 0.97, 9.0, 0.02, 0.3, 1000, 900),
        spread=DistanceSpread((0.5, 0.5, *[0.0] * 31), (0.0,) * 16 + (1.0,) + (0.0,) * 16),
        plane=Plane(np.eye(2, dtype=np.float32), np.array([0, 1]), (HOSTILE, "b"), "label"),
        galleries=(
            Gallery(Shown(HOSTILE, content, label=HOSTILE), (Shown("k", content, 3, related=False, label="b"),)),
        ),
        facts={HOSTILE: HOSTILE},
    )


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Kind.TEXT, HOSTILE.encode()),
        (Kind.IMAGE, picture()),
        (Kind.IMAGE, picture(28, "L")),
        (Kind.VECTOR, np.arange(300, dtype="<f4").tobytes()),
    ],
)
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(kind: Kind, content: bytes) -> None:
    page = render(evaluation(kind, content))
    reader = Reader(page)
    assert "script" not in reader.tags
    assert all(link.startswith("data:image/") for link in reader.links)
    assert "url(" not in page
    assert "@import" not in page
    assert HOSTILE in reader.words


def test_every_section_is_there() -> None:
    page = render(evaluation())
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert len(titles) == 7
    assert page.count("<svg") == 4
    assert page.count('class="bar idle"') == 1
    assert "<b>0.600</b>" in page
    assert "next itq, 0.450" in page


def test_a_page_without_labels_pictures_or_floors_still_stands() -> None:
    bare = replace(
        evaluation(),
        related_by="float neighbours",
        ranked=(Ranked("autoencoder", 32, Column.SYMMETRIC, Scores(recall=0.3)),),
        plane=None,
        galleries=(),
        facts={},
    )
    page = render(bare)
    assert "Recall by code length" in page
    assert "recall@10" in page


def test_large_pictures_shrink() -> None:
    page = render(evaluation(Kind.IMAGE, picture(3000)))
    assert len(page) < 60_000


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    assert write(evaluation(), tmp_path / "report.html").read_text().startswith("<!doctype html>")
    with pytest.raises(ResourceExhausted, match="cannot be written"):
        write(evaluation(), tmp_path / "absent" / "report.html")


def test_ticks_cover_the_range_in_round_steps() -> None:
    assert nice_ticks(0.31, 0.62) == [0.3, 0.4, 0.5, 0.6, 0.7]
    assert nice_ticks(0, 32, 8) == [0, 5, 10, 15, 20, 25, 30, 35]
    for low, high in ((0.0, 1e-6), (0.999, 1.0), (-3.0, 900.0)):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low + 1e-9
        assert ticks[-1] >= high - 1e-9
        assert 2 <= len(ticks) <= 12


def test_labels_are_pushed_apart_and_stay_inside() -> None:
    placed = spread_out([10, 11, 12, 199], 17, 0, 200)
    assert all(b - a >= 17 for a, b in itertools.pairwise(placed))
    assert max(placed) <= 200
