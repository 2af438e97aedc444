"""The claim: encoding runs near what the device can do, and turns next to no bit against the CPU.

Three figures are kept apart: feed (bytes -> decoded items), encode alone (a staged batch -> packed codes), and end to
end (bytes -> codes in host memory). The floor of a row is what its counted operations and bytes need at the ceilings
that are measured in the same run. On a GPU staged batches also go from pinned host memory to codes there, beside the
slower of the bus and encode alone. On a CPU scikit-learn's vectoriser and a plain eager loop stand beside. "jpeg" says
what the decoder of picture files does alone, and with encoding behind it: the device's where there is one, else Pillow.
What waits for the host is measured on 8,192 items at most. For few items training is short too. An example:

    python benchmarks/encode.py --device cpu --json
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer

from hashsvc.codes import unpack
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import Decoded, autoencoder
from hashsvc.encoders.device import DeviceEncoder, Placement
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.fronts import Batch, front_class
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.jpeg_files import JpegFiles, jpeg_decoder
from hashsvc.encoders.registry import DEFAULT, MODELS
from hashsvc.encoders.training_set import TrainingSet

BITS = 64
SIDE = 32
WORDS, DISTINCT = 20_000, 60
TRAINED, PASSES = {Kind.IMAGE: 600, Kind.TEXT: 2_000}, 60
FEW, FEW_TRAINED, FEW_PASSES = 600, 128, 3
ROUNDS = 7
LOOKED = 8_192
DRAWN = 256


def pictures(count: int, seed: int) -> list[bytes]:
    """Files of small random colour pictures: smooth, so that they are decoded like photographs."""
    chance = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8))
        file = io.BytesIO()
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def texts(count: int, seed: int) -> list[bytes]:
    """Texts of 60 distinct words each, drawn as often as words are (Zipf)."""
    chance = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, WORDS + 1)
    names = np.array([f"w{chr(97 + i % 26)}{i}" for i in range(WORDS)])
    ends = shares.cumsum()
    ends /= ends[-1]
    return [" ".join(names[_distinct(ends, chance)]).encode() for _ in range(count)]


def _distinct(ends: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.int64]:
    """The first 60 distinct words of as many draws as it takes."""
    drawn = np.empty(0, np.int64)
    while True:
        drawn = np.concatenate([drawn, np.searchsorted(ends, chance.random(DRAWN), side="right")])
        first = np.sort(np.unique(drawn, return_index=True)[1])[:DISTINCT]
        if len(first) == DISTINCT:
            return drawn[first]


MAKE: dict[Kind, Callable[[int, int], list[bytes]]] = {Kind.IMAGE: pictures, Kind.TEXT: texts}


def rate(work: Callable[[], object], items: int, wait: Callable[[], None] = lambda: None) -> float:
    """Items a second: the median over rounds, after one that warms."""
    seconds = []
    for _ in range(ROUNDS + 1):
        wait()
        started = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - started)
    return items / statistics.median(seconds[1:])


def ceilings(device: torch.device, dtype: torch.dtype, wait: Callable[[], None]) -> tuple[float, float]:
    """Operations a second of a large matrix product, and bytes a second of a large copy, on the device."""
    side = 8_192 if device.type == "cuda" else 1_024
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    operations = rate(lambda: left @ right, 1, wait) * 2 * side**3
    block = torch.empty(2**30 if device.type == "cuda" else 2**27, dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    return operations, rate(lambda: other.copy_(block), 1, wait) * 2 * len(block)


def bus(batch: Batch, rows: int, device: torch.device, wait: Callable[[], None]) -> float:
    """Items a second that the way to the device lets through: the bytes of a batch, pinned, and nothing else."""
    parts = batch if isinstance(batch, Bag) else (batch,)
    size = sum(part.numel() * part.element_size() for part in parts)
    pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(size, dtype=torch.uint8, device=device)
    return rate(lambda: there.copy_(pinned, non_blocking=True), rows, wait)


def counted(encoder: CodeEncoder, batch: Batch, rows: int) -> tuple[float, float]:
    """Operations and bytes that one item needs at least: its products; itself, its code, its share of the weights.

    A batch reads each weight once; of texts those of the terms it has.
    """
    state = encoder.network.state_dict()
    weights = [tensor for name, tensor in state.items() if name.endswith("weight") and tensor.ndim == 2]
    if isinstance(batch, Bag):
        terms = batch.columns.numel() / rows
        met = 4.0 * BITS * len(np.unique(batch.columns.numpy(force=True))) / rows
        return 2 * terms * BITS, terms * (batch.columns.element_size() + 4) + BITS / 8 + met
    operations = 2.0 * sum(weight.numel() for weight in weights)
    own = batch.numel() * batch.element_size() / rows
    return operations, own + BITS / 8 + 4.0 * sum(weight.numel() for weight in weights) / rows


def eager(encoder: CodeEncoder, items: Sequence[Decoded]) -> Callable[[], object]:
    """What one would write without this package: batches of 256 through the network, signs, packed by numpy."""
    thresholds = torch.from_numpy(encoder.binarizer.tensors()["thresholds"].numpy())

    def work() -> None:
        with torch.inference_mode():
            for start in range(0, len(items), 256):
                features = encoder.network(encoder.front.batch(items[start : start + 256]))
                np.packbits((features > thresholds).numpy(), axis=1)

    return work


def trained(kind: Kind, *, short: bool) -> CodeEncoder:
    """The default encoder of a kind, without the floors that are otherwise fitted beside it."""
    contents = MAKE[kind](FEW_TRAINED if short else TRAINED[kind], 1)
    front = front_class(kind).fit(contents)
    training = TrainingSet(front, [front.decode(content) for content in contents])
    with mock.patch.object(autoencoder, "PASSES", FEW_PASSES if short else PASSES):
        return MODELS[DEFAULT].fit(training, BITS, 1, lambda _: None)


def measure(kind: Kind, placement: Placement, count: int) -> dict[str, Any]:
    """The figures of one kind on one device."""
    device = placement.device

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    found = trained(kind, short=count < FEW)
    placed = DeviceEncoder(found, placement)
    contents = MAKE[kind](count, 2)
    items = [found.decode(content) for content in contents]
    contents, looked = contents[:LOOKED], items[:LOOKED]
    staged = [
        placed.stage(items[start : start + placement.rows])
        for start in range(0, len(items) - placement.rows + 1, placement.rows)
    ]
    batches = [placed.fetch(batch) for batch in staged]
    wait()
    whole = len(batches) * placement.rows

    def alone() -> None:
        for batch in batches:
            placed.compute(batch)

    operations, bandwidth = ceilings(device, placement.dtype, wait)
    flops, moved = counted(found, batches[0], placement.rows)
    floor = 1 / max(flops / operations, moved / bandwidth)
    feed = rate(lambda: [found.decode(content) for content in contents], len(contents))
    encode = rate(alone, whole, wait)
    from_items = rate(lambda: placed.encode(items), count, wait)
    end_to_end = rate(lambda: placed.encode([found.decode(content) for content in contents]), len(contents), wait)
    turned = unpack(placed.encode(looked) ^ found.encode(looked)).astype(bool)
    slack = found.binarizer.slack(found.features(looked))
    report: dict[str, Any] = {
        "per_s": round(encode),
        "floor_ratio": round(encode / floor, 4),
        "end_to_end_ratio": round(end_to_end / min(feed, encode), 3),
        "feed_per_s": round(feed),
        "from_items_per_s": round(from_items),
        "end_to_end_per_s": round(end_to_end),
        "floor_per_s": round(floor),
        "flipped_bits_share": float(turned.mean()),
        "flipped_beyond_margin": int((turned & (slack > placed.margin)).sum()),
        "path": placed.path,
    }
    if device.type == "cuda":
        let_through = bus(staged[0], placement.rows, device, wait)
        pinned = rate(lambda: list(placed.run((batch, placement.rows) for batch in staged)), whole, wait)
        report["bus_per_s"], report["from_pinned_per_s"] = round(let_through), round(pinned)
        report["end_to_end_ratio"] = round(pinned / min(let_through, encode), 3)
        report["from_files_ratio"] = round(end_to_end / min(feed, encode), 3)
    if device.type == "cpu":
        report["served_per_s"] = round(rate(lambda: found.encode(looked), len(looked)))
        report["eager_ratio"] = round(report["served_per_s"] / rate(eager(found, looked), len(looked)), 3)
    if kind is Kind.IMAGE:
        report["jpeg"] = jpegs(placed, contents, wait)
    if kind is Kind.TEXT:
        report["vectoriser_ratio"] = round(feed / vectorised(contents), 3)
    return report


def jpegs(placed: DeviceEncoder, contents: Sequence[bytes], wait: Callable[[], None]) -> dict[str, Any]:
    """Files a second: the decoder alone, and to codes; the share of bits that Pillow's pixels turn."""
    decoder = jpeg_decoder(placed.placement.device)
    files, rows = JpegFiles(placed, decoder), placed.placement.rows
    parts = [contents[start : start + rows] for start in range(0, len(contents), rows)]
    alone = rate(lambda: [files.decoded(part) for part in parts], len(contents), wait)
    to_codes = rate(lambda: files.encode(contents), len(contents), wait)
    by_pillow = placed.encode([placed.decode(content) for content in contents])
    return {
        "decoder": decoder.name if decoder else "pillow",
        "decoder_per_s": round(alone),
        "to_codes_per_s": round(to_codes),
        "ratio": round(to_codes / alone, 3),
        "bits_unlike_pillow": float(unpack(files.encode(contents) ^ by_pillow).mean()),
    }


def vectorised(contents: Sequence[bytes]) -> float:
    """Documents a second that scikit-learn turns into rows of TF-IDF, on one core."""
    plain = [content.decode() for content in contents]
    vectoriser = TfidfVectorizer(max_features=WORDS).fit(plain)
    return rate(lambda: vectoriser.transform(plain), len(plain))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--items", type=int, default=0, help="of each kind; 0 suits the device")
    parser.add_argument("--json", action="store_true", help="only the JSON line on standard output")
    options = parser.parse_args()
    torch.set_num_threads(1)
    placement = Placement.of(options.device)
    count = max(options.items or {"cpu": 4_000, "cuda": 65_536}[placement.device.type], placement.rows)
    report: dict[str, Any] = {"device": str(placement)}
    for kind in (Kind.IMAGE, Kind.TEXT):
        report[str(kind)] = measure(kind, placement, count)
    report["flipped_bits_share"] = max(report[str(kind)]["flipped_bits_share"] for kind in (Kind.IMAGE, Kind.TEXT))
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
