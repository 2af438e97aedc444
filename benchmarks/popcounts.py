"""Population counts of 32 bits a second on a CUDA device: the ceiling of comparing codes without matrix products.

Needs Triton, which comes with torch's CUDA builds; :mod:`devicescan` runs it.
"""

# Triton compiles the function below: its arguments are pointers and numbers, which have no types here.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, misc"
from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

ROUNDS = 64
BLOCK = 1_024


@triton.jit
def count(numbers, sums, BLOCK: tl.constexpr, ROUNDS: tl.constexpr):  # noqa: N803
    """The set bits of each number changed in so many ways."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    number = tl.load(numbers + at)
    total = tl.zeros([BLOCK], tl.int32)
    for turn in tl.static_range(ROUNDS):
        total += libdevice.popc(number ^ (turn * 40503 + 1))
    tl.store(sums + at, total)


def counted(numbers: torch.Tensor, sums: torch.Tensor) -> int:
    """Begin counting ``int32[n]``, n a multiple of 1,024, on its device; how many counts that are."""
    count[(len(numbers) // BLOCK,)](numbers, sums, BLOCK=BLOCK, ROUNDS=ROUNDS)
    return len(numbers) * ROUNDS
