"""Checkpoints of a training: what the loop needs to go on where it stood, in files without pickle.

They hold host tensors, so a training goes on on any device. On the kind of device that wrote it the outcome is that of
an unbroken one; elsewhere its random numbers are others.

They are kept only inside :func:`checkpoints_in`; a training that ends takes its own away with the folder.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

if TYPE_CHECKING:
    from torch import nn

SECONDS_BETWEEN = 5.0
_folder: ContextVar[Path | None] = ContextVar("checkpoints", default=None)


@contextmanager
def checkpoints_in(folder: Path) -> Iterator[None]:
    """Trainings inside keep their last good state in ``folder``, and go on from what they find there."""
    token = _folder.set(Path(folder))
    try:
        yield
    finally:
        _folder.reset(token)


class Checkpoint:
    """The state of one training.

    Args:
        path: its file.
        modules: everything that is trained, with its buffers.
        every: seconds between two writes; the first is made at once.
        rng: what is drawn from while training, beside torch's global generators.

    Attributes:
        terms: of the loss, as last told; they are kept too, so that a stage that is done can tell them again.
    """

    def __init__(self, path: Path, modules: nn.Module, *, every: float, rng: np.random.Generator | None = None) -> None:
        self.path = path
        self.modules = modules
        self.every = every
        self.rng = rng
        self.terms: dict[str, float] = {}
        self._written = -math.inf

    @classmethod
    def of(
        cls, stage: str, items: int, modules: nn.Module, rng: np.random.Generator | None = None
    ) -> Checkpoint | None:
        """The checkpoint of a stage over so many items; None outside of :func:`checkpoints_in`."""
        folder = _folder.get()
        if folder is None:
            return None
        return cls(folder / f"{stage}-{items}.safetensors", modules, every=SECONDS_BETWEEN, rng=rng)

    def restore(self, optimiser: torch.optim.Optimizer) -> int:
        """Take up the kept state; the number of passes it has behind it, 0 without a usable file."""
        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                kept = file.metadata() or {}
        except (OSError, SafetensorError):
            return 0
        own = {f"modules.{name}": value for name, value in self.modules.state_dict().items()}
        if any(name not in tensors or tensors[name].shape != value.shape for name, value in own.items()):
            return 0
        if not {"terms", "random"} <= kept.keys():
            return 0
        self.modules.load_state_dict({name.removeprefix("modules."): tensors[name] for name in own})
        _set_moments(optimiser, tensors)
        self.terms = json.loads(kept["terms"])
        if self.rng is not None:
            self.rng.bit_generator.state = json.loads(kept["random"])
        torch.set_rng_state(tensors["random"])
        device = self._device()
        if device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], device)
        return int(tensors["passes"])

    def keep(self, passes: int, optimiser: torch.optim.Optimizer, *, last: bool) -> None:
        """Write the state after so many passes, whole or not at all, if the last one is old enough; ``last`` always."""
        if not last and time.monotonic() - self._written < self.every:
            return
        tensors = {f"modules.{name}": value.cpu().contiguous() for name, value in self.modules.state_dict().items()}
        tensors |= _moments(optimiser)
        tensors |= {"random": torch.get_rng_state(), "passes": torch.tensor(passes)}
        if (device := self._device()).type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(device)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        save_file(tensors, beside, metadata=self._told())
        beside.replace(self.path)
        self._written = time.monotonic()

    def _told(self) -> dict[str, str]:
        random = None if self.rng is None else self.rng.bit_generator.state
        return {"terms": json.dumps(self.terms), "random": json.dumps(random)}

    def _device(self) -> torch.device:
        return next(self.modules.parameters()).device


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"moments.{place}.{name}": torch.as_tensor(value).cpu().contiguous()
        for place, values in state.items()
        for name, value in values.items()
    }


def _set_moments(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("moments."):
            _, place, moment = name.split(".")
            state.setdefault(int(place), {})[moment] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
