"""The short form of ``make crash``: a few kills, and one broken server that has to be noticed."""

from __future__ import annotations

import pytest

from tests.crash.harness import attack, catches
from tests.long import rounds
from tests.postgresql import ABSENT, binaries

KILLS = rounds(3, 50)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_killed_servers_keep_their_word(database: str) -> None:
    if database == "postgresql" and binaries() is None:
        pytest.skip(ABSENT)
    report = attack(database, KILLS if database == "sqlite" else rounds(2, 50))
    assert report["index_equals_sql"]
    assert {name: report[name] for name in ("acknowledged_lost", "resurrected", "duplicated", "torn", "unseen")} == {
        "acknowledged_lost": 0,
        "resurrected": 0,
        "duplicated": 0,
        "torn": 0,
        "unseen": 0,
    }
    assert report["wrong_answers"] == report["refused"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_answers_too_early_is_noticed() -> None:
    assert catches("sqlite", "acknowledge-before-commit")
