"""``hashsvc verify``: whether a store is as its laws say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store
from hashsvc.cli.screen import facts, progress, show, table
from hashsvc.errors import Corrupt

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.app.verifying import Verified


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("verify")(verify)


def verify(*, store: options.Store = None, json: options.Json = False) -> None:
    """Check the store against its checksums and laws: encoders, items with their bytes and codes, indexes, snapshots.

    Prints a digest of each collection: two stores with the same items have the same.

    Sets damaged snapshots aside and changes nothing else. Exit status 2 when something is not as it should be.
    """
    from hashsvc.app.verifying import verify as check

    with local_store(store, role="worker") as held, progress("verify") as advance:
        found = check(held, on_checked=lambda done, total: advance(done, total, "items"))
    show(found, *_findings(found), json=json)
    if found.findings:
        first = found.findings[0]
        raise Corrupt(
            f"findings: {len(found.findings):,}; the first: {first.where}: {first.what}; restore it from a backup"
        )


def _findings(found: Verified) -> list[Table]:
    counted = [
        ("encoders", found.encoders),
        ("items", found.items),
        ("contents", found.contents),
        ("codes computed again", found.codes),
        ("snapshots", found.snapshots),
        ("findings", len(found.findings)),
    ]
    listed = table(("where", "what"), [(finding.where, finding.what) for finding in found.findings])
    digests = table(("collection", "digest"), sorted(found.digests.items()))
    return [facts(counted), digests, *([listed] if found.findings else [])]
