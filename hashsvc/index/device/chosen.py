"""The device that was asked for, if this machine has it."""

from __future__ import annotations

import torch

from hashsvc.domain.devices import is_device
from hashsvc.errors import InvalidArgument


def device_of(name: str) -> torch.device:
    """The torch device called "cpu", "cuda" or "cuda:N".

    Raises:
        InvalidArgument: no such device here.
    """
    count = torch.cuda.device_count()
    if is_device(name, count):
        return torch.device(name)
    raise InvalidArgument(
        f"no device {name!r} here to search on: set HASHSVC_DEVICE to cpu, or to one of {count} CUDA devices as cuda:N",
        field="device",
    )
