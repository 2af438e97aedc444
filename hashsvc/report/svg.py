"""Drawings as SVG text: a linear scale, axes and marks. Colours are CSS variables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

SERIES = 8


def series_colour(number: int) -> str:
    """The CSS colour of the n-th series; series 0 is the evaluated code."""
    return f"var(--series-{number % SERIES})"


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values ``low..high`` onto pixels ``start..stop``."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.stop - self.start)


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing area in pixels: the whole size and the margins around the marks."""

    width: int
    height: int
    left: int = 52
    right: int = 24
    top: int = 16
    bottom: int = 44

    def x(self, low: float, high: float) -> Scale:
        """The horizontal scale of ``low..high``."""
        return Scale(low, high, self.left, self.width - self.right)

    def y(self, low: float, high: float) -> Scale:
        """The vertical scale of ``low..high``, growing upwards."""
        return Scale(low, high, self.height - self.bottom, self.top)

    def drawing(self, parts: Iterable[str], description: str) -> str:
        """The whole SVG; ``description`` is read to those who do not see it."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(description)}">'
            f"{''.join(parts)}</svg>"
        )

    def rows(self, scale: Scale, ticks: Sequence[float], form: str) -> str:
        """Horizontal grid lines with their values at the left."""
        right = self.width - self.right
        return "".join(
            f'<line class="grid" x1="{self.left}" x2="{right}" y1="{scale(tick):.1f}" y2="{scale(tick):.1f}"/>'
            + text(self.left - 10, scale(tick) + 4, format(tick, form), anchor="end", style="tick")
            for tick in ticks
        )

    def columns(self, scale: Scale, ticks: Sequence[float], labels: Sequence[str]) -> str:
        """Values under the horizontal axis, and the axis."""
        base = self.height - self.bottom
        axis = f'<line class="axis" x1="{self.left}" x2="{self.width - self.right}" y1="{base}" y2="{base}"/>'
        marks = (
            text(scale(tick), base + 18, label, anchor="middle", style="tick")
            for tick, label in zip(ticks, labels, strict=True)
        )
        return axis + "".join(marks)

    def title_below(self, words: str) -> str:
        """The name of the horizontal axis."""
        return text((self.left + self.width - self.right) / 2, self.height - 6, words, anchor="middle", style="name")


def text(x: float, y: float, words: str, *, anchor: str = "start", style: str = "", colour: str = "") -> str:
    """One line of text."""
    fill = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}"{fill}>{escape(words)}</text>'


def line(points: Sequence[tuple[float, float]], colour: str, *, style: str = "curve") -> str:
    """A polyline."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{path}" style="stroke:{colour}"/>'


def area(points: Sequence[tuple[float, float]], base: float, colour: str) -> str:
    """The area between a polyline and a horizontal base."""
    first, last = points[0][0], points[-1][0]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon class="area" points="{first:.1f},{base:.1f} {path} {last:.1f},{base:.1f}" style="fill:{colour}"/>'


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values that cover ``low..high`` in about ``about`` steps of 1, 2 or 5 times a power of ten."""
    raw = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]
