"""The flow on real digits: an encoder, its floors, and what the reader gets."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hashsvc.domain.kinds import Kind
from hashsvc.domain.quality import Column, Evaluation
from hashsvc.encoders import Fitted, fit
from hashsvc.errors import InvalidArgument, InvalidContent
from hashsvc.evaluate import Material, evaluate, held_back


@pytest.fixture(scope="module")
def material() -> Material:
    digits = load_digits()
    contents = [row.astype("<f4").tobytes() for row in digits.data[:600]]
    keys = [f"digit {row}" for row in range(600)]
    return held_back("digits", Kind.VECTOR, contents, keys, [str(t) for t in digits.target[:600]], queries=150)


@pytest.fixture(scope="module")
def fitted(material: Material) -> Fitted:
    return fit(material.contents, kind=Kind.VECTOR, bits=32, model="itq")


@pytest.fixture(scope="module")
def evaluation(material: Material, fitted: Fitted) -> Evaluation:
    floors = [encoder for name, encoder in fitted.candidates.items() if name != "itq"]
    return evaluate(fitted.encoder, material, floors=floors, k=20, depth=100)


def test_every_method_has_every_column(evaluation: Evaluation, fitted: Fitted) -> None:
    for method in fitted.candidates:
        for column in (Column.SYMMETRIC, Column.ASYMMETRIC, Column.RERANKED):
            scores = evaluation.score(method, 32, column)
            assert scores is not None
            assert scores.precision is not None
            assert scores.recall is not None
            assert 0.1 < scores.precision <= 1
            assert 0 < scores.recall <= 1
    floats = evaluation.score("itq features", 0, Column.FLOAT)
    assert floats is not None
    assert floats.recall == pytest.approx(1)


def test_real_digits_are_found(evaluation: Evaluation) -> None:
    own = evaluation.score("itq", 32)
    lsh = evaluation.score("lsh", 32)
    assert own is not None
    assert lsh is not None
    assert (own.precision or 0) > max(0.7, lsh.precision or 1)
    asymmetric = evaluation.score("itq", 32, Column.ASYMMETRIC)
    assert asymmetric is not None
    assert (asymmetric.recall or 0) > (own.recall or 1)


def test_the_document_is_json(evaluation: Evaluation) -> None:
    document = json.loads(json.dumps(evaluation.document()))
    assert document["ranked"][0]["p_at_20"] == pytest.approx(document["ranked"][0]["p_at_20"])
    assert document["items"] == 450
    assert len(document["health"]["means"]) == 32


def test_galleries_show_the_nearest_first(evaluation: Evaluation) -> None:
    for row in evaluation.galleries:
        distances = [shown.distance for shown in row.neighbours]
        assert distances == sorted(d for d in distances if d is not None)
        assert all(shown.related == (shown.label == row.query.label) for shown in row.neighbours)


def test_without_labels_float_neighbours_stand_in(material: Material, fitted: Fitted) -> None:
    bare = Material(material.title, material.kind, material.contents, material.queries)
    evaluation = evaluate(fitted.encoder, bare, pictures=False)
    own = evaluation.score("itq", 32)
    assert {row.method for row in evaluation.ranked} == {
        "itq",
        "pca_sign",
        "lsh",
        "pq",
        "pq, raw index bits",
        "itq features",
    }
    assert evaluation.related_by == "float neighbours"
    assert own is not None
    assert own.precision is None
    assert 0.2 < (own.recall or 0) < 1


def test_a_broken_item_is_named(material: Material, fitted: Fitted) -> None:
    broken = Material("broken", Kind.VECTOR, material.contents, [*material.queries[:2], b"\x00"])
    with pytest.raises(InvalidContent) as caught:
        evaluate(fitted.encoder, broken)
    assert str(caught.value.field).startswith("queries[2]")


def test_held_back_items_leave_the_collection() -> None:
    contents = [str(row).encode() for row in range(10)]
    material = held_back("ten", Kind.TEXT, contents, [str(row) for row in range(10)], queries=3)
    assert set(material.contents) | set(material.queries) == set(contents)
    assert not set(material.contents) & set(material.queries)
    assert len(material.queries) == 3
    with pytest.raises(InvalidArgument):
        held_back("one", Kind.TEXT, contents[:1], ["0"])
    assert np.array_equal(material.labels or [], [])
