"""The claim: trained codes find more related items than the floors, and than the floats they came from.

One fixed default configuration trains on the collection of a data set; the queries ask its codes, ties averaged. Labels
serve for measuring only. The floors of the same training are scored in the same run. Example:

    python benchmarks/codes.py --dataset ng20 --bits 32 --seeds 5 --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Decoded, Encoder, Fitted, fit
from hashsvc.evaluate import (
    Coded,
    Material,
    Truth,
    bit_health,
    code,
    cosine,
    euclidean,
    evaluate,
    nearest,
    score_distances,
    score_reranked,
)
from hashsvc.evaluate.distances import Wanted, hamming_levels, labelled_levels, wanted_levels
from hashsvc.evaluate.levels import average_precision, expected_hits, precision
from hashsvc.report import write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Distances = Callable[[slice], NDArray[np.float32]]

LSA_WORDS, PCA_DIRECTIONS, SHORT = 10_000, 64, 500
FEW, ASKED = 10, 1_000


@dataclass
class Run:
    """One data set, decoded once, and what its queries should find.

    Args:
        answered: share of the queries that are no blank texts; a blank one counts as an answer without a hit.
        floats: orders by float features, the "float" of the table first.
    """

    data: datasets.DataSet
    truth: Truth
    answered: float
    floats: dict[str, Distances]


def prepare(name: str, bits: int) -> Run:
    """Load a data set, leave blank texts out and set up the float orders."""
    data = datasets.load(name)
    held = [row for row, content in enumerate(data.contents) if content.strip()]
    asked = [row for row, content in enumerate(data.queries) if content.strip()]
    answered = len(asked) / len(data.queries)
    data = replace(
        data,
        contents=[data.contents[row] for row in held],
        labels=data.labels[held],
        queries=[data.queries[row] for row in asked],
        query_labels=data.query_labels[asked],
    )
    floats = text_floats(data, bits) if data.kind is Kind.TEXT else image_floats(data)
    near = nearest(next(iter(floats.values())), len(asked), len(held), 10)
    truth = Truth(len(held), len(asked), data.query_labels, data.labels, near)
    return Run(data, truth, answered, floats)


def text_floats(data: datasets.DataSet, bits: int) -> dict[str, Distances]:
    """Cosine order of LSA with as many directions as bits, and of TF-IDF itself."""
    terms = TfidfVectorizer(max_features=LSA_WORDS, stop_words="english", min_df=3)
    held = terms.fit_transform([content.decode() for content in data.contents])
    asked = terms.transform([content.decode() for content in data.queries])
    lsa = TruncatedSVD(bits, random_state=0).fit(held)
    turned = held.T.tocsr()

    def tfidf(part: slice) -> NDArray[np.float32]:
        distances: NDArray[np.float32] = -(asked[part] @ turned).toarray().astype(np.float32)
        return distances

    return {
        "float": cosine(lsa.transform(asked).astype(np.float32), lsa.transform(held).astype(np.float32)),
        "tfidf": tfidf,
    }


def image_floats(data: datasets.DataSet) -> dict[str, Distances]:
    """Euclidean order of PCA-64 of the pixels, as the image front decodes them."""
    from hashsvc.encoders.fronts.image import ImageFront

    front = ImageFront.fit(data.contents)
    held, asked = (
        np.stack([front.decode(content).ravel() for content in contents]).astype(np.float32) / 255
        for contents in (data.contents, data.queries)
    )
    pca = PCA(PCA_DIRECTIONS, random_state=0).fit(held)
    return {"float": euclidean(pca.transform(asked).astype(np.float32), pca.transform(held).astype(np.float32))}


def score(coded: Coded, run: Run) -> dict[str, float]:
    """The three measures of the Hamming order, and P@10."""
    truth, asked, held = run.truth, coded.query_codes, coded.codes
    assert truth.labels is not None
    assert truth.query_labels is not None
    assert truth.neighbours is not None
    counts = hamming_levels(asked, held)
    related = labelled_levels(asked, held, truth.query_labels, truth.labels).astype(np.float64)
    wanted = wanted_levels(asked, held, truth.neighbours)
    found = {
        "p_at_100": precision(counts, related, truth.k).mean(),
        "p_at_10": precision(counts, related, FEW).mean(),
        "map_at_1000": average_precision(counts, related, truth.depth, truth.totals()).mean(),
        "recall_at_10": expected_hits(counts, wanted, FEW).mean() / FEW,
    }
    return {name: float(value) * run.answered for name, value in found.items()}


def columns(coded: Coded, run: Run) -> dict[str, float]:
    """P@100 and recall@10 of the asymmetric order and of a short-list of 4 times the items wanted, in that order.

    At most 1,000 queries ask, at even steps.
    """
    rows = np.unique(np.linspace(0, run.truth.queries - 1, min(run.truth.queries, ASKED)).astype(np.int64))
    truth = thinned(run.truth, rows)
    coded = replace(coded, query_codes=coded.query_codes[rows], queries=[coded.queries[row] for row in rows])
    asymmetric = score_distances(coded.asymmetric, truth)
    reranked = score_reranked(coded.query_codes, coded.codes, coded.asymmetric, truth, oversample=4)
    found = {
        "asymmetric_p_at_100": asymmetric.precision,
        "asymmetric_recall_at_10": asymmetric.recall,
        "reranked_p_at_100": reranked.precision,
        "reranked_recall_at_10": reranked.recall,
    }
    return {"queries": len(rows)} | {name: (value or 0.0) * run.answered for name, value in found.items()}


def thinned(truth: Truth, rows: NDArray[np.int64]) -> Truth:
    """What some of the queries should find."""
    near = truth.neighbours
    assert near is not None
    assert truth.query_labels is not None
    entries = np.concatenate([np.arange(near.offsets[row], near.offsets[row + 1]) for row in rows])
    offsets = np.concatenate([[0], np.cumsum(np.diff(near.offsets)[rows])])
    wanted = Wanted(offsets, near.items[entries], near.weights[entries])
    return replace(truth, queries=len(rows), query_labels=truth.query_labels[rows], neighbours=wanted)


def codebook_scores(coded: Coded, items: Sequence[Decoded], run: Run) -> dict[str, float]:
    """P@100 of the float features that a codebook quantises, and of what it makes of them.

    That is its table distance, from code to code and from the query's features to a code (asymmetric, what a search
    ranks by); and Hamming distance of its relabelled and of its raw numbers. With its perplexity and the share of the
    features' variance that it loses.
    """
    book, truth = coded.codebook, replace(run.truth, neighbours=None)
    assert book is not None
    features = coded.encoder.features(items)
    raw = replace(coded, codes=book.raw_codes(coded.codes), query_codes=book.raw_codes(coded.query_codes))
    orders = {
        "float_features_p_at_100": euclidean(coded.encoder.features(coded.queries), features),
        "table_p_at_100": coded.table,
        "asymmetric_table_p_at_100": coded.asymmetric,
    }
    found = {name: (score_distances(order, truth).precision or 0.0) * run.answered for name, order in orders.items()}
    return found | {
        "relabelled_p_at_100": score(coded, run)["p_at_100"],
        "raw_p_at_100": score(raw, run)["p_at_100"],
        "perplexity": book.perplexity(coded.codes),
        "variance_lost": float(((features - book.means(coded.codes)) ** 2).mean() / features.var(axis=0).mean()),
    }


@dataclass
class Seed:
    """What one seed gave: the scores of every candidate that was scored, and what was kept."""

    kept: str
    trained: str
    scores: dict[str, dict[str, float]]
    bit_means: tuple[float, float]
    seconds: float
    cpu_seconds: float
    two_stage: dict[str, float]
    codebook: dict[str, float]


def one_seed(run: Run, bits: int, seed: int, model: str) -> tuple[Seed, Fitted]:
    """Train, encode and score; the floors are scored with the first seed only (ITQ with every one)."""
    started, worked = time.monotonic(), time.process_time()
    fitted = fit(run.data.contents, kind=run.data.kind, bits=bits, model=model, seed=seed)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - worked
    decode = fitted.encoder.decode
    items, queries = [[decode(c) for c in part] for part in (run.data.contents, run.data.queries)]
    trained = trained_name(fitted)
    later = dict.fromkeys([trained, "itq", str(fitted.report["model"])])
    wanted = list(fitted.candidates if seed == 0 else later)
    coded = {name: code(fitted.candidates[name], items, queries) for name in wanted}
    kept = coded[str(fitted.report["model"])]
    health = bit_health(kept.codes)
    outcome = Seed(
        kept=str(fitted.report["model"]),
        trained=trained,
        scores={name: score(one, run) for name, one in coded.items()},
        bit_means=(health.lowest, health.highest),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        two_stage=columns(kept, run) if seed == 0 else {},
        codebook=codebook_scores(coded[trained], items, run) if coded[trained].codebook is not None else {},
    )
    if seed == 0 and "tfidf" in run.floats:
        listed = score_reranked(kept.query_codes, kept.codes, run.floats["tfidf"], run.truth, short=SHORT)
        outcome.two_stage[f"shortlist_{SHORT}_tfidf_p_at_100"] = (listed.precision or 0.0) * run.answered
    return outcome, fitted


def trained_name(fitted: Fitted) -> str:
    """The candidate that is no floor; the kept one where only floors were fitted."""
    return next((name for name in fitted.candidates if not MODELS[name].floor), str(fitted.report["model"]))


def page(run: Run, fitted: Fitted, path: Path, lengths: Sequence[int]) -> None:
    """Write the report of the kept code, beside everything fitted with it, at its own and at further lengths."""
    data = run.data
    model = str(fitted.report["model"])
    others: list[Encoder] = [one for one in fitted.candidates.values() if one is not fitted.encoder]
    for bits in lengths:
        say(f"fitting {model} and the floors at {bits} bits for the page")
        others += fit(data.contents, kind=data.kind, bits=bits, model=model).candidates.values()
    material = Material(
        data.name,
        data.kind,
        data.contents,
        data.queries,
        labels=data.labels,
        query_labels=data.query_labels,
        names=data.names,
    )
    write(evaluate(fitted.encoder, material, floors=others, floats=run.floats, on_stage=say), path)


def summary(run: Run, bits: int, seeds: list[Seed], floats: dict[str, float]) -> dict[str, Any]:
    """The result as one JSON object."""
    first = seeds[0]
    kept = Counter(seed.kept for seed in seeds).most_common(1)[0][0]
    floors = {name: scores for name, scores in first.scores.items() if MODELS[name].floor}
    few = {name.removesuffix("_p_at_10"): value for name, value in floats.items() if name.endswith("_p_at_10")}
    found = {name: value for name, value in floats.items() if not name.endswith("_p_at_10")}
    result: dict[str, Any] = {
        "dataset": run.data.name,
        "bits": bits,
        "seeds": len(seeds),
        "p_at_100": spread([seed.scores[seed.kept]["p_at_100"] for seed in seeds]),
        "map_at_1000": spread([seed.scores[seed.kept]["map_at_1000"] for seed in seeds]),
        "floors": rounded({name: scores["p_at_100"] for name, scores in floors.items()} | found),
        "kept": kept,
        "seconds_per_seed": round(statistics.mean(seed.seconds for seed in seeds), 1),
        "cpu_seconds_per_seed": round(statistics.mean(seed.cpu_seconds for seed in seeds), 1),
        "kept_per_seed": [seed.kept for seed in seeds],
        "kept_is_better": [
            seed.scores[seed.kept]["p_at_100"] >= max(seed.scores[name]["p_at_100"] for name in (seed.trained, "itq"))
            for seed in seeds
        ],
        "trained": {
            "model": first.trained,
            "p_at_100": spread([seed.scores[seed.trained]["p_at_100"] for seed in seeds]),
            "map_at_1000": spread([seed.scores[seed.trained]["map_at_1000"] for seed in seeds]),
            "p_at_10": spread([seed.scores[seed.trained]["p_at_10"] for seed in seeds]),
        },
        "itq": {"p_at_100": spread([seed.scores["itq"]["p_at_100"] for seed in seeds])},
        "p_at_10": spread([seed.scores[seed.kept]["p_at_10"] for seed in seeds]),
        "floors_p_at_10": rounded({name: scores["p_at_10"] for name, scores in floors.items()} | few),
        "recall_at_10": spread([seed.scores[seed.kept]["recall_at_10"] for seed in seeds]),
        "two_stage": rounded(first.two_stage),
        "bit_means": [
            round(min(seed.bit_means[0] for seed in seeds), 4),
            round(max(seed.bit_means[1] for seed in seeds), 4),
        ],
        "blank_queries_count_as_misses": round(1 - run.answered, 5),
    }
    if first.codebook:
        result["codebook"] = {name: spread([seed.codebook[name] for seed in seeds]) for name in first.codebook}
    return result


def spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 4), "sd": round(deviation, 4)}


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Values to four places."""
    return {name: round(value, 4) for name, value in values.items()}


