"""The one training loop: shuffled batches, Adam with a warm-up and a cosine decay, and a stop at the first bad loss.

It trains where the parameters lie. On a GPU matrix products are taken in bfloat16 wherever nothing opts out (see
:mod:`hashsvc.encoders.precision`); parameters, gradients and losses are float32 everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.contract import OnProgress, Progress
from hashsvc.encoders.precision import mixed
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.checkpoints import Checkpoint

WARM_UP = 0.05
LOOK = 50  # steps between two looks at the losses where looking means waiting for a device


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Args:
        epochs: passes over the items.
        batch: items in a step; fewer where there are fewer.
        rate: highest learning rate.
        decay: weight decay.
        momentum: share of the last direction that the next keeps; players of a game want little.
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 0.0
    momentum: float = 0.9


def train(
    stage: str,
    items: int,
    parameters: Iterable[torch.nn.Parameter],
    loss_of: Callable[[NDArray[np.int64]], torch.Tensor],
    schedule: Schedule,
    *,
    seed: int,
    progress: OnProgress,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Minimise ``loss_of(rows)`` over batches of ``rows`` (``int64[batch]``) of ``items`` items.

    Random numbers inside ``loss_of`` come from torch's global generators, which the caller seeds, or from the
    checkpoint's. With a ``checkpoint`` the state is kept between passes, and passes that it has behind it are not
    repeated: the outcome is the same. If that is all of them, the last is told once more.

    Raises:
        FailedPrecondition: the loss is not finite, or what was learned is not after a pass; the message names the step.
            On a GPU further steps of the same pass may be taken before that is seen.
    """
    learned = list(parameters)
    device = learned[0].device
    optimiser = torch.optim.AdamW(
        learned,
        lr=schedule.rate,
        betas=(schedule.momentum, 0.999),
        weight_decay=schedule.decay,
        fused=True,
    )
    batch = min(schedule.batch, items)
    steps = max(1, items // batch)
    total = steps * schedule.epochs
    passed = checkpoint.restore(optimiser) if checkpoint else 0
    if passed == schedule.epochs:
        progress(Progress(stage, passed, schedule.epochs))
    for group in optimiser.param_groups:
        group["lr"] = schedule.rate
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step + passed * steps, total))
    rng = np.random.default_rng(seed)
    for epoch in range(schedule.epochs):
        order = rng.permutation(items)
        if epoch < passed:
            continue
        last, unseen = 0.0, list[torch.Tensor]()
        for step in range(steps):
            optimiser.zero_grad(set_to_none=True)
            with mixed(device):
                loss = loss_of(order[step * batch : (step + 1) * batch])
            unseen.append(loss.detach())
            if device.type == "cpu" or len(unseen) == LOOK or step + 1 == steps:
                last = _seen(unseen, stage, epoch * steps + step + 1, total, checkpoint)
                unseen.clear()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            decay.step()
        if not all(bool(torch.isfinite(one).all()) for one in learned):
            raise _diverged(stage, (epoch + 1) * steps, total, "a weight is not finite", checkpoint)
        progress(Progress(stage, epoch + 1, schedule.epochs, last))
        if checkpoint:
            checkpoint.keep(epoch + 1, optimiser, last=epoch + 1 == schedule.epochs)


def _seen(losses: list[torch.Tensor], stage: str, step: int, total: int, checkpoint: Checkpoint | None) -> float:
    """The last of the losses of the steps up to ``step``, all of which are finite."""
    found: list[float] = torch.stack(losses).cpu().tolist()
    for number, loss in enumerate(found, step + 1 - len(found)):
        if not math.isfinite(loss):
            raise _diverged(stage, number, total, f"the loss is {loss}", checkpoint)
    return found[-1]


def _diverged(stage: str, step: int, total: int, why: str, checkpoint: Checkpoint | None) -> FailedPrecondition:
    kept = f"; the last good state is kept in {checkpoint.path}" if checkpoint and checkpoint.path.exists() else ""
    return FailedPrecondition(
        f"training of {stage} stopped at step {step} of {total}: {why}; "
        f"look for extreme values in the items, or try another seed{kept}",
        reason="TRAINING_DIVERGED",
    )


def _rate(step: int, total: int) -> float:
    warm = max(1.0, WARM_UP * total)
    if step < warm:
        return (step + 1) / warm
    return max(0.01, 0.5 * (1 + math.cos(math.pi * (step - warm) / max(total - warm, 1))))
