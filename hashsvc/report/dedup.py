"""The report of a dedup run: one HTML file that opens offline."""

from __future__ import annotations

import difflib
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc.domain.dedup import RunState, Stage
from hashsvc.domain.kinds import Kind
from hashsvc.errors import ResourceExhausted
from hashsvc.report.gallery import sparkline, thumbnail
from hashsvc.report.style import CSS
from hashsvc.report.svg import Frame, nice_ticks, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hashsvc.domain.dedupreport import DedupReport, ShownPair

WORDS = 160
AROUND = 12
SOURCES = 30
BARS = 40
STYLE = """
.pair { border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: .4rem 1.6rem;
  grid-template-columns: 1fr 1fr; align-items: start; }
.pair header { grid-column: 1 / -1; font-size: .84rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.pair header b { color: var(--ink); font-weight: 600; margin-right: .8rem; }
.pair p { font-size: .9rem; line-height: 1.5; overflow-wrap: anywhere; margin: 0; }
.pair small { display: block; color: var(--quiet); font-size: .78rem; overflow-wrap: anywhere; }
.pair img { max-width: 100%; border-radius: 4px; border: 1px solid var(--line); }
.pair del, .pair ins { text-decoration: none; border-radius: 2px; padding: 0 .12em; }
.pair del { background: color-mix(in oklab, var(--bad) 26%, transparent); }
.pair ins { background: color-mix(in oklab, var(--good) 26%, transparent); }
.stop { border-left: 3px solid var(--bad); padding: .5rem 1rem; margin: 1.4rem 0 0; }
"""


def write(report: DedupReport, path: Path) -> Path:
    """Write the report to ``path`` and return it.

    Raises:
        ResourceExhausted: the file cannot be written.
    """
    try:
        path.write_text(render(report), encoding="utf-8")
    except OSError as error:
        raise ResourceExhausted(f"the report cannot be written to {path}: {error.strerror}") from error
    return path


def render(report: DedupReport) -> str:
    """The whole HTML document."""
    title = f"Duplicates in {report.run.collection}"
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · run {report.run.job}</title>\n<style>{CSS}{STYLE}</style>\n"
        f"{_heading(report, title)}{''.join(_sections(report))}{_footer(report)}</html>\n"
    )


def _heading(report: DedupReport, title: str) -> str:
    run = report.run
    mode = {"within": "compared with each other", "against": f"compared with {run.reference}"}
    how = mode.get(str(run.mode), "new since the last run, compared with all")
    lead = f"Run {run.job}: {run.items:,} items, {how}; radius {run.radius}, threshold {run.threshold:g}, {run.state}."
    stages = run.summary.get("stages", {})
    tiles = [
        ("dropped", f"{run.dropped:,}", f"{run.dropped / max(run.items, 1):.2%} of the items"),
        *((str(stage), f"{stages.get(str(stage), 0):,}", _STAGES[stage]) for stage in Stage),
        ("clusters", f"{run.summary.get('clusters', 0):,}", f"largest {run.summary.get('largest_cluster', 0):,}"),
        ("diameter", f"{run.summary.get('diameter', 0)}", "bits, the widest cluster"),
    ]
    figures = "".join(f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in tiles)
    stop = f'<p class="stop"><b>Stopped.</b> {escape(run.reason)}</p>' if run.state is RunState.STOPPED else ""
    return f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{stop}<dl class="figures">{figures}</dl>'


_STAGES = {
    Stage.EXACT: "equal bytes",
    Stage.NORMALISED: "equal but for case and marks",
    Stage.NEAR: "within the radius, verified",
}


def _sections(report: DedupReport) -> Iterator[str]:
    summary = report.run.summary
    if summary.get("sources"):
        note = "Items that could be dropped and those that were, by where they came from."
        yield _section("By source", note, _sources(summary["sources"], int(summary.get("sources_left_out", 0))))
    if summary.get("cluster_sizes"):
        note = "A cluster is a kept item with those dropped for it, each within the radius of it or the same text."
        yield _section("Sizes of clusters", note, bars(summary["cluster_sizes"], "items in a cluster", "clusters"))
        note = "Hamming distance of each dropped item to the kept one that justifies it."
        yield _section("Distances", note, bars(summary["distances"], "bits", "dropped items"))
    if summary.get("advice"):
        yield _section("Why this radius", _advice_note(summary["advice"]), _advice(summary["advice"]))
    if report.borderline:
        note = "Pairs whose score lies nearest to the threshold, on either side: look here first."
        if report.kind is Kind.TEXT:
            note += " What is only on the left is red, what is only on the right green."
        yield _section("The borderline", note, _pairs(report.borderline, report.kind))
    if report.sample:
        note = "Dropped items on the left, the kept ones on the right; drawn at random."
        yield _section("A sample of the dropped", note, _pairs(report.sample, report.kind))


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{title}</h2><p class=note>{note}</p>{body}</section>"


