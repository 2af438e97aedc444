"""Embedders: tiny models made on the spot, and folders that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import fit
from hashsvc.encoders.embedders import embed, open_embedder
from hashsvc.errors import Corrupt, FailedPrecondition, InvalidArgument, InvalidContent
from tests.encoders.material import digits, texts

WORDS = sorted({word for content in texts()[0] for word in content.decode().split()})


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder with a vocabulary of a few words and random weights."""
    package = pytest.importorskip("sentence_transformers", reason="the extra 'sentences' is not installed")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("sentences")
    vocabulary = folder / "vocabulary"
    vocabulary.mkdir()
    (vocabulary / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    config = transformers.BertConfig(
        vocab_size=len(WORDS) + 5, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(vocabulary)
    transformers.BertTokenizerFast(str(vocabulary / "vocab.txt")).save_pretrained(vocabulary)
    package.SentenceTransformer(str(vocabulary), device="cpu").save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A timm folder with random weights."""
    timm = pytest.importorskip("timm", reason="the extra 'pictures' is not installed")
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("pictures")
    model = timm.create_model("test_resnet", pretrained=False, num_classes=10)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": "test_resnet", "num_classes": 10}))
    return folder


def test_texts_become_vectors_that_can_be_trained_on(sentences: Path) -> None:
    embedder = open_embedder(sentences, Kind.TEXT)
    contents = texts()[0][:60]
    vectors = embed(embedder, contents)
    assert {len(vector) for vector in vectors} == {4 * 32}
    assert np.allclose(embedder.vectors(contents[:1]), embedder.vectors(contents)[:1], atol=1e-5)
    assert fit(vectors, kind=Kind.VECTOR, bits=32, model="itq").encoder.spec.bits == 32
    with pytest.raises(InvalidContent, match="empty") as caught:
        embed(embedder, [contents[0], b" "])
    assert caught.value.field == "contents[1]"


def test_pictures_become_vectors_that_can_be_trained_on(pictures: Path) -> None:
    embedder = open_embedder(pictures, Kind.IMAGE)
    contents = digits()[0][:40]
    vectors = embed(embedder, contents)
    assert len({len(vector) for vector in vectors}) == 1
    assert fit(vectors, kind=Kind.VECTOR, bits=32, model="itq").encoder.spec.bits == 32
    with pytest.raises(InvalidContent) as caught:
        embed(embedder, [*contents, b"no picture"])
    assert caught.value.field == "contents[40]"


def test_a_damaged_folder_is_told(sentences: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(Corrupt, match="copy it again"):
        open_embedder(tmp_path, Kind.TEXT)


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE])
def test_only_safetensors_of_a_folder_here_are_read(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="no model folder"):
        open_embedder(tmp_path / "absent", kind)
    with pytest.raises(FailedPrecondition, match="no weights"):
        open_embedder(tmp_path, kind)
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(FailedPrecondition, match=r"pytorch_model\.bin.*safetensors"):
        open_embedder(tmp_path, kind)


def test_vectors_need_no_embedder(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="need no embedder"):
        open_embedder(tmp_path, Kind.VECTOR)
