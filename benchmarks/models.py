"""The claim: every member of the family of autoencoders reaches what its paper, or its rival, shows.

Each member is trained and measured with the same seeds; the figures are means over them. Rows that ask for a GPU train
larger models there; where none is at hand ``holds`` is null, and what was measured of them before stays. With --write
the rows join ``benchmarks/results/models.json``, and the table of ``docs/models.md`` is written anew from that file;
with --first 1 they are counted together with the seed 0 held there.

Example:
    python benchmarks/models.py --member vae --seeds 3 --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
from members import (
    adversarial,
    coding,
    collapse,
    deep,
    hierarchical,
    larger,
    linear,
    lines,
    quantised,
    reciprocal,
    texts,
    variational,
)
from members.row import ALBUM, Row

Member = Callable[[int], Mapping[str, Row]]

MEMBERS: dict[str, Member] = {
    "pca": linear.pca,
    "linear_ae": linear.linear_ae,
    "autoencoder": deep.autoencoder,
    "curves": deep.curves,
    "lsa": texts.lsa,
    "semantic_hashing": texts.semantic_hashing,
    "vae": variational.vae,
    "latent_map": variational.latent_map,
    "collapse": collapse.collapse,
    "modes": variational.modes,
    "denoising": deep.denoising,
    "inpainting": deep.inpainting,
    "vq_vae": quantised.vq_vae,
    "vae_gan": adversarial.vae_gan,
    "acai": lines.acai,
    "alae": reciprocal.alae,
    "nvae": hierarchical.nvae,
    "as_encoder": coding.as_encoder,
}
UNSEEDED = {"pca", "lsa"}
ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "models.json", ROOT / "docs" / "models.md"
BEGIN, END = "<!-- table written by benchmarks/models.py -->", "<!-- end of the table -->"


def measured(name: str, seeds: range, pictures: Path | None, *, larger_only: bool = False) -> dict[str, dict[str, Any]]:
    """Every criterion of a member: the mean over seeds, whether it holds, and the seconds of a seed."""
    own = range(1) if name in UNSEEDED else seeds
    found = {} if larger_only else _measured(name, MEMBERS[name], own, pictures)
    if name in larger.MEMBERS and torch.cuda.is_available():
        member, device, sizes = larger.MEMBERS[name], torch.device("cuda"), larger.Sizes()
        return found | _measured(name, lambda seed: member(seed, device, sizes), seeds, None)
    return found | {
        criterion: {"ours": None, "reference": words, "holds": None, "seconds": None}
        for criterion, words in larger.REFERENCES.get(name, {}).items()
    }


def _measured(name: str, member: Member, seeds: range, pictures: Path | None) -> dict[str, dict[str, Any]]:
    runs, taken = [], []
    for seed in seeds:
        ALBUM.folder = pictures if not seed else None
        started = time.monotonic()
        runs.append(member(seed))
        taken.append(time.monotonic() - started)
        for criterion, row in runs[-1].items():
            say(f"{name}, seed {seed}: {criterion}: {row.ours} ({row.reference}) {dict(row.beside) or ''}")
    return {criterion: _summary([run[criterion] for run in runs], statistics.mean(taken)) for criterion in runs[0]}


def _summary(rows: list[Row], seconds: float) -> dict[str, Any]:
    figures = [row.ours for row in rows]
    beside = {name: round(statistics.mean(row.beside[name] for row in rows), 4) for name in rows[0].beside}
    return {
        "ours": round(statistics.mean(figures), 4),
        "reference": rows[0].reference,
        "holds": all(row.holds(row.ours) for row in rows),
        "seconds": round(seconds, 1),
        "per_seed": figures,
        **({"beside": beside} if beside else {}),
    }


def joined(held: Mapping[str, Any], found: Mapping[str, Any], first: int) -> dict[str, dict[str, Any]]:
    """The criteria of a member over the seeds held, which are those before ``first``, and those found."""
    return {criterion: _joined(held[criterion], row, first) for criterion, row in found.items()}


def _joined(held: Mapping[str, Any], row: dict[str, Any], first: int) -> dict[str, Any]:
    if row["ours"] is None:
        return row
    shares = [len(one.get("per_seed", ())) for one in (held, row)]
    if shares[0] != first:
        sys.exit(f"{shares[0]} seeds are held, so --first must be {shares[0]}, not {first}")

    def mean(before: float, now: float) -> float:
        return (before * shares[0] + now * shares[1]) / sum(shares)

    beside = {name: round(mean(held["beside"][name], value), 4) for name, value in row.get("beside", {}).items()}
    return row | {
        "ours": round(mean(held["ours"], row["ours"]), 4),
        "holds": held["holds"] and row["holds"],
        "seconds": round(mean(held["seconds"], row["seconds"]), 1),
        "per_seed": held["per_seed"] + row["per_seed"],
        **({"beside": beside} if beside else {}),
    }


def write(found: Mapping[str, Any], *, part: bool = False, first: int = 0) -> None:
    """Put the rows of each member found in the place of its earlier ones, and write the table from all there are.

    With ``part`` of a member's rows the others of it stay. With a ``first`` seed above zero the rows are counted
    together with those of the seeds before it.
    """
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if first:
        found = {name: joined(held[name], rows, first) for name, rows in found.items()}
    found = {name: {c: _known(held.get(name, {}), c, row) for c, row in rows.items()} for name, rows in found.items()}
    if part:
        found = {name: held.get(name, {}) | rows for name, rows in found.items()}
    rows = {name: found.get(name, held.get(name)) for name in MEMBERS if name in found or name in held}
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}{END}{rest.split(END)[1]}", encoding="utf-8")


def _known(held: Mapping[str, Any], criterion: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row, or what is held of it where this machine could not measure it."""
    return held.get(criterion, row) if row["ours"] is None else row


