"""Training: what is kept and why, determinism, wrong requests, divergence."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from hashsvc.codes import hamming
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Encoder, Progress, fit
from hashsvc.encoders.loop import Schedule, train
from hashsvc.errors import FailedPrecondition, InvalidArgument, InvalidContent
from tests.encoders.elsewhere import elsewhere
from tests.encoders.material import digits, fitted, texts, vectors


def found(encoder: Encoder, contents: list[bytes], labels: list[int], k: int = 10) -> float:
    """P@k of the last quarter among the rest."""
    codes = encoder.encode([encoder.decode(content) for content in contents])
    known = len(codes) * 3 // 4
    order = np.argsort(hamming(codes[known:, None], codes[None, :known]), axis=1, kind="stable")[:, :k]
    return float((np.array(labels)[order] == np.array(labels)[known:, None]).mean())


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE, Kind.VECTOR])
def test_auto_reports_every_floor_and_why_it_kept_what_it_kept(kind: Kind) -> None:
    contents = {Kind.TEXT: texts, Kind.IMAGE: digits, Kind.VECTOR: vectors}[kind]()[0]
    seen: list[Progress] = []
    answer = fit(contents, kind=kind, bits=16, progress=seen.append)
    floors = {model.name for model in MODELS.values() if model.floor and kind in model.kinds}
    assert set(answer.candidates) == {"autoencoder", *floors} == set(answer.report["candidates"])
    scores = {name: entry["agreement"] for name, entry in answer.report["candidates"].items()}
    assert answer.report["model"] == answer.encoder.model == max(scores, key=lambda name: scores[name])
    assert "held back" in answer.report["why"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert seen
    assert all(step.done <= step.total for step in seen)


def test_a_trained_code_finds_more_than_the_linear_floors() -> None:
    contents, labels = digits()
    kept = fit(contents[:300], kind=Kind.IMAGE, bits=32)
    assert kept.report["model"] == "autoencoder"
    trained, itq = (found(kept.candidates[name], contents, labels) for name in ("autoencoder", "itq"))
    assert trained > itq


def test_the_same_seed_gives_the_same_encoder() -> None:
    contents = vectors()[0][:120]
    first, again, other = (fit(contents, kind=Kind.VECTOR, bits=16, seed=seed) for seed in (1, 1, 2))
    for name, encoder in first.candidates.items():
        assert again.candidates[name].spec == encoder.spec
    assert other.candidates["autoencoder"].spec != first.candidates["autoencoder"].spec


def test_more_bits_than_dimensions_still_carry_their_share() -> None:
    encoder = fitted("itq", Kind.VECTOR, 128).encoder
    contents, labels = vectors()
    assert encoder.spec.bits == 128
    assert found(encoder, contents, labels) > 0.8


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match=r"autoencoder.*itq.*lsa_sign") as caught:
        fit(texts()[0], kind=Kind.TEXT, bits=16, model="pca_sign")
    assert caught.value.field == "model"


def test_too_few_items_and_wrong_bits_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least"):
        fit(texts()[0][:3], kind=Kind.TEXT, bits=16)
    with pytest.raises(InvalidArgument, match="multiple of 8"):
        fit(texts()[0], kind=Kind.TEXT, bits=12)
    with pytest.raises(InvalidArgument, match="kind"):
        fit(texts()[0], kind=Kind.CODE, bits=16)


BAD = {Kind.TEXT: b"  ", Kind.IMAGE: b"no picture", Kind.VECTOR: np.full(64, np.nan, "<f4").tobytes()}


@pytest.mark.parametrize("kind", BAD)
def test_bad_items_are_left_out_and_reported(kind: Kind) -> None:
    contents = {Kind.TEXT: texts, Kind.IMAGE: digits, Kind.VECTOR: vectors}[kind]()[0][:20]
    fitted = fit([BAD[kind], *contents, BAD[kind]], kind=kind, bits=16, model="lsh")
    assert (fitted.report["left_out"], fitted.report["trained_on"]) == (2, 20)
    assert fitted.report["left_out_why"]


@pytest.mark.parametrize("kind", BAD)
def test_where_most_items_are_bad_the_first_is_named(kind: Kind) -> None:
    contents = {Kind.TEXT: texts, Kind.IMAGE: digits, Kind.VECTOR: vectors}[kind]()[0][:20]
    with pytest.raises(InvalidContent) as caught:
        fit([contents[0], *[BAD[kind]] * 21, *contents[1:]], kind=kind, bits=16)
    assert caught.value.field == "contents[1]"


def test_few_items_are_all_used_once_a_model_is_chosen() -> None:
    contents = digits()[0][:300]
    report = fit(contents, kind=Kind.IMAGE, bits=16).report
    assert report["held_back"] == 15
    assert report["trained_on"] == 300


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE, Kind.VECTOR])
def test_equal_items_are_no_reason_to_fail(kind: Kind) -> None:
    content = {Kind.TEXT: texts, Kind.IMAGE: digits, Kind.VECTOR: vectors}[kind]()[0][0]
    encoder = fit([content] * 12, kind=kind, bits=16).encoder
    assert encoder.encode([encoder.decode(content)]).shape == (1, 2)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_loss_that_is_not_finite_stops_with_the_step(device: str) -> None:
    calls = iter([1.0, 1.0, float("nan"), 1.0])
    with elsewhere() if device == "meta" else nullcontext():
        weight = torch.nn.Parameter(torch.ones(1, device=device))

        def loss_of(_: object) -> torch.Tensor:
            return weight.sum() * next(calls)

        with pytest.raises(FailedPrecondition, match="step 3 of 8: the loss is nan"):
            train("test", 8, [weight], loss_of, Schedule(2, 2, 0.1), seed=0, progress=lambda _: None)
