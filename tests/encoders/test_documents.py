"""Texts through a decoder: what they cost, and words of the right topic."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from hashsvc.domain.encoders import Made
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import Encoder, Progress, fit
from hashsvc.encoders.document_model import DocumentConfig, DocumentNetwork, train_document_model
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts.text import Bag, TextFront
from hashsvc.encoders.generation import looking
from hashsvc.encoders.generation.likelihood import word_nats
from hashsvc.encoders.generation.words import WORDS, drop_words, most_probable
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.errors import InvalidArgument
from tests.encoders.material import TOPICS

SEA = set(TOPICS["sea"] + ["rudder", "mast", "pier", "tide", "reef", "keel", "cargo", "dock"])
KITCHEN = set(TOPICS["kitchen"] + ["spoon", "salt", "dough", "roast", "cheese", "grill", "lemon", "broth"])
MODELS = ("deep_autoencoder", "denoising", "deep_vae")


@cache
def planted() -> list[bytes]:
    """200 texts, in turn of the sea and of the kitchen: nine of twenty words each."""
    rng = np.random.default_rng(8)
    return [" ".join(rng.choice(sorted((SEA, KITCHEN)[n % 2]), 9, replace=False)).encode() for n in range(200)]


@cache
def trained(model: str) -> Encoder:
    return fit(planted(), kind=Kind.TEXT, bits=16, model=model, seed=2).candidates[model]


def words(made: Made) -> list[str]:
    return made.content.decode().split(" ")


def share(made: Made, topic: set[str]) -> float:
    return float(np.mean([word in topic for word in words(made)]))


def silent(_: Progress) -> None:
    return None


@pytest.mark.parametrize("model", MODELS)
def test_a_rebuilt_text_has_words_of_its_topic(model: str) -> None:
    encoder = trained(model)
    fresh = [b"captain anchor storm mast tide", b"flour butter oven salt lemon"]
    sea, kitchen = looking.made(encoder, looking.reconstruct(encoder, [encoder.decode(text) for text in fresh]))
    assert share(sea, SEA) >= 0.9
    assert share(kitchen, KITCHEN) >= 0.9
    for made in (sea, kitchen):
        assert len(made.chances) == len(words(made)) == WORDS
        assert list(made.chances) == sorted(made.chances, reverse=True)
        assert 0 < sum(made.chances) <= 1


@pytest.mark.parametrize("model", MODELS)
def test_a_path_goes_from_one_topic_to_the_other(model: str) -> None:
    encoder = trained(model)
    ends = [encoder.decode(text) for text in (b"captain anchor storm mast tide", b"flour butter oven salt lemon")]
    path = looking.made(encoder, looking.interpolate(encoder, ends[0], ends[1], 7))
    shares = [share(made, KITCHEN) for made in path]
    assert shares == sorted(shares)
    assert shares[0] <= 0.1
    assert shares[-1] >= 0.9
    rebuilt = looking.made(encoder, looking.reconstruct(encoder, ends))
    assert [words(path[0]), words(path[-1])] == [words(made) for made in rebuilt]


@pytest.mark.parametrize("model", MODELS)
def test_drawn_texts_follow_the_seed_and_keep_to_a_topic(model: str) -> None:
    encoder = trained(model)
    first, again, other = (looking.made(encoder, looking.generate(encoder, 12, seed=seed)) for seed in (4, 4, 5))
    assert first == again
    assert first != other
    pure = [max(share(made, SEA), share(made, KITCHEN)) for made in first]
    assert np.mean(pure) >= 0.8


def test_dropped_words_come_back_as_the_topic() -> None:
    encoder = trained("denoising")
    left = [drop_words(text, 0.7, seed=n) for n, text in enumerate(planted()[:20])]
    assert {len(text.split()) for text in left} == {3}
    made = looking.made(encoder, looking.reconstruct(encoder, [encoder.decode(text) for text in left]))
    assert np.mean([share(one, (SEA, KITCHEN)[n % 2]) for n, one in enumerate(made)]) >= 0.9


def test_words_left_out_follow_the_seed_and_one_stays() -> None:
    text = b"a b c d e f g h"
    assert drop_words(text, 0.5, seed=1) == drop_words(text, 0.5, seed=1)
    assert drop_words(text, 0.5, seed=1) != drop_words(text, 0.5, seed=2)
    assert drop_words(text, 0.0) == text
    assert len(drop_words(text, 1.0)) == 1
    with pytest.raises(InvalidArgument, match="0 to 1"):
        drop_words(text, 1.5)


def test_equal_words_come_in_the_order_of_their_columns() -> None:
    chances = np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], dtype=np.float32)
    assert [made.content for made in most_probable(["b", "a", "c"], chances)] == [b"c b a", b"b a c"]


def test_a_map_tells_the_topics_apart() -> None:
    encoder = trained("deep_vae")
    places = looking.latent_map(encoder, [encoder.decode(text) for text in planted()[:60]])
    sea, kitchen = places[::2], places[1::2]
    assert np.linalg.norm(sea.mean(axis=0) - kitchen.mean(axis=0)) > 2 * np.linalg.norm(sea.std(axis=0))


def test_texts_have_no_holes_and_no_pixels() -> None:
    encoder = trained("deep_vae")
    with pytest.raises(InvalidArgument, match="bag of words"):
        looking.shown(encoder, [encoder.decode(b"captain")])


def test_a_text_costs_its_words_under_the_softmax() -> None:
    bag = Bag(torch.tensor([0, 1, 0, 5]), torch.tensor([0.6, 0.8, 1.0, 1.0]), torch.tensor([0, 2, 3, 4, 4]))
    chances = torch.tensor([0.5, 0.25, 0.25]).expand(4, 3)
    found = word_nats(chances.log(), bag)
    two = -2 * (0.36 * math.log(0.5) + 0.64 * math.log(0.25))
    assert found.tolist() == pytest.approx([two, math.log(2), 0.0, 0.0])


def test_terms_of_the_bound_are_told_and_fall() -> None:
    told: list[Progress] = []
    front = TextFront.fit(planted())
    training = TrainingSet(front, [front.decode(text) for text in planted()])
    network = train_document_model("texts", training, DocumentConfig(variational=True, steps=60), 0, told.append)
    assert isinstance(network, DocumentNetwork)
    assert all(set(at.terms) == {"rebuilt", "divergence"} for at in told)
    assert told[-1].loss is not None
    assert told[0].loss is not None
    assert told[-1].loss < told[0].loss - 1


def test_texts_without_a_word_in_common_are_refused() -> None:
    front = TextFront([], np.empty(0, dtype=np.float32))
    training = TrainingSet(front, [front.decode(f"w{n}".encode()) for n in range(10)])
    with pytest.raises(InvalidArgument, match="share no word"):
        train_document_model("texts", training, DocumentConfig(), 0, silent)


def test_words_outside_of_the_vocabulary_are_read_by_their_spelling() -> None:
    encoder = trained("deep_vae")
    assert isinstance(encoder, CodeEncoder)
    made = looking.made(encoder, looking.reconstruct(encoder, [encoder.decode(b"captains anchored storms")]))
    assert share(made[0], SEA) >= 0.7
