"""The train flow: a folder named by fingerprint, then a registered version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.domain.encoders import EncoderVersion
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import OnProgress, Progress, load
from hashsvc.errors import InvalidArgument
from hashsvc.train import train
from tests.encoders.material import vectors


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    url = f"sqlite:///{tmp_path / 'catalog.sqlite3'}"
    migrate(url)
    opened = open_catalog(url)
    yield opened
    opened.close()


def trained(catalog: Catalog, folder: Path, name: str = "digits", model: str = "itq", seed: int = 0) -> EncoderVersion:
    return train(
        vectors()[0][:100],
        name=name,
        kind=Kind.VECTOR,
        bits=16,
        model=model,
        seed=seed,
        folder=folder,
        catalog=catalog,
    )


def test_a_trained_encoder_lies_in_its_folder_and_in_the_catalog(catalog: Catalog, tmp_path: Path) -> None:
    version = trained(catalog, tmp_path / "encoders")
    assert version.label == "digits@1"
    assert load(tmp_path / "encoders" / version.spec.fingerprint).spec == version.spec
    assert catalog.encoders.get("digits").report["model"] == "itq"


def test_training_the_same_again_is_the_same_version(catalog: Catalog, tmp_path: Path) -> None:
    first = trained(catalog, tmp_path / "encoders")
    again = trained(catalog, tmp_path / "encoders")
    other = trained(catalog, tmp_path / "encoders", seed=1)
    assert again.label == first.label
    assert other.label == "digits@2"


def test_a_wrong_request_leaves_nothing_behind(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no model 'magic'"):
        trained(catalog, tmp_path / "encoders", model="magic")
    with pytest.raises(InvalidArgument):
        trained(catalog, tmp_path / "encoders", name="No Name")
    assert catalog.encoders.list() == []
    assert not (tmp_path / "encoders").exists()


class Stopped(Exception):
    pass


def test_a_stopped_training_is_taken_up_again_and_tells_its_loss(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashsvc.encoders.checkpoints.SECONDS_BETWEEN", 0.0)
    asked = {"kind": Kind.VECTOR, "bits": 16, "model": "deep_vae", "seed": 0, "catalog": catalog}
    whole = train(vectors()[0][:60], name="whole", folder=tmp_path / "whole", **asked)  # type: ignore[arg-type]
    passes: list[int] = []

    def stop(at: Progress) -> None:
        if at.stage == "deep_vae":
            passes.append(at.done)
            if passes.count(20) == 1 == at.done // 20:
                raise Stopped

    with pytest.raises(Stopped):
        train(vectors()[0][:60], name="again", folder=tmp_path / "again", progress=stop, **asked)  # type: ignore[arg-type]
    again = train(vectors()[0][:60], name="again", folder=tmp_path / "again", progress=stop, **asked)  # type: ignore[arg-type]
    assert passes.count(19) == 1
    assert again.spec == whole.spec
    assert set(again.report["loss_nats"]["deep_vae"]) == {"rebuilt", "divergence"}
    assert not list((tmp_path / "again" / ".unfinished").iterdir())


@pytest.mark.parametrize("model", ["autoencoder", "vae", "vq_vae", "bsq"])
def test_a_model_for_retrieval_is_taken_up_again(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr("hashsvc.encoders.checkpoints.SECONDS_BETWEEN", 0.0)
    passes: list[int] = []

    def stop(at: Progress) -> None:
        if at.stage == model:
            passes.append(at.done)
            if at.done == 20 and passes.count(20) == 1:
                raise Stopped

    def learned(folder: str, progress: OnProgress | None) -> EncoderVersion:
        return train(
            vectors()[0][:60],
            name=folder,
            kind=Kind.VECTOR,
            bits=16,
            model=model,
            seed=0,
            folder=tmp_path / folder,
            catalog=catalog,
            progress=progress,
        )

    whole = learned("whole", None)
    with pytest.raises(Stopped):
        learned("again", stop)
    assert learned("again", stop).spec == whole.spec
    assert passes.count(19) == 1
