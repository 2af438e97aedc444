"""The device that was asked for, if this machine has it."""

from __future__ import annotations

import torch

from hashsvc.errors import InvalidArgument


def device_of(name: str) -> torch.device:
    """The torch device called "cpu", "cuda" or "cuda:N".

    Raises:
        InvalidArgument: no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    count = torch.cuda.device_count()
    if device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < count):
        return device
    raise InvalidArgument(
        f"no device {name!r} here to search on: set HASHSVC_DEVICE to cpu, or to one of {count} CUDA devices as cuda:N",
        field="device",
    )
