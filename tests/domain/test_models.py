"""The names of models that need no torch are those that torch trains."""

from __future__ import annotations

import pytest

from hashsvc.domain.kinds import Kind
from hashsvc.domain.models import MODEL_KINDS, check_model
from hashsvc.encoders import MODELS
from hashsvc.errors import InvalidArgument


def test_every_model_is_named_with_its_kinds() -> None:
    assert MODELS.keys() == MODEL_KINDS.keys()


def test_a_model_of_another_kind_is_answered_with_those_of_this_one() -> None:
    assert check_model("auto", Kind.TEXT) == "auto"
    trained = "autoencoder, vae, vq_vae, bsq, deep_autoencoder, denoising, deep_vae"
    with pytest.raises(InvalidArgument, match=rf"one of auto, {trained}, itq, lsh, lsa_sign$"):
        check_model("pq", Kind.TEXT)
