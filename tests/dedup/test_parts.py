"""Parts of the room by themselves: thumbnails, edits, advice, agreement, order, guards, scratch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from hashsvc.dedup.advice import Judged, interval, table
from hashsvc.dedup.directions import Directions
from hashsvc.dedup.edits import EDITS, Strength
from hashsvc.dedup.measures import agreement, from_pairs
from hashsvc.dedup.order import check_keep, ordered
from hashsvc.dedup.scratch import Scratch
from hashsvc.dedup.summary import beyond, widest
from hashsvc.dedup.thumbnails import Thumbnails, sketch_image
from hashsvc.domain.dedup import Limits
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition, InvalidArgument


def photograph(seed: int) -> bytes:
    """Something with shapes in it."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    stream = io.BytesIO()
    small.resize((240, 180), Image.Resampling.BICUBIC).save(stream, "jpeg", quality=95)
    return stream.getvalue()


def test_thumbnails_see_through_light_edits_and_not_through_another_picture() -> None:
    rng = np.random.default_rng(1)
    plain = [photograph(seed) for seed in range(6)]
    changed = [edit(content, rng, Strength.LIGHT) for content in plain for edit in EDITS[Kind.IMAGE].values()]
    features = np.stack([sketch_image(Image.open(io.BytesIO(content))) for content in [*plain, *changed]])
    sketches = Thumbnails(features)
    own = np.repeat(np.arange(6), 4)
    assert (sketches.scores(own, np.arange(6, 30)) > 0.85).all()
    pairs = np.array(list(combinations(range(6), 2)))
    assert (sketches.scores(pairs[:, 0], pairs[:, 1]) < 0.5).all()


def test_a_picture_of_nothing_is_like_nothing() -> None:
    flat = sketch_image(Image.new("L", (50, 50), 130))
    assert Thumbnails(np.stack([flat, flat])).scores(np.array([0]), np.array([1])).tolist() == [0.0]


def test_directions_are_cosines() -> None:
    rows = np.random.default_rng(2).normal(size=(9, 20)).astype(np.float32)
    left, right = (np.array(part) for part in zip(*combinations(range(9), 2), strict=True))
    wanted = (
        (rows[left] * rows[right]).sum(1) / np.linalg.norm(rows[left], axis=1) / np.linalg.norm(rows[right], axis=1)
    )
    assert np.allclose(Directions(rows).scores(left, right), np.clip(wanted, 0, 1), atol=1e-6)
    assert Directions(np.zeros((2, 3), np.int8)).scores(np.array([0]), np.array([1])).tolist() == [0.0]


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE, Kind.VECTOR])
def test_edits_change_something_and_are_the_same_each_time(kind: Kind) -> None:
    contents = {
        Kind.TEXT: b"The quick brown fox jumps over the lazy dog, and then it does so once more.",
        Kind.IMAGE: photograph(1),
        Kind.VECTOR: np.arange(8, dtype="<f4").tobytes(),
    }
    for edit in EDITS[kind].values():
        for strength in Strength:
            made = [edit(contents[kind], np.random.default_rng(3), strength) for _ in range(2)]
            assert made[0] == made[1] != contents[kind]


def test_advice_takes_the_smallest_radius_that_finds_nearly_all_at_the_target() -> None:
    true = Judged(np.repeat([1, 3, 5], [50, 49, 1]), np.ones(100, bool))
    false = Judged(np.array([4, 4, 4, 5]), np.ones(4, bool))
    found = table(true, false, items=10, widest=8, target=0.99, about="")
    assert found.radius == 3
    assert [row.recall for row in found.table] == [0, 0.5, 0.5, 0.99, 0.99, 1, 1, 1, 1]
    assert found.table[4].precision == pytest.approx(99 / 102)
    assert table(true, false, items=10, widest=8, target=0.9, about="").radius == 5


def test_wilson_interval() -> None:
    low, high = interval(9, 10)
    assert (round(low, 4), round(high, 4)) == (0.5958, 0.9821)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(0, 10)[0] == 0.0


