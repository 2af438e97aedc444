"""Names of the devices that numbers are computed on, read without torch."""

from __future__ import annotations

import re

# torch keeps an index in one byte: a larger number would come round to another device, or to one below zero.
NAME = re.compile(r"cpu(?::\d)?|cuda(?::(0|[1-9]\d*))?")


def is_device(name: str, cuda: int) -> bool:
    """Whether a machine with so many CUDA devices has one called ``name``: "cpu", "cuda" or "cuda:N"."""
    found = NAME.fullmatch(name)
    return found is not None and (name.startswith("cpu") or int(found[1] or 0) < cuda)
