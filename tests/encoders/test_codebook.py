"""Product codebooks: numbers of nearest vectors, exact tables, and relabelling that changes names only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hashsvc.codes import hamming
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import Encoder, asymmetric_distances, fit, load, save
from hashsvc.encoders.codebook import Codebook, codebook_of, relabelled
from hashsvc.encoders.vq_vae import MovingCodebook, settled

RNG = np.random.default_rng(3)


def codebook(entries: int) -> Codebook:
    vectors = RNG.normal(size=(2, entries, 6)).astype(np.float32)
    return relabelled(vectors, seed=1)


@pytest.fixture(params=[16, 256], scope="module")
def book(request: pytest.FixtureRequest) -> Codebook:
    return codebook(request.param)


def reached(book: Codebook, features: np.ndarray) -> np.ndarray:
    groups, _, width = book.vectors.shape
    grouped = features.reshape(len(features), groups, 1, width)
    nearest = ((grouped - book.vectors[None]) ** 2).sum(axis=3).argmin(axis=2)
    found: np.ndarray = book.vectors[np.arange(groups), nearest].reshape(len(features), -1)
    return found


def test_tables_are_distances_to_code_vectors(book: Codebook) -> None:
    held, asked = RNG.normal(size=(2, 40, 12)).astype(np.float32)
    codes = book.codes(held)
    assert codes.shape == (40, book.bits // 8)
    plain = ((asked[:, None] - reached(book, held)[None]) ** 2).sum(axis=2)
    assert asymmetric_distances(book.tables(asked), codes) == pytest.approx(plain, rel=1e-4)
    between = ((reached(book, asked)[:, None] - reached(book, held)[None]) ** 2).sum(axis=2)
    assert asymmetric_distances(book.code_tables(book.codes(asked)), codes) == pytest.approx(
        between, rel=1e-4, abs=1e-4
    )


def test_relabelling_permutes_and_the_trained_numbers_come_back(book: Codebook) -> None:
    entries = book.vectors.shape[1]
    assert all(sorted(group) == list(range(entries)) for group in book.trained.tolist())
    trained = np.empty_like(book.vectors)
    for group, numbers in enumerate(book.trained):
        trained[group, numbers] = book.vectors[group]
    plain = Codebook(trained, np.tile(np.arange(entries, dtype=np.uint8), (len(trained), 1)))
    features = RNG.normal(size=(50, 12)).astype(np.float32)
    assert np.array_equal(book.raw_codes(book.codes(features)), plain.codes(features))


def test_relabelled_hamming_follows_the_table_better_than_raw_numbers(book: Codebook) -> None:
    features = RNG.normal(size=(300, 12)).astype(np.float32)
    codes = book.codes(features)
    exact = asymmetric_distances(book.code_tables(codes), codes)
    raw = book.raw_codes(codes)
    follows = np.corrcoef(exact.ravel(), hamming(codes[:, None], codes[None]).ravel())[0, 1]
    named = np.corrcoef(exact.ravel(), hamming(raw[:, None], raw[None]).ravel())[0, 1]
    assert follows > named + 0.05


def test_no_bit_turns_within_its_slack(book: Codebook) -> None:
    features = RNG.normal(size=(60, 12)).astype(np.float32)
    slack = book.slack(features)
    assert slack.shape == (60, book.bits)
    assert (slack >= 0).all()
    push = RNG.normal(size=features.shape).astype(np.float32)
    push *= 0.99 * slack.min(axis=1, keepdims=True) / np.linalg.norm(push, axis=1, keepdims=True)
    assert np.array_equal(book.codes(features + push), book.codes(features))


def test_a_row_does_not_see_its_batch(book: Codebook) -> None:
    features = RNG.normal(size=(300, 12)).astype(np.float32)
    alone = np.concatenate([book.codes(features[row : row + 1]) for row in range(0, 300, 7)])
    assert np.array_equal(alone, book.codes(features)[::7])


def test_equal_vectors_keep_their_own_numbers() -> None:
    book = relabelled(np.zeros((2, 16, 2), dtype=np.float32))
    assert all(sorted(group) == list(range(16)) for group in book.trained.tolist())


def test_perplexity_counts_entries_in_use() -> None:
    book = codebook(16)
    assert book.perplexity(np.zeros((10, book.bits // 8), dtype=np.uint8)) == pytest.approx(1)
    every = np.repeat(np.arange(16, dtype=np.uint8) * 17, 3)[:, None].repeat(book.bits // 8, axis=1)
    assert book.perplexity(every) == pytest.approx(16)


def test_dead_entries_are_born_again_and_settle_on_means() -> None:
    import torch

    torch.manual_seed(0)
    moving = MovingCodebook(1, 16, 2)
    moving.vectors += 50
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    for _ in range(300):
        moving.quantise(corners[torch.randint(0, 4, (64,))])
    features = corners.repeat(20, 1).numpy()
    vectors = settled(features, moving.vectors.numpy())
    away = ((features[:, None] - vectors[0][None]) ** 2).sum(axis=2).min(axis=1)
    assert away.max() < 1e-4


@pytest.fixture(scope="module")
def trained() -> Encoder:
    centres = RNG.normal(size=(6, 24)) * 3
    rows = (centres[RNG.integers(0, 6, 300)] + RNG.normal(size=(300, 24))).astype("<f4")
    return fit([row.tobytes() for row in rows], kind=Kind.VECTOR, bits=32, model="vq_vae").encoder


def test_a_vq_vae_survives_its_folder(trained: Encoder, tmp_path: Path) -> None:
    save(trained, tmp_path / "encoder")
    again = load(tmp_path / "encoder")
    first, second = codebook_of(trained), codebook_of(again)
    assert first is not None
    assert second is not None
    assert np.array_equal(first.trained, second.trained)
    items = [trained.decode(RNG.normal(size=24).astype("<f4").tobytes()) for _ in range(9)]
    assert np.array_equal(trained.encode(items), again.encode(items))
    assert first.perplexity(trained.encode(items)) > 1
