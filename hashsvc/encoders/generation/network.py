"""A network that also leads back: items -> latents -> items, and the head that cuts latents into features of a code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hashsvc.encoders.generation.likelihood import number_nats, pixel_nats
from hashsvc.encoders.networks import NETWORKS, LinearNetwork, Network
from hashsvc.encoders.precision import Deciding

if TYPE_CHECKING:
    from hashsvc.encoders.fronts import Batch

LEAKY = partial(nn.LeakyReLU, 0.1)


class DecodingNetwork(Network):
    """Batches to latents ``[n, latent]`` and back; features are ``head(latent)``, once a head is set.

    Until then features are the latents themselves.

    Args:
        latent: numbers in a latent.
        head: configuration of the head, None before it is fitted.
        config: what else the class is built again with.
    """

    def __init__(self, *, latent: int, head: Mapping[str, Any] | None = None, **config: Any) -> None:
        super().__init__(latent=latent, head=head, **config)
        self.centre: torch.Tensor
        self.spread: torch.Tensor
        self.register_buffer("centre", torch.zeros(latent))
        self.register_buffer("spread", torch.eye(latent))
        self.head: LinearNetwork | None = LinearNetwork(**head) if head else None

    def latents_of(self, batch: Batch) -> torch.Tensor:
        """Latents ``float32[n, latent]`` of a batch; nothing is sampled."""
        raise NotImplementedError

    def items(self, latents: torch.Tensor) -> torch.Tensor:
        """Items as a person knows them, from latents ``float32[n, latent]``."""
        raise NotImplementedError

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Latents ``float32[count, latent]`` as they come.

        By default from a Gaussian with the mean and the covariance of the training latents.
        """
        return self.centre + torch.randn(count, len(self.centre), generator=generator) @ self.spread

    def forward(self, batch: Batch) -> torch.Tensor:
        """Features ``float32[n, d]``."""
        latents = self.latents_of(batch)
        return latents if self.head is None else self.head(latents)

    def cut(self, head: LinearNetwork) -> None:
        """Let features be ``head(latent)`` from now on."""
        self.head = head
        self.config["head"] = head.config

    def remember(self, latents: torch.Tensor) -> None:
        """Keep the mean and the spread of training latents, for :meth:`drawn`."""
        self.centre = latents.mean(dim=0)
        centred = latents - self.centre
        variances, directions = torch.linalg.eigh((centred.T @ centred / max(len(latents) - 1, 1)).double())
        self.spread = (variances.clamp_min(0).sqrt()[:, None] * directions.T).float()


class LatentNetwork(DecodingNetwork):
    """Dense items ``[n, *shape]`` to latents and back.

    ``shape`` is that of one item in a batch: (channels, rows, columns) of pixels in [0, 1], or (d,) numbers, which are
    scaled to unit spread inside.

    Args:
        shape: of one item.
        latent: numbers in a latent.
        head: see :class:`DecodingNetwork`.
        config: what else the class is built again with.
    """

    def __init__(
        self, *, shape: Sequence[int], latent: int, head: Mapping[str, Any] | None = None, **config: Any
    ) -> None:
        super().__init__(shape=list(shape), latent=latent, head=head, **config)
        self.shape = tuple(shape)
        self.width = math.prod(shape)
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(()))

    @property
    def pixels(self) -> bool:
        """Whether items are pictures, and so rebuilt as chances."""
        return len(self.shape) == 3

    def scaled(self, batch: Batch) -> torch.Tensor:
        """Items as rows ``float32[n, width]``: pixels as they are, numbers around zero with unit spread."""
        assert isinstance(batch, torch.Tensor)
        rows = batch.flatten(1)
        return rows if self.pixels else (rows - self.mean) / self.scale

    def latents_of(self, batch: Batch) -> torch.Tensor:
        """See :class:`DecodingNetwork`."""
        return self.latents(self.scaled(batch))

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        """Latents ``float32[n, latent]`` of scaled rows; nothing is sampled."""
        raise NotImplementedError

    def rebuilt(self, latents: torch.Tensor) -> torch.Tensor:
        """What leads back to scaled rows: logits of pixels, means of numbers, ``float32[n, width]``."""
        raise NotImplementedError

    def means(self, values: torch.Tensor) -> torch.Tensor:
        """What is :meth:`rebuilt`, as scaled rows: chances of pixels, means of numbers."""
        return torch.sigmoid(values) if self.pixels else values

    def nats(self, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Negative log likelihood ``float32[n]`` of scaled rows under what is :meth:`rebuilt`."""
        return (pixel_nats if self.pixels else number_nats)(values, rows)

    def items(self, latents: torch.Tensor) -> torch.Tensor:
        """Items ``float32[n, *shape]`` as a person knows them."""
        values = self.means(self.rebuilt(latents))
        return (values if self.pixels else values * self.scale + self.mean).reshape(-1, *self.shape)


def stack(sizes: Sequence[int], *, unit: Callable[[], nn.Module] = LEAKY) -> nn.Sequential:
    """Linear layers with a ``unit`` between each two of them; the last is float32 everywhere."""
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes[:-1]):
        layers += [nn.Linear(size, following), unit()]
    return nn.Sequential(*layers, Deciding(sizes[-2], sizes[-1]))


class MirrorNetwork(LatentNetwork):
    """Linear layers down to the latent and the same back up.

    Args:
        shape: of one item.
        hidden: units of the hidden layers, widest first; none makes a linear autoencoder.
        latent: numbers in a latent.
        normal: the latent is trained towards a standard normal, which is then what is drawn.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        hidden: Sequence[int],
        latent: int,
        normal: bool = False,
        head: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(shape=shape, latent=latent, head=head, hidden=list(hidden), normal=normal)
        self.normal = normal
        self.down = stack([self.width, *hidden, latent])
        self.up = stack([latent, *reversed(hidden), self.width])

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        found: torch.Tensor = self.down(rows)
        return found

    def rebuilt(self, latents: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        values: torch.Tensor = self.up(latents)
        return values

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        if self.normal:
            return torch.randn(count, len(self.centre), generator=generator)
        return super().drawn(count, generator)


NETWORKS["mirror"] = MirrorNetwork
