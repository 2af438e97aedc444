"""The 2-D picture of codes: one dot a code, coloured and named by group; pointing at a name shows its group alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.report.svg import Frame, text

if TYPE_CHECKING:
    from hashsvc.domain.quality import Plane
    from hashsvc.report.svg import Scale

GOLDEN_ANGLE = 137.508
LETTER_WIDTH, LINE_HEIGHT = 8.2, 16


def group_colour(group: int, groups: int) -> str:
    """Hues evenly apart for few groups, by the golden angle for many."""
    hue = 255 + (group * 360 / groups if groups <= 12 else group * GOLDEN_ANGLE)
    return f"oklch(var(--dot-light) var(--dot-chroma) {hue % 360:.0f})"


def picture(plane: Plane) -> str:
    """The scatter with the name of each group at its middle, and a legend."""
    frame = Frame(760, 560, left=12, right=12, top=12, bottom=12)
    low, high = plane.points.min(axis=0), plane.points.max(axis=0)
    x, y = frame.x(low[0], high[0]), frame.y(low[1], high[1])
    groups = len(plane.names)
    dots = "".join(
        f'<circle class="g{group}" cx="{x(px):.1f}" cy="{y(py):.1f}" r="3"/>'
        for (px, py), group in zip(plane.points.tolist(), plane.groups.tolist(), strict=True)
    )
    drawing = frame.drawing(
        [f'<g class="dots">{dots}</g>', _names(plane, x, y)], f"codes in two dimensions by {plane.by}"
    )
    return f'<style>{_style(groups)}</style><div class="plane">{drawing}{_legend(plane)}</div>'


def _names(plane: Plane, x: Scale, y: Scale) -> str:
    """The name of each group at its middle, the largest first; one that would cover another stays in the legend."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    sizes = np.bincount(plane.groups, minlength=len(plane.names))
    for group in np.argsort(-sizes, kind="stable").tolist():
        if not sizes[group]:
            continue
        own = plane.points[plane.groups == group]
        centre = own[np.argmin(((own - np.median(own, axis=0)) ** 2).sum(axis=1))]
        place = (x(float(centre[0])), y(float(centre[1])), len(plane.names[group]) * LETTER_WIDTH / 2)
        if all(
            abs(place[1] - other[1]) > LINE_HEIGHT or abs(place[0] - other[0]) > place[2] + other[2] for other in taken
        ):
            taken.append(place)
            style = f"halo n{group}"
            parts.append(text(place[0], place[1] + 4, plane.names[group], anchor="middle", style=style))
    return "".join(parts)


def _style(groups: int) -> str:
    rules = []
    for group in range(groups):
        colour = group_colour(group, groups)
        rules.append(f".g{group}{{fill:{colour}}}.k{group} i{{background:{colour}}}")
        rules.append(f".plane:has(.k{group}:hover) circle:not(.g{group}){{opacity:.06}}")
        rules.append(f".plane:has(.k{group}:hover) .halo:not(.n{group}){{opacity:.1}}")
    return "".join(rules)


def _legend(plane: Plane) -> str:
    sizes = np.bincount(plane.groups, minlength=len(plane.names))
    keys = "".join(
        f'<li class="k{group}"><i></i>{escape(name)} <small>{sizes[group]}</small></li>'
        for group, name in enumerate(plane.names)
    )
    return f'<ul class="legend">{keys}</ul>'
