"""What a store refuses before it does anything: counts over a limit, malformed queries, fields and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.filters import Node, check_filter
from hashsvc.domain.metadata import check_field_name
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hashsvc.domain.kinds import FieldType
    from hashsvc.domain.queries import Rerank
    from hashsvc.settings import Limits


def check_count(count: int, field: str, most: int) -> None:
    """Refuse none at all and more than a limit."""
    if not 1 <= count <= most:
        raise InvalidArgument(f"{field} must be 1 to {most}, not {count}", field=field)


def check_radius(radius: int | None, bits: int) -> None:
    """Refuse a radius of novelty that no two codes can have."""
    if radius is not None and not 0 <= radius <= bits:
        raise InvalidArgument(f"radius must be 0 to {bits}, not {radius}", field="novelty.radius")


def checked(filter: Node | None) -> Node | None:
    """A filter that is well formed, or none."""
    return None if filter is None else check_filter(filter)


def check_fields(fields: Mapping[str, FieldType] | None) -> None:
    """Refuse illegal names of metadata fields."""
    for name in fields or ():
        check_field_name(name, "fields")


def check_query(query: object, where: str) -> None:
    """Refuse what is no query: in process nobody translated it."""
    if not isinstance(query, ContentQuery | CodeQuery | KeyQuery):
        raise InvalidArgument(
            f"a query is a ContentQuery, CodeQuery or KeyQuery, not {type(query).__name__}", field=where
        )
    if isinstance(query, ContentQuery) and not isinstance(query.content, bytes):
        raise InvalidArgument(f"content is bytes, not {type(query.content).__name__}", field=f"{where}.content")


def check_search(queries: Sequence[object], k: int, rerank: Rerank | None, effort: int, limits: Limits) -> None:
    """Refuse a search of which any part is over a limit or malformed."""
    check_count(k, "k", limits.max_k)
    check_count(len(queries), "queries", limits.max_queries)
    for position, query in enumerate(queries):
        check_query(query, f"queries[{position}]")
    if rerank is not None:
        _check_candidates(k, rerank, limits.max_k)
    _check_matches(k, len(queries), rerank, limits.max_matches)
    if effort:
        check_count(effort, "effort", limits.max_k)


def _check_candidates(k: int, rerank: Rerank, most: int) -> None:
    """Refuse a short list that is shorter than the answer, or longer than one query may have."""
    if rerank.oversampling < 1:
        raise InvalidArgument(
            f"oversampling must be at least 1, not {rerank.oversampling}", field="rerank.oversampling"
        )
    if k * rerank.oversampling > most:
        raise InvalidArgument(
            f"{k} x {rerank.oversampling} candidates are more than the {most} that one query may have",
            field="rerank.oversampling",
        )


def _check_matches(k: int, queries: int, rerank: Rerank | None, most: int) -> None:
    """Refuse a search whose queries together would hold more matches, or candidates of them, than one search may."""
    held = k * queries * (rerank.oversampling if rerank is not None else 1)
    if held > most:
        factors = f"{queries} queries x {k}" + (f" x {rerank.oversampling}" if rerank is not None else "")
        raise InvalidArgument(
            f"{factors} are {held} matches, one search holds at most {most}: ask fewer queries at once, or a smaller k",
            field="queries",
        )
