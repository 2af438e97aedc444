"""Networks: batches -> float features. Each is rebuilt from its ``config``; all are deterministic in eval mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.fronts import Batch
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.precision import Deciding, whole
from hashsvc.encoders.views import VIEWS, outline_width


class Network(nn.Module):
    """A network that knows how to be built again: ``type(self)(**self.config)`` has the same shape."""

    halves = False
    """Whether a GPU may take its products in bfloat16 but for the layer that decides bits."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.config = config

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Features ``float32[n, d]`` of a batch."""
        features: torch.Tensor = super().__call__(batch)
        return features


class InputLayer(nn.Module):
    """First layer over any batch: ``[n, width] -> [n, out]``; a text stays sparse all the way into it.

    ``weight`` is ``float32[width, out]``, ``bias`` ``float32[out]``.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, out) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        if isinstance(batch, Bag):
            summed = functional.embedding_bag(
                batch.columns,
                self.weight,
                batch.offsets,
                mode="sum",
                per_sample_weights=batch.weights,
                include_last_offset=True,
            )
            return summed + self.bias
        return batch.flatten(1) @ self.weight + self.bias


class LinearNetwork(Network):
    """``[unit length of] (x W + b)``, then a rotation: every linear floor is one of these.

    Args:
        width: numbers in an item.
        inner: directions kept first (components of PCA, LSA; random ones).
        out: features.
        unit: scale the inner row to length one.
    """

    def __init__(self, width: int, inner: int, out: int, *, unit: bool = False) -> None:
        super().__init__(width=width, inner=inner, out=out, unit=unit)
        self.unit = unit
        self.first = InputLayer(width, inner)
        self.second = nn.Linear(inner, out)

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        inner = self.first(batch)
        if self.unit:
            inner = functional.normalize(inner)
        rotated: torch.Tensor = self.second(inner)
        return rotated


class PaddedNetwork(Network):
    """A dense row as it is, with zeros behind it: ``[n, width] -> [n, out]``."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(width=width, out=out)
        self.missing = out - width

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        assert isinstance(batch, torch.Tensor)
        return functional.pad(batch.flatten(1), (0, self.missing))


class SparseLinear(Network):
    """One layer over terms and a normalisation without a scale: the whole encoder of a text autoencoder."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(width=width, out=out)
        self.first = InputLayer(width, out)
        self.balance = nn.BatchNorm1d(out, affine=False)

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        balanced: torch.Tensor = self.balance(self.first(batch))
        return balanced


class Perceptron(Network):
    """Two hidden layers over a dense row.

    Args:
        width: numbers in an item.
        hidden: units of a hidden layer.
        out: features.
    """

    halves = True

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(width=width, hidden=hidden, out=out)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            Deciding(hidden, out),
        )
        self.balance = nn.BatchNorm1d(out, affine=False)

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        balanced: torch.Tensor = self.balance(self.layers(batch))
        return balanced


class PictureNetwork(Network):
    """Two fixed views of a picture in their strongest directions, and a perceptron over both.

    Args:
        shape: channels, rows and columns of a picture.
        directions: kept of each view, outlines first.
        hidden: units of a hidden layer.
        out: features.
    """

    halves = True

    def __init__(self, shape: Sequence[int], directions: Sequence[int], hidden: int, out: int) -> None:
        super().__init__(shape=list(shape), directions=list(directions), hidden=hidden, out=out)
        channels, rows, columns = shape
        widths = (outline_width(rows, columns), channels * rows * columns)
        self.reductions = nn.ModuleList(nn.Linear(w, d) for w, d in zip(widths, directions, strict=True))
        self.reductions.requires_grad_(requires_grad=False)
        self.trunk = Perceptron(sum(directions), hidden, out)

    def reduce(self, batch: Batch) -> torch.Tensor:
        """What the perceptron sees of a picture: ``float32[n, directions]``, never halved."""
        assert isinstance(batch, torch.Tensor)
        with whole(batch.device):
            return torch.cat([part(view(batch)) for view, part in zip(VIEWS, self.reductions, strict=True)], dim=1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """``float32[n, out]``."""
        return self.trunk(self.reduce(batch))


NETWORKS: dict[str, type[Network]] = {
    "linear": LinearNetwork,
    "padded": PaddedNetwork,
    "sparse_linear": SparseLinear,
    "perceptron": Perceptron,
    "pictures": PictureNetwork,
}


def network_name(network: Network) -> str:
    """The name a network's class is registered under."""
    return next(name for name, kind in NETWORKS.items() if type(network) is kind)


def build_network(name: str, config: Mapping[str, Any]) -> Network:
    """A network of the registered class; its weights are still to be loaded."""
    return NETWORKS[name](**config)
