"""Dedup: near-copies of articles and photographs found, planted edits found, nothing else merged, and how fast.

Each part trains its own encoder, takes the radius from the advice that plants edits in the items themselves, and reads
the truth for scoring only. ``--json`` prints one object as the last line; ``--only`` runs some of the parts, and
``--into FILE`` keeps what they found beside what others found before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Absent, caltech, folder, newsgroups

from hashsvc.app import Store, dedup, open_store
from hashsvc.app.dedupreading import evaluated, every_decision, reported
from hashsvc.dedup.edits import EDITS, Strength
from hashsvc.dedup.normal import form_of
from hashsvc.dedup.sketches import THRESHOLDS, Look, sketch, together
from hashsvc.dedup.spec import DedupSpec
from hashsvc.domain.dedup import Limits, Run
from hashsvc.domain.items import Item, content_hash
from hashsvc.domain.kinds import Kind
from hashsvc.domain.metadata import Metadata
from hashsvc.errors import InvalidContent
from hashsvc.report.dedup import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Near-duplicates are near under any sensible code: the linear encoder trains in seconds.
MODEL = "itq"
ANYTHING = Limits(share=1.0, cluster=1_000_000, diameter=1_000_000)
LIGHT = ("blur-a-little", "high-contrast", "high-saturation", "sharpen-a-little", "shrink-a-little")
POSTS, TITLES, SAMPLE = 10_000, 100_000, 2_000
EVERY: dict[str, Callable[[], Mapping[str, Any]]] = {}


def part(measure: Callable[[], Mapping[str, Any]]) -> Callable[[], Mapping[str, Any]]:
    """Add a part of the benchmark."""
    EVERY[measure.__name__] = measure
    return measure


@contextmanager
def store_of(
    contents: Mapping[str, bytes], kind: Kind, *, bits: int = 64, train_on: Sequence[bytes] = ()
) -> Iterator[Store]:
    """A store whose collection "items" holds these contents under an encoder trained on them, or on others."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        source = root / "training"
        source.mkdir()
        suffix = "txt" if kind is Kind.TEXT else "jpg"
        for number, content in enumerate(train_on or list(contents.values())):
            (source / f"{number}.{suffix}").write_bytes(content)
        with open_store(str(root / "store")) as store:
            store.train("encoder", [str(source)], kind=kind, bits=bits, model=MODEL)
            fill(store, "items", contents)
            yield store


def fill(store: Store, name: str, contents: Mapping[str, bytes], metadata: Mapping[str, Metadata] | None = None) -> int:
    """A collection of these contents; how many were refused."""
    store.create_collection(name, encoder="encoder")
    about = metadata or {}
    items = (Item(key, content, metadata=about.get(key, {})) for key, content in contents.items())
    return sum(len(written.errors) for written in store.upsert_stream(name, items))


def decided(store: Store, name: str = "items", radius: int | None = None) -> Run:
    """A run over a collection, stopped by nothing."""
    run = dedup.run(store, DedupSpec(name, radius=radius, limits=ANYTHING))
    say(f"  {name}: radius {run.radius}, {run.dropped:,} of {run.items:,} dropped {dict(run.summary['stages'])}")
    return run


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)


def articles(size: int) -> dict[str, Any]:
    """News articles with planted near-copies: the radius advised from edits alone, the truth read for scoring."""
    root = present("minhash-articles", "data")
    lines = (root / f"articles_{size}.train").read_text(encoding="utf-8", errors="replace").splitlines()
    held = {key: text.encode() for key, text in (line.split(" ", 1) for line in lines if " " in line)}
    truth = [line.split() for line in (root / f"articles_{size}.truth").read_text().splitlines() if line]
    with store_of(held, Kind.TEXT) as store:
        run = decided(store)
        score = evaluated(store.dedup, run.job, pairs=[(pair[0], pair[1]) for pair in truth])
    found = {"precision": score.precision, "recall": score.recall, "radius": run.radius}
    return {"minhash_articles": {"by_size": {str(size): found}}}


for _size in (100, 1_000, 2_500):
    EVERY[f"articles_{_size}"] = partial(articles, _size)


@part
def fixtures() -> dict[str, Any]:
    """Edits of photographs by other hands, under an encoder that never saw them."""
    root = present("image-neardup-fixtures")
    files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.jpg"))}
    photographs = [*caltech().contents, *caltech().queries]
    with store_of(files, Kind.IMAGE, train_on=photographs) as store:
        radius = advised(store, photographs)
        run = decided(store, radius=radius)
        decisions = list(every_decision(store.dedup, run.job))
    stars = {one.key: one.witness for one in decisions} | {one.witness: one.witness for one in decisions}
    bridge = "pdq/pdq/data/bridge-mods"
    original = stars.get(f"{bridge}/aaa-orig.jpg")
    missed = [name for name in LIGHT if original is None or stars.get(f"{bridge}/{name}.jpg") != original]
    joined = [(one.key, one.witness) for one in decisions if photograph(one.key) != photograph(one.witness)]
    return {
        "fixtures": {
            "radius": run.radius,
            "light_missed": missed,
            "different_joined": joined,
            "dropped": len(decisions),
        }
    }


