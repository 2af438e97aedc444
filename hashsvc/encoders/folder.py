"""An encoder as a folder: ``config.json``, ``model.safetensors``, ``golden.safetensors``. No pickle.

The folder is trusted after its fingerprint matches and its golden contents, encoded anew, give their stored codes.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hashsvc.codes import unpack
from hashsvc.domain.kinds import Kind
from hashsvc.durable import make_folder
from hashsvc.encoders.binarizers import build_binarizer
from hashsvc.encoders.contract import Encoder
from hashsvc.encoders.encoder import FORMAT, CodeEncoder
from hashsvc.encoders.fronts import front_class
from hashsvc.encoders.networks import build_network
from hashsvc.errors import Corrupt, FailedPrecondition, HashsvcError, Internal

CONFIG, WEIGHTS, GOLDEN = "config.json", "model.safetensors", "golden.safetensors"


def save(encoder: Encoder, folder: Path) -> None:
    """Write an encoder folder, whole or not at all; a folder with the same fingerprint is left as it is.

    Raises:
        FailedPrecondition: the folder exists and holds something else.
    """
    if not isinstance(encoder, CodeEncoder):
        raise Internal(f"an encoder of type {type(encoder).__name__} cannot be saved")
    folder = Path(folder)
    if folder.exists():
        if _stored_fingerprint(folder) == encoder.spec.fingerprint:
            return
        raise FailedPrecondition(f"{folder} exists and holds something else: name another folder")
    make_folder(folder.parent)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        _write(encoder, beside)
        beside.rename(folder)
        _sync(folder.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _write(encoder: CodeEncoder, folder: Path) -> None:
    config = encoder.config() | {"fingerprint": encoder.spec.fingerprint}
    (folder / CONFIG).write_text(json.dumps(config, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    save_file(encoder.tensors(), folder / WEIGHTS)
    codes = encoder.encode([encoder.decode(content) for content in encoder.golden])
    ends = np.cumsum([len(content) for content in encoder.golden], dtype=np.int64)
    golden = {
        "contents": torch.from_numpy(np.frombuffer(b"".join(encoder.golden), dtype=np.uint8).copy()),
        "ends": torch.from_numpy(ends.reshape(-1)),
        "codes": torch.from_numpy(codes),
    }
    save_file(golden, folder / GOLDEN)
    for name in (CONFIG, WEIGHTS, GOLDEN):
        _sync(folder / name)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stored_fingerprint(folder: Path) -> str:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return str(config.get("fingerprint", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def load(folder: Path) -> CodeEncoder:
    """The encoder in a folder, checked.

    Raises:
        FailedPrecondition: the folder is missing, or written by a newer hashsvc.
        Corrupt: a file is missing or damaged, the fingerprint differs, or a golden content gives another code.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FailedPrecondition(f"no encoder folder at {folder}: copy it there from where it was trained")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        written = int(config["format"])
        if written > FORMAT:
            raise FailedPrecondition(
                f"encoder folder {folder} has format {written}, this version reads {FORMAT}: upgrade hashsvc"
            )
        encoder = _build(config, load_file(folder / WEIGHTS), load_file(folder / GOLDEN))
    except HashsvcError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        RuntimeError,
        SafetensorError,
    ) as e:
        raise Corrupt(f"encoder folder {folder} is damaged ({type(e).__name__}: {e}): copy it again") from e
    if config.get("fingerprint") != encoder[0].spec.fingerprint:
        raise Corrupt(f"encoder folder {folder} does not match its fingerprint: copy it again")
    _check_golden(encoder[0], encoder[1], folder)
    return encoder[0]


def _build(
    config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], golden: Mapping[str, torch.Tensor]
) -> tuple[CodeEncoder, np.ndarray[Any, np.dtype[np.uint8]]]:
    front = front_class(Kind(config["kind"])).restore(config["front"], _part(tensors, "front"))
    shape = dict(config["network"])
    network = build_network(shape.pop("type"), shape)
    network.load_state_dict(_part(tensors, "network"))
    cut = dict(config["binarizer"])
    binarizer = build_binarizer(cut.pop("type"), cut, _part(tensors, "binarizer"))
    joined, ends = golden["contents"].numpy().tobytes(), golden["ends"].tolist()
    contents = [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    encoder = CodeEncoder(config["model"], front, network, binarizer, margin=float(config["margin"]), golden=contents)
    return encoder, golden["codes"].numpy()


def _part(tensors: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}


def _check_golden(encoder: CodeEncoder, stored: np.ndarray[Any, np.dtype[np.uint8]], folder: Path) -> None:
    items = [encoder.decode(content) for content in encoder.golden]
    if not items:
        return
    features = encoder.features(items)
    codes = encoder.binarizer.codes(features)
    if codes.shape != stored.shape:
        raise Corrupt(f"encoder folder {folder} holds golden codes of another length: copy it again")
    turned = unpack(codes ^ stored) & (encoder.binarizer.slack(features) > encoder.spec.margin)
    if turned.any():
        raise Corrupt(
            f"encoder in {folder} does not give its golden codes here ({int(turned.any(axis=1).sum())} of {len(items)} "
            "differ beyond the margin): copy it again, or train anew on this machine"
        )
