"""Training on request: the model asked for with the floors beside it, or the best of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.codes import check_bits, unpack
from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded, Fitted, OnProgress, Progress
from hashsvc.encoders.device import Placement, placed
from hashsvc.encoders.fronts import Front, front_class
from hashsvc.encoders.registry import Model, find_model, floors
from hashsvc.encoders.selection import agreement
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.errors import InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from hashsvc.encoders.encoder import CodeEncoder

FEWEST = 10
HELD_SHARE, HELD_MOST = 0.05, 500
REFITTED_MOST = 5_000
TRAINED_MOST = {Kind.TEXT: 30_000, Kind.IMAGE: 60_000, Kind.VECTOR: 60_000}


def fit(
    contents: Sequence[bytes],
    *,
    kind: Kind,
    bits: int,
    model: str = "auto",
    seed: int = 0,
    progress: OnProgress | None = None,
    device: str = "cpu",
) -> Fitted:
    """Train an encoder of ``bits`` bits on ``contents``; the same arguments give the same encoder on the same machine.

    The floors are fitted beside it. Of very many items a random sample is trained on (30,000 texts, 60,000 others);
    the report says of how many. ``model="auto"`` trains the default model and keeps whichever of them all does best on
    items held back from training: texts and images by the neighbour graph, vectors by their exact neighbours (see
    :mod:`hashsvc.encoders.selection`); a named model is kept whatever it is worth. Where
    items are few the kept model is fitted once more, on those held back too: they have served their purpose.

    Items that cannot be decoded are left out; the report says how many and why the first.

    On a ``device`` ("cuda:N") the models are trained there; the encoders that come of it compute on the host, where
    they are stored, as any other.

    Raises:
        InvalidArgument: unknown model (the message lists the known ones), bits, kind, too few items, or no such device.
        InvalidContent: more items than not cannot be decoded; names the first as ``contents[i]``.
        FailedPrecondition: training diverged; the message names the step.
    """
    check_bits(bits)
    there = Placement.of(device).device
    wanted = find_model(model, kind)
    if len(contents) < FEWEST:
        raise InvalidArgument(f"training needs at least {FEWEST} items, not {len(contents)}", field="contents")
    started = time.monotonic()
    front = front_class(kind).fit(contents)
    items, errors = _decode(front, contents)
    readable = [content for position, content in enumerate(contents) if position not in errors]
    held, kept = _split(len(items), TRAINED_MOST[kind], seed)
    training = TrainingSet(front, [items[i] for i in kept], [readable[i] for i in kept], seed=seed, device=there)
    tried = {m.name: m for m in [wanted, *floors(kind)]}
    candidates: dict[str, CodeEncoder] = {}
    report: dict[str, Any] = {}
    for name, candidate in tried.items():
        candidates[name], report[name] = _try(candidate, training, bits, seed, progress or _silent)
    coders = {name: placed(encoder, device) for name, encoder in candidates.items()}
    for name, score in agreement(coders, training, [items[i] for i in held]).items():
        report[name]["agreement"] = score
    chosen = max(report, key=lambda name: float(report[name]["agreement"])) if model == "auto" else wanted.name
    if held and len(items) <= REFITTED_MOST:
        training = TrainingSet(front, items, readable, seed=seed, device=there)
        candidates[chosen], fitted = _try(tried[chosen], training, bits, seed, progress or _silent)
        report[chosen] |= fitted
    summary = {
        "model": chosen,
        "why": _why(model, chosen, kind, report),
        "kind": str(kind),
        "bits": bits,
        "seed": seed,
        "device": device,
        "items": len(contents),
        "trained_on": len(training),
        "left_out": len(errors),
        "left_out_why": next(iter(errors.values())).message if errors else "",
        "held_back": len(held),
        "seconds": round(time.monotonic() - started, 3),
        "candidates": report,
    }
    return Fitted(candidates[chosen], summary, candidates)


def _decode(front: Front, contents: Sequence[bytes]) -> tuple[list[Decoded], dict[int, InvalidContent]]:
    """Items that can be decoded, and what is wrong with the others by their position."""
    items: list[Decoded] = []
    errors: dict[int, InvalidContent] = {}
    for position, content in enumerate(contents):
        try:
            items.append(front.decode(content))
        except InvalidContent as error:
            error.field = f"contents[{position}]"
            errors[position] = error
    if len(items) < max(FEWEST, len(errors)) and errors:
        raise next(iter(errors.values()))
    return items, errors


def _split(items: int, most: int, seed: int) -> tuple[list[int], list[int]]:
    """Places of the items held back and of those trained on, at most ``most`` of them, drawn at random."""
    count = min(HELD_MOST, int(items * HELD_SHARE)) if items >= 200 else 0
    order = np.random.default_rng(seed).permutation(items)
    return sorted(order[:count].tolist()), sorted(order[count : count + most].tolist())


def _try(
    model: Model, training: TrainingSet, bits: int, seed: int, progress: OnProgress
) -> tuple[CodeEncoder, dict[str, Any]]:
    started = time.monotonic()
    encoder = model.fit(training, bits, seed, progress)
    means = unpack(placed(encoder, str(training.device)).encode(training.items)).mean(axis=0)
    return encoder, {
        "seconds": round(time.monotonic() - started, 3),
        "fingerprint": encoder.spec.fingerprint,
        "bit_means": [round(float(means.min()), 4), round(float(means.max()), 4)],
    }


def _why(asked: str, chosen: str, kind: Kind, report: dict[str, Any]) -> str:
    if asked != "auto":
        return f"{chosen} was asked for"
    scores = ", ".join(f"{name} {entry['agreement']:.4f}" for name, entry in report.items())
    what = "keeps most exact neighbours" if kind is Kind.VECTOR else "agrees best with the neighbour graph"
    return f"{chosen} {what} of items held back from training ({scores})"


def _silent(_: Progress) -> None:
    return None
