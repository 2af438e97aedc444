"""The role in which a process opened a store, and what each role is refused."""

from __future__ import annotations

from typing import Literal

from hashsvc.errors import FailedPrecondition

Role = Literal["owner", "worker", "replica"]


def check_owner(role: Role) -> None:
    """Refuse everybody but the owner."""
    check_writer(role)
    check_index(role)


def check_index(role: Role) -> None:
    """Refuse who holds no index."""
    if role == "worker":
        raise FailedPrecondition("a worker holds no index: search through the owner of the store")


def check_writer(role: Role) -> None:
    """Refuse who only reads."""
    if role == "replica":
        raise FailedPrecondition(
            "a replica only reads: write through the owner of the store, or through a job", reason="READ_ONLY"
        )
