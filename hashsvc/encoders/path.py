"""The path that computes codes here: what a collection records, so that its codes can be recomputed bit for bit."""

from __future__ import annotations

import platform

import torch


def encoding_path() -> str:
    """Device, dtype, torch version and instruction set, as in ``cpu float32 torch-2.13.0 x86_64 AVX512``."""
    version = torch.__version__.partition("+")[0]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"cpu float32 torch-{version} {platform.machine()} {capability}"
