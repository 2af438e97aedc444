"""What every model promises, for every kind it can be trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hashsvc.codes import unpack
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Encoder, asymmetric_distances, load, save
from tests.encoders.material import contents, fitted

CASES = [(model.name, kind) for model in MODELS.values() for kind in sorted(model.kinds)]
ENCODE = """
import sys, json, pathlib
from hashsvc.encoders import load
folders, contents = json.load(sys.stdin)
for folder in folders:
    encoder = load(pathlib.Path(folder))
    items = [encoder.decode(bytes.fromhex(content)) for content in contents[encoder.spec.kind]]
    print(encoder.encode(items).tobytes().hex())
"""


@pytest.fixture(params=CASES, ids="-".join)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    name, kind = request.param
    return fitted(name, kind).candidates[name]


def test_one_item_alone_or_among_256_has_the_same_bits(encoder: Encoder) -> None:
    items = [encoder.decode(content) for content in contents(encoder.spec.kind)[:256]]
    together = encoder.encode(items)
    alone = np.concatenate([encoder.encode([item]) for item in items])
    shuffled = encoder.encode(items[::-1])[::-1]
    assert together.dtype == np.uint8
    assert together.shape == (len(items), encoder.spec.bits // 8)
    assert (together == alone).all()
    assert (together == shuffled).all()
    assert (encoder.features(items) == encoder.features(items)).all()


def test_no_items_give_no_codes(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.spec.bits // 8)


def test_every_bit_carries_its_share(encoder: Encoder) -> None:
    means = unpack(encoder.encode([encoder.decode(content) for content in contents(encoder.spec.kind)])).mean(axis=0)
    if encoder.model not in {"vq_vae", "pq"}:  # their bits are digits of a name, balanced only as a whole
        assert means.min() >= 0.05
        assert means.max() <= 0.95
    assert ((means > 0) & (means < 1)).mean() > 0.5


def test_saved_and_loaded_it_is_the_same_encoder(encoder: Encoder, tmp_path: Path) -> None:
    save(encoder, tmp_path / "encoder")
    save(encoder, tmp_path / "encoder")
    again = load(tmp_path / "encoder")
    items = [encoder.decode(content) for content in contents(encoder.spec.kind)[:64]]
    assert again.spec == encoder.spec
    assert again.model == encoder.model
    assert (again.encode(items) == encoder.encode(items)).all()
    assert {path.name for path in (tmp_path / "encoder").iterdir()} == {
        "config.json",
        "model.safetensors",
        "golden.safetensors",
    }


def test_asymmetric_tables_rank_an_item_near_its_own_code(encoder: Encoder) -> None:
    items = [encoder.decode(content) for content in contents(encoder.spec.kind)[:60]]
    tables = encoder.tables(items)
    assert tables.shape == (60, encoder.spec.bits // 8, 256)
    distances = asymmetric_distances(tables, encoder.encode(items))
    nearer = (distances < np.diagonal(distances)[:, None]).sum(axis=1)
    assert nearer.mean() < 6


def test_a_fresh_process_gives_the_same_codes(tmp_path: Path) -> None:
    expected, folders = [], []
    for number, (name, kind) in enumerate(CASES):
        encoder = fitted(name, kind).candidates[name]
        save(encoder, tmp_path / str(number))
        folders.append(str(tmp_path / str(number)))
        expected.append(encoder.encode([encoder.decode(c) for c in contents(kind)[:40]]).tobytes().hex())
    asked = {kind: [content.hex() for content in contents(kind)[:40]] for kind in (Kind.TEXT, Kind.IMAGE, Kind.VECTOR)}
    answer = subprocess.run(
        [sys.executable, "-c", ENCODE],
        input=json.dumps([folders, asked]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert answer.stdout.split() == expected