def say(words: str) -> None:
    """A line for the person who waits."""
    print(words, file=sys.stderr, flush=True)


def float_scores(run: Run) -> dict[str, float]:
    """P@100 of every float order, and its P@10."""
    found: dict[str, float] = {}
    for name, order in run.floats.items():
        truth = replace(run.truth, neighbours=None)
        found[name] = (score_distances(order, truth).precision or 0.0) * run.answered
        few = score_distances(order, replace(truth, k=FEW, depth=FEW)).precision
        found[f"{name}_p_at_10"] = (few or 0.0) * run.answered
    return found


def main() -> int:
    """Run the benchmark; the last line on stdout is the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=sorted(datasets.DATASETS), required=True)
    parser.add_argument("--bits", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", default="auto", help="a model of the registry; auto keeps the best without labels")
    parser.add_argument("--html", type=Path, help="write the report of the first seed here")
    parser.add_argument("--lengths", type=int, nargs="*", default=[], help="further code lengths on that page")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout")
    asked = parser.parse_args()
    try:
        run = prepare(asked.dataset, asked.bits)
    except datasets.Absent as absent:
        say(f"skipped: {absent}")
        return 2
    floats = float_scores(run)
    say(f"{asked.dataset}: {run.truth.items} items, {run.truth.queries} queries; float {rounded(floats)}")
    seeds = []
    for number in range(asked.seeds):
        seed, fitted = one_seed(run, asked.bits, number, asked.model)
        seeds.append(seed)
        say(f"seed {number}: {fitted.report['why']}; {seed.seconds:.1f} s")
        for name, scores in seed.scores.items():
            say(f"  {name:12} {rounded(scores)}")
        if asked.html is not None and number == 0:
            page(run, fitted, asked.html, asked.lengths)
    print(json.dumps(summary(run, asked.bits, seeds, floats)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
