"""Every method at every length, each way of ranking in its own columns."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hashsvc.domain.quality import Column, Evaluation, Scores
from hashsvc.report.charts import methods
from hashsvc.report.svg import series_colour

if TYPE_CHECKING:
    from collections.abc import Callable

    Value = Callable[[Scores], float | None]

NONE = "–"


def scores_table(evaluation: Evaluation) -> str:
    """The table; the best value of a column among codes of the evaluated length is bold."""
    columns = _columns(evaluation)
    if not columns:
        return ""
    rows = list(dict.fromkeys((row.method, row.bits) for row in evaluation.ranked))
    rows.sort(key=lambda row: (row[1] == 0, row[1] != evaluation.bits, row[0] != evaluation.method, row[1]))
    best = [_best(evaluation, column, value) for column, _, value in columns]
    body = "".join(_row(evaluation, method, bits, columns, best) for method, bits in rows)
    return f'<div class="scroll"><table>{_head(columns)}<tbody>{body}</tbody></table></div>'


def _columns(evaluation: Evaluation) -> list[tuple[Column, str, Value]]:
    measures: list[tuple[str, Value]] = [
        (f"P@{evaluation.k}", lambda scores: scores.precision),
        ("mAP", lambda scores: scores.mean_average_precision),
        ("recall", lambda scores: scores.recall),
    ]
    used = []
    for column in (Column.SYMMETRIC, Column.TABLE, Column.ASYMMETRIC, Column.RERANKED):
        own = [row.scores for row in evaluation.ranked if _shown_as(row.column) is column]
        used += [(column, name, value) for name, value in measures if any(value(scores) is not None for scores in own)]
    return used


def _shown_as(column: Column) -> Column:
    """Float features have one way of ranking; it stands in the first columns."""
    return Column.SYMMETRIC if column is Column.FLOAT else column


def _value(evaluation: Evaluation, method: str, bits: int, column: Column, value: Value) -> float | None:
    source = Column.FLOAT if not bits and column is Column.SYMMETRIC else column
    scores = evaluation.score(method, bits, source)
    return None if scores is None else value(scores)


def _best(evaluation: Evaluation, column: Column, value: Value) -> float | None:
    own = [value(row.scores) for row in evaluation.ranked if row.column is column and row.bits == evaluation.bits]
    return max((number for number in own if number is not None), default=None)


def _head(columns: list[tuple[Column, str, Value]]) -> str:
    groups = list(dict.fromkeys(column for column, _, _ in columns))
    over = "".join(
        f'<th colspan="{sum(column is group for column, _, _ in columns)}" class="group">{group}</th>'
        for group in groups
    )
    under = "".join(
        f'<th class="number{" first" if _starts(columns, place) else ""}">{name}</th>'
        for place, (_, name, _) in enumerate(columns)
    )
    return (
        f'<thead><tr><th rowspan="2">method</th><th rowspan="2" class="number">bits</th>{over}</tr>'
        f"<tr>{under}</tr></thead>"
    )


def _starts(columns: list[tuple[Column, str, Value]], place: int) -> bool:
    return place == 0 or columns[place][0] is not columns[place - 1][0]


def _row(
    evaluation: Evaluation,
    method: str,
    bits: int,
    columns: list[tuple[Column, str, Value]],
    best: list[float | None],
) -> str:
    cells = []
    for place, (column, _, value) in enumerate(columns):
        number = _value(evaluation, method, bits, column, value)
        words = NONE if number is None else f"{number:.3f}"
        if bits == evaluation.bits and number is not None and number == best[place]:
            words = f"<b>{words}</b>"
        cells.append(f'<td class="number{" first" if _starts(columns, place) else ""}">{words}</td>')
    style = "own" if (method, bits) == (evaluation.method, evaluation.bits) else "float" if not bits else ""
    names = methods(evaluation)
    colour = series_colour(names.index(method)) if method in names else "var(--quiet)"
    swatch = f'<i style="background:{colour}"></i>'
    return (
        f'<tr class="{style}"><td>{swatch}{escape(method)}</td>'
        f'<td class="number">{bits or "float"}</td>{"".join(cells)}</tr>'
    )
