"""What a dedup job was asked to do: its spec as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hashsvc.dedup.order import check_keep
from hashsvc.domain.dedup import Limits, Mode, Verify
from hashsvc.errors import InvalidArgument

UNIT_ITEMS = 20_000
TARGET_PRECISION = 0.99


@dataclass(frozen=True, slots=True)
class DedupSpec:
    """What to compare, what counts as the same, and how far a run may go.

    Args:
        collection: its items are decided on.
        radius: inclusive; None to take the advised one.
        target_precision: what the advised radius must reach; with a given radius it is not looked at.
        reference: compare with this collection only, which is never touched.
        incremental: compare only items written since the last run with all that are held.
        keep: see :func:`hashsvc.dedup.order.ordered`.
        verify: the second look.
        threshold: least score of the second look; None for the default of the kind.
        source: metadata field that groups items for the counts and limits; "" for the place in the key.
        limits: beyond them the run stops before it can be applied.
        dry: decide and count, write no decision.
        rows: items of a unit.
        sample: items that the advice is taken from.
    """

    collection: str
    radius: int | None = None
    target_precision: float = TARGET_PRECISION
    reference: str = ""
    incremental: bool = False
    keep: str = "first"
    verify: Verify = Verify.CONTENT
    threshold: float | None = None
    source: str = ""
    limits: Limits = field(default_factory=Limits)
    dry: bool = False
    rows: int = UNIT_ITEMS
    sample: int = 1_000

    def __post_init__(self) -> None:
        if not self.collection:
            raise InvalidArgument("collection is not set: name the collection to dedup", field="collection")
        if self.reference and self.incremental:
            raise InvalidArgument("a run is against a reference or incremental, not both", field="incremental")
        if self.reference == self.collection:
            raise InvalidArgument("the reference must be another collection", field="reference")
        check_keep(self.keep)
        _check_range("radius", self.radius, 0, 1024)
        _check_range("target_precision", self.target_precision, 0.0, 1.0)
        _check_range("threshold", self.threshold, 0.01, 1.0)
        _check_range("rows", self.rows, 1, 10_000_000)
        _check_range("sample", self.sample, 10, 100_000)
        _check_range("limits.share", self.limits.share, 0.0, 1.0)
        _check_range("limits.cluster", self.limits.cluster, 1, 2**53)
        _check_range("limits.diameter", self.limits.diameter, 0, 2**53)
        _check_range("limits.source_items", self.limits.source_items, 1, 2**53)

    @property
    def mode(self) -> Mode:
        """What is compared with what."""
        return Mode.AGAINST if self.reference else Mode.INCREMENTAL if self.incremental else Mode.WITHIN

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> DedupSpec:
        """The spec of a job row; InvalidArgument names the field that is unknown, missing or of another type."""
        known = {one.name for one in fields(cls)}
        for name in spec:
            if name not in known:
                raise InvalidArgument(
                    f"a dedup job has no field {name!r}: it has {', '.join(sorted(known))}", field=name
                )
        read = {name: _READERS[name](name, value) for name, value in spec.items() if value is not None}
        return cls(**{"collection": "", **read})

    def as_json(self) -> dict[str, Any]:
        """The spec as a job row holds it: what differs from the default."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        plain["limits"] = {one.name: getattr(self.limits, one.name) for one in fields(Limits)}
        default = DedupSpec(self.collection)
        kept = {name: value for name, value in plain.items() if name == "collection" or value != getattr(default, name)}
        if self.limits == default.limits:
            del kept["limits"]
        return {name: str(value) if name == "verify" else value for name, value in kept.items()}

    def at(self, radius: int) -> DedupSpec:
        """The same with a radius."""
        return replace(self, radius=radius)


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"{name} must be {low} to {high}, not {value}", field=name)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be a string, not {value!r}", field=name)
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be true or false, not {value!r}", field=name)
    return value


def _whole(name: str, value: Any) -> int:
    """JSON carried by protobuf knows only floats."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise InvalidArgument(f"{name} must be an integer, not {value!r}", field=name)
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgument(f"{name} must be a number, not {value!r}", field=name)
    return float(value)


def _verify(name: str, value: Any) -> Verify:
    try:
        return Verify(_text(name, value))
    except ValueError:
        raise InvalidArgument(f"verify is content or none, not {value!r}", field=name) from None


def _limits(name: str, value: Any) -> Limits:
    readers = {"share": _number, "cluster": _whole, "diameter": _whole, "source_items": _whole}
    if not isinstance(value, Mapping) or set(value) - set(readers):
        raise InvalidArgument(f"limits is an object of {', '.join(readers)}", field=name)
    given: dict[str, Any] = {
        part: readers[part](f"limits.{part}", held) for part, held in value.items() if held is not None
    }
    return Limits(**given)


_READERS: dict[str, Any] = {
    "collection": _text,
    "radius": _whole,
    "target_precision": _number,
    "reference": _text,
    "incremental": _flag,
    "keep": _text,
    "verify": _verify,
    "threshold": _number,
    "source": _text,
    "limits": _limits,
    "dry": _flag,
    "rows": _whole,
    "sample": _whole,
}