def photograph(name: str) -> str:
    """Which photograph a file of the fixtures shows."""
    stem = Path(name).stem
    if "bridge-mods" in name or stem.startswith("bridge-"):
        return "bridge"
    return stem.partition("_")[0]


def advised(store: Store, contents: Sequence[bytes]) -> int:
    """The radius advised for items of this kind, from edits of the training photographs."""
    from hashsvc.dedup.advice import advised as advise

    encoder = store.loaded.get(store.collection("items").fingerprint)
    kind = store.collection("items").kind
    look = Look.SHINGLES if kind is Kind.TEXT else Look.THUMBNAILS
    table = advise(
        contents[:: max(1, len(contents) // 500)], encoder, look=look, threshold=THRESHOLDS[look], target=0.99
    )
    for row in table.table:
        say(f"    r {row.radius:2d} recall {row.recall:.4f} precision {row.precision:.4f} pairs {row.within:.2f}")
    say(f"  advised {table.radius}; {table.lost} of {table.positives} refused by the second look")
    return table.radius


@part
def posts() -> dict[str, Any]:
    """20 Newsgroups bodies: equal bytes in the exact stage, equal normal forms dropped, empty bodies refused."""
    data = newsgroups()
    bodies = {f"post-{number}": body for number, body in enumerate([*data.contents, *data.queries])}
    with store_of(bodies, Kind.TEXT) as store:
        count = store.count_items("items")
        run = decided(store)
        decisions = {one.key: one for one in every_decision(store.dedup, run.job)}
    equal, normal = groups(bodies, content_hash), groups(bodies, form)
    # Of equal bodies the exact stage leaves one, which stands for them from then on, and may go itself as a near-copy.
    left_exact = [[key for key in group if key not in decisions or decisions[key].stage != "exact"] for group in equal]
    left = [key for group in normal if sum(key not in decisions for key in group) > 1 for key in group]
    unverified = [one.key for one in decisions.values() if one.score is None or one.score < run.threshold]
    return {
        "posts": {
            "bodies": len(bodies),
            "refused": len(bodies) - count,
            "equal_groups": len(equal),
            "normal_groups": len(normal),
            "equal_left_by_exact": sum(len(group) - 1 for group in left_exact),
            "equal_gone_later": sum(key in decisions for group in left_exact for key in group),
            "normal_left": len(left),
            "unverified": len(unverified),
            "dropped": run.dropped,
            "radius": run.radius,
        }
    }


def form(body: bytes) -> str | None:
    """The normal form; None for an empty body."""
    try:
        return form_of(body)
    except InvalidContent:
        return None


def groups(bodies: Mapping[str, bytes], name: Callable[[bytes], Any]) -> list[list[str]]:
    """Keys of bodies that have one name, in groups of at least two; empty bodies are in none."""
    held: dict[Any, list[str]] = {}
    for key, body in bodies.items():
        if form(body) is not None:
            held.setdefault(name(body), []).append(key)
    return [group for group in held.values() if len(group) > 1]


@part
def planted_texts() -> dict[str, Any]:
    """Edits planted in 10,000 real posts, natural duplicates set aside first."""
    data = newsgroups()
    bodies = [body for body in [*data.contents, *data.queries] if form(body) is not None]
    chosen = np.random.default_rng(0).permutation(len(bodies))[:POSTS]
    return planted("texts", Kind.TEXT, {f"post-{number}": bodies[number] for number in chosen.tolist()})


@part
def planted_photographs() -> dict[str, Any]:
    """Edits planted in 2,298 photographs, natural duplicates set aside first."""
    data = caltech()
    return planted("photographs", Kind.IMAGE, dict(named("photo", [*data.contents, *data.queries])))


def named(name: str, contents: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Contents under numbered keys."""
    return ((f"{name}-{number}", content) for number, content in enumerate(contents))


def planted(name: str, kind: Kind, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """What is found of edits of each strength at the radius advised for the unedited items."""
    found = {}
    with store_of(contents, kind) as store:
        run = decided(store)
        dropped = {one.key for one in every_decision(store.dedup, run.job)}
        kept = {key: content for key, content in contents.items() if key not in dropped}
        for strength in Strength:
            found[str(strength)] = {name: one_strength(store, kind, kept, strength, run.radius)}
            say(f"  {name} {strength}: {found[str(strength)][name]}")
    return {"planted": found}


def one_strength(
    store: Store, kind: Kind, kept: Mapping[str, bytes], strength: Strength, radius: int
) -> dict[str, Any]:
    """Edits of one strength, one of a random kind in each item: recall, and merges that their sources do not bear."""
    rng = np.random.default_rng(1)
    edits = list(EDITS[kind].items())
    contents, ways = dict(kept), {}
    for key, content in kept.items():
        way, edit = edits[int(rng.integers(0, len(edits)))]
        changed = edit(content, rng, strength)
        if changed != content and (kind is not Kind.TEXT or form(changed) is not None):
            contents[f"{key}~edit"], ways[key] = changed, way
    name = f"planted-{strength}"
    fill(store, name, contents)
    run = decided(store, name, radius)
    decisions = list(every_decision(store.dedup, run.job))
    store.delete_collection(name)
    hits = {source(one.key) for one in decisions if source(one.key) == source(one.witness)}
    by_way = {way: [key in hits for key, own in ways.items() if own == way] for way, _ in edits}
    others = [(source(one.key), source(one.witness)) for one in decisions if source(one.key) != source(one.witness)]
    return {
        "recall": len(hits) / len(ways),
        "false_merges": strangers(kind, kept, others),
        "decisions": len(decisions),
        "by_edit": {way: round(float(np.mean(found)), 4) for way, found in by_way.items() if found},
    }


def source(key: str) -> str:
    """The item that an edit was made of."""
    return key.removesuffix("~edit")


def strangers(kind: Kind, contents: Mapping[str, bytes], pairs: Sequence[tuple[str, str]]) -> int:
    """How many of these pairs of unedited items do not verify."""
    if not pairs:
        return 0
    look = Look.SHINGLES if kind is Kind.TEXT else Look.THUMBNAILS
    keys = sorted({key for pair in pairs for key in pair})
    hashes = np.frombuffer(b"".join(content_hash(contents[key]) for key in keys), np.uint8).reshape(-1, 32)
    arrays, _ = sketch(look, hashes, lambda place: contents[keys[place]])
    sketches = together(look, [arrays], np.arange(len(keys)))
    assert sketches is not None
    rows = np.array([[keys.index(one), keys.index(other)] for one, other in pairs])
    return int((sketches.scores(rows[:, 0], rows[:, 1]) < THRESHOLDS[look]).sum())


@part
def join_64() -> dict[str, Any]:
    """Every pair of a million codes within 3, by the engine and by FAISS range_search, one thread each."""
    found = against_faiss(clustered(1_000_000, 64), 3, SAMPLE)
    found["equal"] = found["equal"] and whole_equal(clustered(100_000, 64), 3)
    return {"self_join": {"64": found}}


@part
def join_256() -> dict[str, Any]:
    """Every pair of 200,000 codes within 16, the same way."""
    return {"self_join": {"256": against_faiss(clustered(200_000, 256), 16, SAMPLE)}}


def clustered(count: int, bits: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Codes around centres, a tenth of them copies of others with up to four bits changed, some with none."""
    rng = np.random.default_rng(bits)
    centres = rng.integers(0, 256, (count // 100, bits // 8), np.uint8)
    flips = np.packbits(rng.random((count, bits)) < 0.15, axis=1)
    codes = centres[rng.integers(0, len(centres), count)] ^ flips
    copies, originals = rng.permutation(count)[: count // 5].reshape(2, -1)
    codes[copies] = codes[originals]
    for _ in range(4):
        touched = copies[rng.random(len(copies)) < 0.5]
        bit = rng.integers(0, bits, len(touched))
        codes[touched, bit // 8] ^= (128 >> (bit % 8)).astype(np.uint8)
    return codes


def against_faiss(codes: np.ndarray[Any, np.dtype[np.uint8]], radius: int, sample: int) -> dict[str, Any]:
    """Seconds of both, their ratio, and whether they agree on the sampled queries."""
    import faiss

    from hashsvc.index import warm
    from hashsvc.index.selfjoin import self_join as join

    faiss.omp_set_num_threads(1)
    warm(bits=(codes.shape[1] * 8,))
    for _ in join(codes[:10_000], radius):  # so are the joins compiled
        pass
    began = time.perf_counter()
    pairs = [(left, right) for left, right, _ in join(codes, radius)]
    ours = time.perf_counter() - began
    asked = np.sort(np.random.default_rng(0).permutation(len(codes))[:sample])
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    began = time.perf_counter()
    limits, _, labels = index.range_search(codes[asked], radius + 1)
    theirs = (time.perf_counter() - began) * len(codes) / sample
    wanted = {
        (min(int(query), int(label)), max(int(query), int(label)))
        for place, query in enumerate(asked)
        for label in labels[limits[place] : limits[place + 1]]
        if label != query
    }
    left, right = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    mine = np.isin(left, asked) | np.isin(right, asked)
    found = set(zip(left[mine].tolist(), right[mine].tolist(), strict=True))
    return {
        "ratio_to_faiss": theirs / ours,
        "equal": found == wanted,
        "seconds": ours,
        "faiss_seconds_scaled": theirs,
        "pairs": len(left),
        "sampled_pairs": len(wanted),
    }


def whole_equal(codes: np.ndarray[Any, np.dtype[np.uint8]], radius: int) -> bool:
    """Whether engine and FAISS give the same pairs for all codes."""
    import faiss

    from hashsvc.index.selfjoin import self_join as join

    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    limits, _, labels = index.range_search(codes, radius + 1)
    ends: NDArray[np.int64] = np.asarray(limits, np.int64)
    queries = np.repeat(np.arange(len(codes)), ends[1:] - ends[:-1])
    wanted = np.stack([queries, labels])[:, queries < labels]
    found = np.concatenate([np.stack([left, right]) for left, right, _ in join(codes, radius)], axis=1)
    return bool(np.array_equal(wanted[:, np.lexsort(wanted)], found[:, np.lexsort(found)]))


@part
def titles() -> dict[str, Any]:
    """100,000 texts of the length of titles, from a file to the report, training included."""
    lines = (
        present("stackoverflow-titles", "rawText", "title_StackOverflow.txt").read_text(errors="replace").splitlines()
    )
    texts = many(lines, TITLES)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        file = root / "titles.jsonl"
        file.write_text("".join(json.dumps({"key": f"t{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
        clock = {"began": time.perf_counter()}
        with open_store(str(root / "store")) as store:
            store.train("encoder", [str(file)], kind=Kind.TEXT, bits=64, model=MODEL)
            clock["trained"] = time.perf_counter()
            store.create_collection("items", encoder="encoder")
            store.ingest("items", [str(file)])
            clock["ingested"] = time.perf_counter()
            run = decided(store)
            clock["decided"] = time.perf_counter()
            write(reported(store, run.job), root / "report.html")
            clock["reported"] = time.perf_counter()
    names = list(clock)
    steps = {name: round(clock[name] - clock[before], 2) for before, name in pairwise(names)}
    return {
        "titles": {
            "items": TITLES,
            "seconds": clock["reported"] - clock["began"],
            "steps": steps,
            "dropped": run.dropped,
        }
    }


def many(lines: Sequence[str], count: int) -> list[str]:
    """Texts that are as long as titles and made of their words, one in ten an edit of another, from real ones."""
    rng = np.random.default_rng(4)
    texts = [line for line in lines if line.strip()]
    words = [text.split() for text in texts]
    while len(texts) < count * 9 // 10:
        one, other = words[int(rng.integers(0, len(words)))], words[int(rng.integers(0, len(words)))]
        texts.append(" ".join([*one[: 1 + len(one) // 2], *other[len(other) // 2 :]]))
    edits = list(EDITS[Kind.TEXT].values())
    while len(texts) < count:
        text = texts[int(rng.integers(0, count * 9 // 10))]
        texts.append(edits[int(rng.integers(0, len(edits)))](text.encode(), rng, Strength.LIGHT).decode())
    return texts


def present(*parts: str) -> Path:
    """A place in the data folder; Absent when it is not there."""
    path = folder().joinpath(*parts)
    if not path.exists():
        raise Absent(f"{path} is not there: unpack the data set, or set HASHSVC_DATA to the folder that holds it")
    return path


def merged(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both, objects within objects; ``other`` where they differ."""
    for name, value in other.items():
        inside = isinstance(value, Mapping) and isinstance(one.get(name), dict)
        one[name] = merged(one[name], value) if inside else value
    return one


def summed_up(found: dict[str, Any]) -> dict[str, Any]:
    """The same with the worst of each measure where there are several."""
    if sizes := list(found.get("minhash_articles", {}).get("by_size", {}).values()):
        found["minhash_articles"] |= {name: min(one[name] for one in sizes) for name in ("precision", "recall")}
    for held in found.get("planted", {}).values():
        kinds = [one for one in held.values() if isinstance(one, dict)]
        held["recall"] = min(one["recall"] for one in kinds)
        held["false_merges"] = sum(one["false_merges"] for one in kinds)
    return found


def main() -> None:
    """Run the parts and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--only", nargs="+", choices=sorted(EVERY), default=list(EVERY))
    parser.add_argument("--into", type=Path, help="a JSON file that keeps what was found before")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    for name in asked.only:
        say(name)
        try:
            found = merged(found, EVERY[name]())
        except Absent as absent:
            say(f"  skipped: {absent}")
    if asked.into:
        found = merged(json.loads(asked.into.read_text()) if asked.into.exists() else {}, found)
    found = summed_up(found)
    if asked.into:
        asked.into.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if asked.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
