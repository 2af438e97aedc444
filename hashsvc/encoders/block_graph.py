"""What :mod:`hashsvc.encoders.graph` finds, by dense products of blocks: quick where a GPU multiplies, slow elsewhere.

Shared neighbours are counted exactly, so the same candidates give the same graph. Nearest rows are those that FAISS
finds but for the rounding of float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.graph import HUB, Graph, without_self

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 4_096
EXACT_HALF = 2_048  # whole numbers up to here are float16 numbers


def nearest_in_blocks(values: NDArray[np.float32], k: int, device: torch.device) -> NDArray[np.int64]:
    """See :func:`hashsvc.encoders.graph.nearest`; computed on ``device``."""
    k = min(k, len(values) - 1)
    rows = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    lengths = rows.square().sum(dim=1)
    found = [
        (lengths - 2 * part @ rows.T).topk(k + 1, dim=1, largest=False).indices for part in torch.split(rows, BLOCK)
    ]
    return without_self(torch.cat(found).cpu().numpy(), k)


def shared_in_blocks(candidates: NDArray[np.int64], k: int, device: torch.device) -> Graph:
    """See :func:`hashsvc.encoders.graph.shared`; computed on ``device``, the same graph bit for bit."""
    count = len(candidates)
    own = torch.arange(count).to(device)
    lists = torch.cat([torch.from_numpy(candidates).to(device), own[:, None]], dim=1)
    halved = device.type == "cuda" and lists.shape[1] ** 2 <= EXACT_HALF
    dtype = torch.float16 if halved else torch.float32
    known = _told(lists, count)
    parts = torch.split(own, BLOCK)

    def spread(part: torch.Tensor) -> torch.Tensor:
        held = torch.zeros((len(part), count), dtype=dtype, device=device)
        return held.scatter_add_(1, lists[part], known[lists[part]].to(dtype))

    found = []
    for part in parts:
        mine = spread(part)
        counted = torch.cat([mine @ spread(other).T for other in parts], dim=1).long()
        counted.scatter_(1, part[:, None], 0)
        best = (counted * count + (count - 1 - own)).topk(min(k, count), dim=1).values
        columns = torch.where(best >= count, count - 1 - best % count, part[:, None])
        found.append(columns.cpu())
    kept = torch.cat(found).numpy()
    lacking = np.repeat(np.arange(count)[:, None], k - kept.shape[1], axis=1)
    return Graph(np.concatenate([kept, lacking], axis=1))


def _told(lists: torch.Tensor, count: int) -> torch.Tensor:
    """``float32[n]``: 1 for an item that says something, 0 for one in more than ``HUB`` lists."""
    ordered = lists.sort(dim=1).values
    fresh = torch.ones_like(ordered, dtype=torch.bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    times = torch.bincount(ordered[fresh], minlength=count)
    return (times <= HUB).float()