def test_agreement_is_what_others_compute() -> None:
    rng = np.random.default_rng(4)
    keys = [f"k{n}" for n in range(60)]
    found = dict(zip(keys, rng.integers(0, 20, 60).tolist(), strict=True))
    truth = dict(zip(keys, rng.integers(0, 20, 60).tolist(), strict=True))
    score = agreement(found, truth, 60)
    pairs = {pair for pair in combinations(keys, 2) if found[pair[0]] == found[pair[1]]}
    wanted = {pair for pair in combinations(keys, 2) if truth[pair[0]] == truth[pair[1]]}
    assert score.precision == pytest.approx(len(pairs & wanted) / len(pairs))
    assert score.recall == pytest.approx(len(pairs & wanted) / len(wanted))
    assert score.rand == pytest.approx(adjusted_rand_score([truth[k] for k in keys], [found[k] for k in keys]))
    cubed = [
        sum(found[other] == found[key] and truth[other] == truth[key] for other in keys)
        / sum(found[other] == found[key] for other in keys)
        for key in keys
    ]
    assert score.bcubed_precision == pytest.approx(float(np.mean(cubed)))
    assert {frozenset(pair) for pair in score.wrong} <= {frozenset(pair) for pair in pairs - wanted}
    assert {frozenset(pair) for pair in score.missed} <= {frozenset(pair) for pair in wanted - pairs}


def test_keys_that_nobody_names_are_alone() -> None:
    clusters = from_pairs([("a", "b"), ("b", "c"), ("x", "y")])
    assert clusters == {"a": "a", "b": "a", "c": "a", "x": "x", "y": "x"}
    perfect = agreement(clusters, clusters, 1_000)
    assert (perfect.precision, perfect.recall, perfect.rand, perfect.bcubed_f1) == (1, 1, 1, 1)
    nothing = agreement({}, clusters, 1_000)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.rand) == (1, 0, 0, 0)


def test_orders() -> None:
    ids = np.array([5, 3, 9, 1])
    keys = ["f#10", "f#9", "e", "f#9b"]

    def order(keep: str, values: Sequence[float | None] = ()) -> list[int]:
        lengths, sequences = np.array([4, 7, 7, 1]), np.array([1, 2, 3, 4])
        found = ordered(keep, ids, keys=keys, lengths=lengths, sequences=sequences, values=values)
        return [int(place) for place in found]

    assert order("first") == [2, 1, 3, 0]
    assert order("longest") == [1, 2, 0, 3]
    assert order("newest") == [3, 2, 1, 0]
    assert order("score", [2, None, 2.5, 2]) == [2, 3, 0, 1]
    assert order("-score", [2, None, 2.5, 2]) == [3, 0, 2, 1]
    with pytest.raises(InvalidArgument):
        check_keep("")


def test_the_widest_cluster() -> None:
    codes = np.array([[0], [1], [3], [255], [254]], np.uint8)
    assert widest(codes, np.array([0, 0, 0, 1, 1])) == 2
    assert widest(codes, np.array([0, 0, 0, 0, 1])) == 8
    assert widest(codes[:0], np.empty(0, np.int64)) == 0


def test_small_sources_are_looked_at_together() -> None:
    summary = {"largest_cluster": 2, "diameter": 0}
    sources = ["big"] * 100 + [f"tiny{n}" for n in range(40)]
    lost = {f"tiny{n}": 1 for n in range(30)}
    assert "small sources together" in beyond(summary, sources, lost, Limits(), 3)
    assert beyond(summary, sources, {"tiny0": 1, "big": 50}, Limits(), 3) == ""


def test_scratch_is_whole_or_absent(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "run")
    scratch.write("one", {"numbers": np.arange(5)}, {"name": "é"})
    arrays, facts = scratch.read("one")
    assert arrays["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert facts == {"name": "é"}
    (tmp_path / "run" / "one.npz").write_bytes(b"PK\x03\x04 damaged")
    for name in ("one", "two"):
        with pytest.raises(FailedPrecondition, match="run dedup again"):
            scratch.read(name)
    scratch.remove()
    assert not (tmp_path / "run").exists()