def table(rows: Mapping[str, Any]) -> str:
    """The rows as a Markdown table."""
    lines = ["| member | criterion | reference | ours | holds | seeds | seconds |", "|---|---|---|---|---|---|---|"]
    for member, criteria in rows.items():
        for criterion, row in criteria.items():
            beside = ", ".join(f"{name} {value:g}" for name, value in row.get("beside", {}).items())
            ours = "" if row["ours"] is None else f"{row['ours']:g}" + (f" ({beside})" if beside else "")
            holds = {True: "yes", False: "no", None: "not measured"}[row["holds"]]
            cells = (
                member,
                criterion,
                row["reference"],
                ours,
                holds,
                len(row.get("per_seed", ())),
                row["seconds"] or "",
            )
            lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def say(words: str) -> None:
    """A line for the person who waits."""
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Run the members; the last line on stdout is the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--member", choices=MEMBERS, nargs="*", default=list(MEMBERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed; with --write those before it are held")
    parser.add_argument("--models", nargs="*", default=[], help="of the rows of as_encoder, only these models")
    parser.add_argument("--larger", action="store_true", help="only the rows that ask for a GPU")
    parser.add_argument("--pictures", type=Path, help="write pictures of what the first seed trained into this folder")
    parser.add_argument("--write", action="store_true", help="write the results file and the table of docs/models.md")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout")
    asked = parser.parse_args()
    found = {}
    if asked.models:
        MEMBERS["as_encoder"] = partial(coding.as_encoder, models=tuple(asked.models))
    try:
        for name in asked.member:
            seeds = range(asked.first, asked.first + asked.seeds)
            found[name] = measured(name, seeds, asked.pictures, larger_only=asked.larger)
            if asked.write:
                part = asked.larger or (name == "as_encoder" and bool(asked.models))
                write({name: found[name]}, part=part, first=asked.first)
    except datasets.Absent as absent:
        say(f"skipped: {absent}")
        return 2
    print(json.dumps(found, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