def _most_dropped(sources: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    return sorted(sources.items(), key=lambda pair: (-pair[1]["dropped"], -pair[1]["items"], pair[0]))


def _sources(sources: dict[str, dict[str, int]], left_out: int) -> str:
    rows = "".join(
        f'<tr><td>{escape(name) or "(no source)"}</td><td class="number">{held["items"]:,}</td>'
        f'<td class="number">{held["dropped"]:,}</td>'
        f'<td class="number">{held["dropped"] / max(held["items"], 1):.1%}</td></tr>'
        for name, held in _most_dropped(sources)[:SOURCES]
    )
    more = max(0, len(sources) - SOURCES) + left_out
    note = f"<p class=note>{more:,} more sources, none with more dropped.</p>" if more else ""
    head = '<th>source</th><th class="number">items</th><th class="number">dropped</th><th class="number">share</th>'
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'


def bars(counts: Sequence[Sequence[Any]], across: str, up: str) -> str:
    """Counts as bars, values that do not occur among them; those beyond the fortieth are summed up in the last one."""
    held = {int(value): int(count) for value, count in counts}
    few = max(held) - min(held) < BARS
    values = [(str(value), held.get(value, 0)) for value in (range(min(held), max(held) + 1) if few else held)]
    if len(values) > BARS:
        rest = sum(count for _, count in values[BARS - 1 :])
        values = [*values[: BARS - 1], (f"{values[BARS - 1][0]}+", rest)]
    most = max(count for _, count in values)
    frame = Frame(760, 230, left=64)
    ticks = nice_ticks(0, most, 4)
    x, y = frame.x(0, len(values)), frame.y(0, ticks[-1])
    width = max(min(x(1) - x(0) - 3, 46), 2)
    parts = [frame.rows(y, ticks, ",.0f")]
    for place, (name, count) in enumerate(values):
        middle = x(place + 0.5)
        height = max(y(0) - y(count), 1.0)
        if count:
            parts.append(
                f'<rect class="bar" x="{middle - width / 2:.1f}" y="{y(0) - height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}"><title>{escape(name)}: {count:,} {escape(up)}</title></rect>'
            )
        if count and len(values) <= 20:
            parts.append(text(middle, y(0) - height - 5, f"{count:,}", anchor="middle", style="tick"))
        if len(values) <= 20 or place % 5 == 0:
            parts.append(text(middle, frame.height - frame.bottom + 18, name, anchor="middle", style="tick"))
    parts += [frame.columns(x, [], []), frame.title_below(across)]
    return frame.drawing(parts, f"{up} by {across}")


def _advice_note(advice: dict[str, Any]) -> str:
    lost = f" The second look refuses {advice['lost']:,} of them at any radius." if advice["lost"] else ""
    target = advice["target_precision"]
    if any(row["precision"] >= target for row in advice["table"]):
        why = f"Of the radii that reach a precision of {target:g}, the smallest that finds nearly all there is to find."
    else:
        why = f"No radius reaches a precision of {target:g}: this is the most precise."
    return f"{escape(str(advice['source']))}: {advice['positives']:,} known duplicates.{lost} {why}"


def _advice(advice: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr class="{"own" if row["radius"] == advice["radius"] else ""}"><td class="number">{row["radius"]}</td>'
        f'<td class="number">{row["recall"]:.4f}</td>'
        f'<td class="number">{row["recall_low"]:.4f} – {row["recall_high"]:.4f}</td>'
        f'<td class="number">{row["precision"]:.4f}</td>'
        f'<td class="number">{row["precision_low"]:.4f} – {row["precision_high"]:.4f}</td>'
        f'<td class="number">{row["within"]:.2f}</td></tr>'
        for row in advice["table"]
    )
    head = "".join(
        f'<th class="number">{name}</th>' for name in ("radius", "recall", "95 %", "precision", "95 %", "pairs an item")
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _pairs(pairs: Sequence[ShownPair], kind: Kind) -> str:
    return "".join(_pair(shown, kind) for shown in pairs)


def _pair(shown: ShownPair, kind: Kind) -> str:
    pair = shown.pair
    score = "not verified" if pair.score is None else f"score {pair.score:.3f}"
    verdict = "dropped" if pair.dropped else "both kept"
    left, right = _sides(shown, kind)
    return (
        f'<article class="pair"><header><b>{verdict}</b>{score}, distance {pair.distance}</header>'
        f"<div>{left}<small>{escape(pair.left)}</small></div><div>{right}<small>{escape(pair.right)}</small></div>"
        "</article>"
    )


def _sides(shown: ShownPair, kind: Kind) -> tuple[str, str]:
    if shown.left is None or shown.right is None:
        absent = "<p>content is not kept</p>"
        return absent, absent
    if kind is Kind.TEXT:
        return marked(shown.left.decode(errors="replace"), shown.right.decode(errors="replace"))
    if kind is Kind.IMAGE:
        return _picture(shown.left), _picture(shown.right)
    return sparkline(shown.left), sparkline(shown.right)


def _picture(content: bytes) -> str:
    try:
        return f'<img alt="" src="{thumbnail(content)}">'
    except (OSError, ValueError):
        return "<p>the picture cannot be read</p>"


def marked(left: str, right: str) -> tuple[str, str]:
    """Two texts with what differs marked word by word; long equal passages are cut out, and long texts cut off."""
    one, other = left.split(), right.split()
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if len(one) * len(other) > 4_000_000:
        matcher = difflib.SequenceMatcher(None, one[:2_000], other[:2_000], autojunk=False)
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            for side in sides:
                side.extend(_equal(one[a:b]))
        else:
            sides[0].extend(f"<del>{escape(word)}</del>" for word in one[a:b])
            sides[1].extend(f"<ins>{escape(word)}</ins>" for word in other[c:d])
    return _paragraph(sides[0]), _paragraph(sides[1])


def _equal(words: Sequence[str]) -> list[str]:
    plain = [escape(word) for word in words]
    return plain if len(plain) <= 3 * AROUND else [*plain[:AROUND], "…", *plain[-AROUND:]]


def _paragraph(words: Sequence[str]) -> str:
    return f"<p>{' '.join(words[:WORDS])}{' …' if len(words) > WORDS else ''}</p>"


def _footer(report: DedupReport) -> str:
    run = report.run
    return (
        f"<footer>Encoder {escape(run.encoder or 'none: ready codes')}, kept by rule {escape(run.keep)}, "
        f"{run.summary.get('unreadable', 0):,} items could not be read and were left alone. "
        f"Digest of the decisions {escape(run.digest[:16])}….</footer>"
    )
