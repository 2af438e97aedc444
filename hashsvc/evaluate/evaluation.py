"""The flow: an encoder, the floors beside it and some material -> everything measured of its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import hamming
from hashsvc.domain.kinds import Kind
from hashsvc.domain.quality import Column, Evaluation, Gallery, Ranked, Shown
from hashsvc.evaluate.coding import Coded, Decoder, code, euclidean
from hashsvc.evaluate.distances import nearest
from hashsvc.evaluate.floors import fit_floors
from hashsvc.evaluate.health import bit_health
from hashsvc.evaluate.measure import NEIGHBOURS, Truth, score_codes, score_distances, score_reranked
from hashsvc.evaluate.plane import plane

if TYPE_CHECKING:
    from hashsvc.encoders import Encoder
    from hashsvc.evaluate.distances import Distances
    from hashsvc.evaluate.material import Material

    OnStage = Callable[[str], None]

GALLERIES = {Kind.TEXT: (8, 5), Kind.IMAGE: (14, 8), Kind.VECTOR: (8, 6)}


def evaluate(
    encoder: Encoder,
    material: Material,
    *,
    floors: Sequence[Encoder] | None = None,
    floats: Mapping[str, Distances] | None = None,
    k: int = 100,
    depth: int = 1000,
    oversample: int = 4,
    pictures: bool = True,
    on_stage: OnStage = lambda _stage: None,
) -> Evaluation:
    """Measure a code beside its floors.

    Args:
        encoder: the evaluated one.
        material: what it is asked.
        floors: other encoders of the same kind, of any length, scored in the same columns; by default the linear
            floors at the encoder's own length, fitted on the collection.
        floats: further float orders by name, for the reader and, the first of them, for recall@10; by default the
            Euclidean order of the encoder's own float features.
        k: the k of P@k, at most the size of the collection.
        depth: the depth of mAP.
        oversample: length of the short-list that is re-ranked, in multiples of the items wanted.
        pictures: whether to make the 2-D picture and the galleries.
        on_stage: told what is being measured.

    Raises:
        InvalidContent: an item is none of the encoder's kind.
    """
    on_stage(f"encoding with {encoder.model}")
    decoder = Decoder(material)
    own = code(encoder, *decoder.sides(encoder))
    orders = dict(floats or {}) or {f"{encoder.model} features": _own_order(encoder, decoder)}
    truth = _truth(material, next(iter(orders.values())), k, depth)
    on_stage(f"scoring {encoder.model}")
    scores, spread = score_codes(own.query_codes, own.codes, truth)
    ranked = [Ranked(encoder.model, encoder.spec.bits, Column.SYMMETRIC, scores), *_further(own, truth, oversample)]
    if floors is None:
        on_stage(f"fitting floors at {encoder.spec.bits} bits")
        floors = fit_floors(material, [encoder.spec.bits], encoder)
    for floor in floors:
        on_stage(f"scoring {floor.model} at {floor.spec.bits} bits")
        ranked += _rows(code(floor, *decoder.sides(floor)), truth, oversample)
    for name, order in orders.items():
        on_stage(f"scoring {name}")
        ranked.append(Ranked(name, 0, Column.FLOAT, score_distances(order, truth)))
    on_stage("drawing")
    return Evaluation(
        title=material.title,
        kind=material.kind,
        method=encoder.model,
        bits=encoder.spec.bits,
        items=truth.items,
        queries=truth.queries,
        k=truth.k,
        depth=depth,
        related_by="label" if material.labels is not None else "float neighbours",
        ranked=tuple(ranked),
        health=bit_health(own.codes),
        spread=spread,
        plane=plane(own.codes, material.labels, material.names) if pictures else None,
        galleries=_galleries(own, material) if pictures else (),
        facts=_facts(own, oversample, next(iter(orders))),
    )


def _facts(coded: Coded, oversample: int, order: str) -> dict[str, str]:
    spec = coded.encoder.spec
    facts = {
        "encoder": f"{coded.encoder.model}, {spec.bits} bits, fingerprint {spec.fingerprint[:16]}",
        "short-list": f"{oversample} times the items wanted, then asymmetric order",
        "float neighbours": f"by {order}",
    }
    if coded.codebook is not None:
        groups, entries, _ = coded.codebook.vectors.shape
        used = coded.codebook.perplexity(coded.codes)
        facts["codebook"] = f"{groups} codebooks of {entries} vectors, perplexity {used:.1f}"
    return facts


def _own_order(encoder: Encoder, decoder: Decoder) -> Distances:
    items, queries = decoder.sides(encoder)
    return euclidean(encoder.features(queries), encoder.features(items))


def _truth(material: Material, order: Distances, k: int, depth: int) -> Truth:
    items, queries = len(material.contents), len(material.queries)
    return Truth(
        items,
        queries,
        material.query_labels,
        material.labels,
        nearest(order, queries, items, NEIGHBOURS),
        k=min(k, items),
        depth=depth,
    )


def _rows(coded: Coded, truth: Truth, oversample: int) -> list[Ranked]:
    scores, _ = score_codes(coded.query_codes, coded.codes, truth)
    symmetric = Ranked(coded.encoder.model, coded.encoder.spec.bits, Column.SYMMETRIC, scores)
    return [symmetric, *_further(coded, truth, oversample)]


def _further(coded: Coded, truth: Truth, oversample: int) -> list[Ranked]:
    method, bits = coded.encoder.model, coded.encoder.spec.bits
    reranked = score_reranked(coded.query_codes, coded.codes, coded.asymmetric, truth, oversample=oversample)
    return [
        Ranked(method, bits, Column.ASYMMETRIC, score_distances(coded.asymmetric, truth)),
        Ranked(method, bits, Column.RERANKED, reranked),
        *_by_table(coded, truth),
    ]


def _by_table(coded: Coded, truth: Truth) -> list[Ranked]:
    """Of a code from a codebook: its exact table distance, and its index bits as they were before relabelling."""
    codebook = coded.codebook
    if codebook is None:
        return []
    method, bits = coded.encoder.model, coded.encoder.spec.bits
    raw, _ = score_codes(codebook.raw_codes(coded.query_codes), codebook.raw_codes(coded.codes), truth)
    return [
        Ranked(method, bits, Column.TABLE, score_distances(coded.table, truth)),
        Ranked(f"{method}, raw index bits", bits, Column.SYMMETRIC, raw),
    ]


def _galleries(coded: Coded, material: Material) -> tuple[Gallery, ...]:
    """Queries at even steps with their nearest items by code, ties in order of row."""
    rows, wide = GALLERIES.get(material.kind, (0, 0))
    asked = np.unique(np.linspace(0, len(material.queries) - 1, min(rows, len(material.queries))).astype(np.int64))
    return tuple(_gallery(coded, material, query, wide) for query in asked.tolist())


def _gallery(coded: Coded, material: Material, query: int, wide: int) -> Gallery:
    away = hamming(coded.codes, coded.query_codes[query])
    near = np.argsort(away, kind="stable")[:wide].tolist()
    own = None if material.query_labels is None else int(material.query_labels[query])
    return Gallery(
        Shown(material.query_key(query), material.queries[query], label="" if own is None else material.names[own]),
        tuple(_neighbour(material, row, int(away[row]), own) for row in near),
    )


def _neighbour(material: Material, row: int, distance: int, own: int | None) -> Shown:
    if material.labels is None or own is None:
        return Shown(material.key(row), material.contents[row], distance)
    label = int(material.labels[row])
    return Shown(material.key(row), material.contents[row], distance, label == own, material.names[label])
