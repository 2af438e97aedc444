"""The page: heading and figures, then each section where there is something to show."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc.domain.kinds import Kind
from hashsvc.domain.quality import Column, Evaluation, Scores
from hashsvc.errors import ResourceExhausted
from hashsvc.report.charts import bit_usage, by_length, distances, measure_of, value_of
from hashsvc.report.gallery import galleries
from hashsvc.report.plane import picture
from hashsvc.report.style import CSS
from hashsvc.report.table import scores_table

if TYPE_CHECKING:
    from collections.abc import Iterator

NOUNS = {Kind.TEXT: "documents", Kind.IMAGE: "images", Kind.VECTOR: "vectors", Kind.CODE: "codes"}


def write(evaluation: Evaluation, path: Path) -> Path:
    """Write the report to ``path`` and return it.

    Raises:
        ResourceExhausted: the file cannot be written.
    """
    try:
        path.write_text(render(evaluation), encoding="utf-8")
    except OSError as error:
        raise ResourceExhausted(f"the report cannot be written to {path}: {error.strerror}") from error
    return path


def render(evaluation: Evaluation) -> str:
    """The whole HTML document."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(evaluation.title)} · code report</title>\n<style>{CSS}</style>\n"
        f"{_heading(evaluation)}{''.join(_sections(evaluation))}{_footer(evaluation)}</html>\n"
    )


def _heading(evaluation: Evaluation) -> str:
    noun = NOUNS[evaluation.kind]
    lead = (
        f"{evaluation.items:,} {noun} as {evaluation.bits}-bit codes by {escape(evaluation.method)}, "
        f"asked with {evaluation.queries:,} queries."
    )
    tiles = "".join(
        f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in _figures(evaluation)
    )
    return f'<h1>{escape(evaluation.title)}</h1><p class="lead">{lead}</p><dl class="figures">{tiles}</dl>'


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, str, str]]:
    scores = evaluation.score(evaluation.method, evaluation.bits) or Scores()
    best = _best_floor(evaluation)
    if scores.precision is not None:
        yield f"P@{evaluation.k}", f"{scores.precision:.3f}", best
    if scores.mean_average_precision is not None:
        yield f"mAP@{evaluation.depth:,}", f"{scores.mean_average_precision:.3f}", ""
    if scores.recall is not None:
        yield "recall@10", f"{scores.recall:.3f}", "of float neighbours" if scores.precision is not None else best
    health = evaluation.health
    yield "distinct codes", f"{health.distinct / health.items:.1%}", f"{health.distinct:,} of {health.items:,}"
    yield "entropy a bit", f"{health.entropy:.3f}", f"ones {health.lowest:.0%} to {health.highest:.0%}"
    yield "correlation", f"{health.correlation:.3f}", f"worst pair {health.worst_correlation:.2f}"


def _best_floor(evaluation: Evaluation) -> str:
    others = [
        (value, row.method)
        for row in evaluation.ranked
        if row.column is Column.SYMMETRIC and row.bits == evaluation.bits and row.method != evaluation.method
        if (value := value_of(row.scores)) is not None
    ]
    if not others:
        return ""
    value, name = max(others)
    return f"next {escape(name)}, {value:.3f}"


def _sections(evaluation: Evaluation) -> Iterator[str]:
    measure = measure_of(evaluation)
    related = "the same label" if evaluation.related_by == "label" else "being float neighbours"
    chart = by_length(evaluation)
    if chart:
        note = f"{measure}, higher is better. Dashed: float features, nothing quantised."
        yield _section(f"{'Precision' if measure.startswith('P') else 'Recall'} by code length", note, chart)
    table = scores_table(evaluation)
    if table:
        yield _section("Every method, every way of ranking", _ranking_note(evaluation), table)
    yield _section(
        "How far apart",
        f"Share of pairs of a query and an item at each distance; related means {related}. "
        "The less the two overlap, the better a radius separates them.",
        distances(evaluation.spread),
    )
    yield _section(
        "Use of the bits",
        "Share of ones of each bit. Half is best; a bit below 5 % or above 95 % carries next to nothing.",
        bit_usage(evaluation.health),
    )
    if evaluation.plane is not None:
        note = (
            f"Codes that differ in few bits lie close together. Coloured by {escape(evaluation.plane.by)}; "
            "point at a name to see it alone."
        )
        yield _section("The codes in two dimensions", note, picture(evaluation.plane))
    if evaluation.galleries:
        note = (
            "Queries at even steps through the data, not chosen for their answers. The number is the Hamming distance."
        )
        yield _section("Queries and their neighbours", note, galleries(evaluation.galleries, evaluation.kind))
    if evaluation.facts:
        yield _section("Facts", "", _facts(evaluation))


def _ranking_note(evaluation: Evaluation) -> str:
    columns = {row.column for row in evaluation.ranked}
    words = "Items at equal distance count as in random order: each score is the expectation over every such order."
    if Column.SYMMETRIC in columns:
        words += " <i>Symmetric</i> compares code with code."
    if Column.ASYMMETRIC in columns:
        words += " <i>Asymmetric</i> compares the query’s float features with codes."
    if Column.TABLE in columns:
        words += " <i>Table</i> compares codes by the exact distances of their codebook’s vectors."
    if Column.RERANKED in columns:
        words += " <i>Re-ranked</i> puts a short-list by code in asymmetric order."
    return words + f" mAP is mAP@{evaluation.depth:,}, recall is recall@10. Bold: best at {evaluation.bits} bits."


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{f'<p class=note>{note}</p>' if note else ''}{body}</section>"


def _facts(evaluation: Evaluation) -> str:
    lines = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in evaluation.facts.items())
    return f'<dl class="facts">{"".join(lines)}</dl>'


def _footer(evaluation: Evaluation) -> str:
    return (
        f"<footer>Ties averaged; mAP@{evaluation.depth:,} divides by the smaller of {evaluation.depth:,} and the "
        "related items there are. Recall@10 is the share of a query’s ten nearest float neighbours among its ten "
        "nearest codes.</footer>"
    )
