"""The three charts of a code: precision by length, use of its bits, distances of related and unrelated pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashsvc.domain.quality import Column, Evaluation
from hashsvc.report.svg import Frame, area, line, nice_ticks, series_colour, text

if TYPE_CHECKING:
    from hashsvc.domain.quality import BitHealth, DistanceSpread, Scores
    from hashsvc.report.svg import Scale

LINE_HEIGHT = 17
SAFE = (0.05, 0.95)


def measure_of(evaluation: Evaluation) -> str:
    """The measure that the chart by length shows: precision where there are labels, else recall of float neighbours."""
    return f"P@{evaluation.k}" if evaluation.related_by == "label" else "recall@10"


def value_of(scores: Scores) -> float | None:
    """The value of that measure."""
    return scores.precision if scores.precision is not None else scores.recall


def methods(evaluation: Evaluation) -> list[str]:
    """Methods with codes, the evaluated one first; their place is their colour everywhere on the page."""
    names = [evaluation.method, *(row.method for row in evaluation.ranked if row.bits)]
    return list(dict.fromkeys(names))


def by_length(evaluation: Evaluation) -> str:
    """The measure of every method against its code length, float features as dashed lines."""
    curves = {name: _curve(evaluation, name) for name in methods(evaluation)}
    curves = {name: points for name, points in curves.items() if points}
    floats = [(row.method, value_of(row.scores)) for row in evaluation.ranked if row.column is Column.FLOAT]
    levels = [(name, value) for name, value in floats if value is not None]
    values = [value for points in curves.values() for _, value in points] + [value for _, value in levels]
    if not values:
        return ""
    lengths = sorted({bits for points in curves.values() for bits, _ in points})
    frame = Frame(760, 380, right=190)
    ticks = nice_ticks(min(values) - 0.02, max(values) + 0.01)
    y = frame.y(ticks[0], ticks[-1])
    x = frame.x(-0.5, len(lengths) - 0.5)
    parts = [frame.rows(y, ticks, ".2f"), frame.columns(x, range(len(lengths)), [str(bits) for bits in lengths])]
    labels: list[tuple[float, str, str, str]] = []
    for name, value in levels:
        ends = ((frame.left, y(value)), (frame.width - frame.right, y(value)))
        parts.append(line(ends, "var(--quiet)", style="level"))
        labels.append((y(value), f"{name}  {value:.3f}", "var(--quiet)", "end-label"))
    for number, (name, points) in reversed(list(enumerate(curves.items()))):
        colour = series_colour(number)
        places = [(x(lengths.index(bits)), y(value)) for bits, value in points]
        parts.append(line(places, colour, style="curve own" if number == 0 else "curve"))
        parts.extend(_dot(place, colour, 5.5 if number == 0 else 3.5) for place in places)
        style = "end-label own" if number == 0 else "end-label"
        labels.append((places[-1][1], f"{name}  {points[-1][1]:.3f}", colour, style))
    parts.append(_end_labels(frame, labels))
    parts.append(frame.title_below("code length, bits"))
    return frame.drawing(parts, f"{measure_of(evaluation)} by code length for {', '.join(curves)}")


def _curve(evaluation: Evaluation, name: str) -> list[tuple[int, float]]:
    rows = [row for row in evaluation.ranked if row.method == name and row.column is Column.SYMMETRIC]
    points = [(row.bits, value_of(row.scores)) for row in rows]
    return sorted((bits, value) for bits, value in points if value is not None)


def _dot(place: tuple[float, float], colour: str, radius: float) -> str:
    return f'<circle class="dot" cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius}" style="fill:{colour}"/>'


def _end_labels(frame: Frame, labels: list[tuple[float, str, str, str]]) -> str:
    """Names beside the right ends of their lines, pushed apart until none covers another."""
    labels = sorted(labels)
    heights = spread_out([label[0] for label in labels], LINE_HEIGHT, frame.top + 4, frame.height - frame.bottom)
    x = frame.width - frame.right + 14
    return "".join(
        text(x, height + 4, words, style=style, colour=colour)
        for height, (_, words, colour, style) in zip(heights, labels, strict=True)
    )


def spread_out(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Sorted ``heights`` moved as little as needed to lie at least ``gap`` apart, between ``low`` and ``high``."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap if placed else low))
    limit = high
    for place in reversed(range(len(placed))):
        placed[place] = min(placed[place], limit)
        limit = placed[place] - gap
    return placed


def bit_usage(health: BitHealth) -> str:
    """Share of ones of each bit; bits outside 5 to 95 % carry next to nothing and stand out."""
    bits = len(health.means)
    frame = Frame(760, 230)
    x, y = frame.x(0, bits), frame.y(0, 1)
    step = x(1) - x(0)
    width = max(step - (2 if step > 5 else 0.5), 0.8)
    bars = (
        f'<rect class="{"bar" if SAFE[0] <= mean <= SAFE[1] else "bar idle"}" x="{x(bit) + (step - width) / 2:.1f}"'
        f' y="{y(max(mean, 0.004)):.1f}" width="{width:.1f}" height="{y(0) - y(max(mean, 0.004)):.1f}">'
        f"<title>bit {bit}: {mean:.1%} ones</title></rect>"
        for bit, mean in enumerate(health.means)
    )
    every = max(1, bits // 8)
    places = [bit + 0.5 for bit in range(0, bits, every)]
    names = [str(bit) for bit in range(0, bits, every)]
    half = line(((frame.left, y(0.5)), (frame.width - frame.right, y(0.5))), "var(--ink)", style="level")
    parts = [frame.rows(y, (0, 0.25, 0.5, 0.75, 1), ".0%"), *bars, half, frame.columns(x, places, names)]
    return frame.drawing([*parts, frame.title_below("bit, most significant first")], "share of ones of each bit")


def distances(spread: DistanceSpread) -> str:
    """Distributions of the Hamming distances of related and unrelated pairs, with their medians."""
    bits = len(spread.related) - 1
    frame = Frame(760, 270)
    top = max(*spread.related, *spread.unrelated, 1e-9)
    last = max((d for d in range(bits + 1) if max(spread.related[d], spread.unrelated[d]) > top / 400), default=bits)
    x, y = frame.x(0, max(last, 1)), frame.y(0, top * 1.12)
    ticks = nice_ticks(0, top, 4)[:-1]
    xs = [tick for tick in nice_ticks(0, last, 8) if tick <= last]
    parts = [frame.rows(y, ticks, ".1%" if top < 0.04 else ".0%")]
    related_left = median(spread.related) <= median(spread.unrelated)
    for values, colour, name, left in (
        (spread.unrelated, "var(--quiet)", "unrelated", not related_left),
        (spread.related, series_colour(0), "related", related_left),
    ):
        places = [(x(d), y(values[d])) for d in range(last + 1)]
        parts += [area(places, y(0), colour), line(places, colour, style="curve own")]
        parts.append(_median(values, (x, y), colour, name, left=left))
    parts += [frame.columns(x, xs, [f"{tick:g}" for tick in xs]), frame.title_below("Hamming distance, bits")]
    return frame.drawing(parts, "distances of related and unrelated pairs")


def median(shares: Sequence[float]) -> int:
    """The distance below which half of the pairs lie."""
    reached = 0.0
    for distance, share in enumerate(shares):
        reached += share
        if reached >= 0.5:
            return distance
    return len(shares) - 1


def _median(shares: Sequence[float], scales: tuple[Scale, Scale], colour: str, name: str, *, left: bool) -> str:
    x, y = scales
    middle = median(shares)
    height = y(max(shares))
    mark = line(((x(middle), y(0)), (x(middle), height)), colour, style="level")
    return mark + text(
        x(middle),
        height - 7,
        f"{name}, median {middle}",
        anchor="end" if left else "start",
        style="mark",
        colour=colour,
    )
