"""Neural document model (Miao et al., ICML 2016): a text's words are drawn from one softmax over its latent.

A text stays a sparse row on its way in. On its way out each number of the latent pushes every word up or down, so that
what lies between two latents lies between their words. With a prior on the latent it is variational (Kingma & Welling
2014); without one it is an autoencoder of texts (Hinton & Salakhutdinov 2006), and with words left out a denoising one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hashsvc.encoders.architecture import fewer_words
from hashsvc.encoders.assembly import spell_out
from hashsvc.encoders.fronts.text import Bag, TextFront
from hashsvc.encoders.generation.likelihood import divergence, sampled, word_nats
from hashsvc.encoders.generation.network import LEAKY, DecodingNetwork, stack
from hashsvc.encoders.generation.training import minimise_numbered, schedule_of
from hashsvc.encoders.networks import NETWORKS, InputLayer
from hashsvc.encoders.precision import Deciding
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.fronts import Batch
    from hashsvc.encoders.training_set import TrainingSet


LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class DocumentConfig:
    """What a document model is trained with.

    Args:
        latent: numbers in a latent.
        hidden: units of the hidden layers on the way in, widest first.
        steps: batches seen, as near as whole passes come to it.
        batch: texts of a step, at most; a quarter of the texts where there are few.
        rate: highest learning rate.
        dropped: share of a text's words hidden from the network while training; all are rebuilt.
        variational: the latent is a Gaussian, trained towards a standard normal.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (128,)
    steps: int = 1_500
    batch: int = 128
    rate: float = 5e-3
    dropped: float = 0.0
    variational: bool = False


class DocumentNetwork(DecodingNetwork):
    """Bags of terms to latents, and latents to chances of words.

    Args:
        width: columns of a bag.
        words: the first columns, which are rebuilt; the others are read only.
        hidden: see :class:`DocumentConfig`.
        latent: see there.
        variational: see there; the standard normal is then what is drawn.
        head: see :class:`DecodingNetwork`.
    """

    def __init__(
        self,
        *,
        width: int,
        words: int,
        hidden: Sequence[int],
        latent: int,
        variational: bool = False,
        head: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            latent=latent, head=head, width=width, words=words, hidden=list(hidden), variational=variational
        )
        self.variational = variational
        self.first = InputLayer(width, hidden[0])
        self.down = nn.Sequential(LEAKY(), stack([*hidden, 2 * latent if variational else latent]))
        self.up = Deciding(latent, words)
        nn.init.normal_(self.first.weight)

    def posterior(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance ``float32[n, latent]`` of texts; only of a variational network."""
        mean, log_variance = self.down(self.first(batch)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)

    def latents_of(self, batch: Batch) -> torch.Tensor:
        """See :class:`DecodingNetwork`; posterior means where there is a posterior."""
        if self.variational:
            return self.posterior(batch)[0]
        latents: torch.Tensor = self.down(self.first(batch))
        return latents

    def logits(self, latents: torch.Tensor) -> torch.Tensor:
        """Of every word, ``float32[n, words]``."""
        found: torch.Tensor = self.up(latents)
        return found

    def items(self, latents: torch.Tensor) -> torch.Tensor:
        """Chances of the words ``float32[n, words]``; a row sums to one."""
        return self.logits(latents).softmax(dim=1)

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """See :class:`DecodingNetwork`."""
        if self.variational:
            return torch.randn(count, len(self.centre), generator=generator)
        return super().drawn(count, generator)


NETWORKS["document"] = DocumentNetwork


def train_document_model(
    stage: str, training: TrainingSet, config: DocumentConfig, seed: int, progress: OnProgress
) -> DocumentNetwork:
    """The trained network; ``stage`` is what its progress is told under.

    Raises:
        InvalidArgument: no word is in enough of the texts to be rebuilt.
    """
    front = training.front
    assert isinstance(front, TextFront)
    if not front.words:
        raise InvalidArgument("the texts share no word that could be rebuilt: give more of them", field="contents")
    with training.seeded(seed):
        network = DocumentNetwork(
            width=front.width,
            words=len(front.words),
            hidden=config.hidden,
            latent=config.latent,
            variational=config.variational,
        )
        _begin(network, training)

        def terms(numbers: NDArray[np.int64]) -> dict[str, torch.Tensor]:
            batch = training.batch(numbers)
            assert isinstance(batch, Bag)
            return costs(network, batch, fewer_words(batch, config.dropped))

        schedule = schedule_of(training, config.steps, config.batch, config.rate)
        network.train()
        with training.hosting(network):
            minimise_numbered(stage, len(training), network, terms, schedule, seed=seed, progress=progress)
        network.eval()
    spell_out(training, network.first.weight.detach().numpy())
    return network


def costs(network: DocumentNetwork, texts: Bag, seen: Bag) -> dict[str, torch.Tensor]:
    """What rebuilding texts from what is ``seen`` of them costs, nats an example; one draw of each posterior."""
    if not network.variational:
        return {"rebuilt": word_nats(network.logits(network.latents_of(seen)), texts).mean()}
    mean, log_variance = network.posterior(seen)
    return {
        "rebuilt": word_nats(network.logits(sampled(mean, log_variance)), texts).mean(),
        "divergence": divergence(mean, log_variance).mean(),
    }


def _begin(network: DocumentNetwork, training: TrainingSet) -> None:
    """Let every text have the words of all texts, each with its share."""
    words = len(network.up.bias)
    known = training.terms[:, :words]
    sums = np.maximum(np.asarray(known.multiply(known).sum(axis=0)).ravel(), LEAST)
    with torch.no_grad():
        network.up.bias.copy_(torch.from_numpy(np.log(sums / sums.sum()).astype(np.float32)))
        network.up.weight.mul_(0.1)
