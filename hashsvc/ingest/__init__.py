"""Ingest: from sources to stored rows, as a job of units that can be run again and by anyone."""

from hashsvc.ingest.plan import Preview, plan, plan_again, plan_units, preview
from hashsvc.ingest.prepare import Prepared, decode_all, decode_each, prepare
from hashsvc.ingest.spec import IngestSpec
from hashsvc.ingest.unit import Bench, run_unit

__all__ = [
    "Bench",
    "IngestSpec",
    "Prepared",
    "Preview",
    "decode_all",
    "decode_each",
    "plan",
    "plan_again",
    "plan_units",
    "prepare",
    "preview",
    "run_unit",
]
