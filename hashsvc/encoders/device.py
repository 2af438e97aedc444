"""An encoder on a torch device: batches of one fixed shape, copies behind computing, bits packed before they return.

Encoding on the CPU stays with :class:`CodeEncoder`. Here a batch is large enough to fill a GPU, and every batch has the
same shape, so that a row's code does not depend on its company. Numbers are halved where they only feed the last layer;
the layer that decides the bits, and the comparison, are float32.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hashsvc.domain.devices import is_device
from hashsvc.domain.kinds import Kind
from hashsvc.encoders.binarizers import Threshold
from hashsvc.encoders.encoder import ROWS
from hashsvc.encoders.fronts import Batch
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.precision import single
from hashsvc.encoders.replay import Record, Replayed, recorder
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.contract import Decoded, Encoder
    from hashsvc.encoders.encoder import CodeEncoder

GPU_ROWS = 8_192
IN_FLIGHT = 2
HALVED_MARGIN = 200.0  # two hundredths of a feature's spread; .008 was the most seen of 64 x 3,000 features
POWERS = (128, 64, 32, 16, 8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an encoder computes, in what numbers, and how many rows at a time.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        dtype: of the hidden layers; the deciding layer is float32 on every device.
        rows: rows of every batch; the last one is filled up.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32
    rows: int = ROWS

    @classmethod
    def of(cls, name: str) -> Placement:
        """The placement that suits a device.

        Raises:
            InvalidArgument: no such device here.
        """
        count = torch.cuda.device_count()
        if not is_device(name, count):
            raise InvalidArgument(
                f"no device {name!r} here: give cpu, or one of {count} CUDA devices as cuda:N", field="device"
            )
        device = torch.device(name)
        return cls(device) if device.type == "cpu" else cls(device, torch.bfloat16, GPU_ROWS)

    def __str__(self) -> str:
        """Device, numbers, rows of a batch, torch version and chip: what decides the last bit of a feature."""
        version = torch.__version__.partition("+")[0]
        dtype = str(self.dtype).removeprefix("torch.")
        chip = torch.cuda.get_device_name(self.device).replace(" ", "-") if self.device.type == "cuda" else ""
        return " ".join(filter(None, (self.device.type, dtype, f"rows-{self.rows}", f"torch-{version}", chip)))


def placed(encoder: CodeEncoder, device: str) -> Encoder:
    """The encoder on a device; on the CPU it is itself.

    Raises:
        InvalidArgument: no such device here.
    """
    placement = Placement.of(device)
    return encoder if placement.device.type == "cpu" else DeviceEncoder(encoder, placement)


class DeviceEncoder:
    """A :class:`CodeEncoder` that computes on a device; callers from several threads take turns.

    Its codes agree with the CPU's except where a feature lies within ``margin`` of its threshold: ``spec.margin``, and
    :data:`HALVED_MARGIN` times that where products are halved.

    Args:
        encoder: the same on the CPU, kept as ``host``.
        placement: where this one computes.
        record: how the work of a batch is recorded, to be replayed; by default as the device can. Texts have batches of
            many shapes and are never recorded.
    """

    def __init__(self, encoder: CodeEncoder, placement: Placement, record: Record | None = None) -> None:
        self.host = encoder
        self.placement = placement
        self._lock = threading.Lock()
        self._network = copy.deepcopy(encoder.network).eval()
        if placement.device.type == "cuda":
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network.to(placement.device)
        self._blank = encoder.front.blank()
        self._copies = _stream(placement.device)
        self._thresholds: torch.Tensor | None = None
        if isinstance(encoder.binarizer, Threshold):
            self._thresholds = torch.from_numpy(encoder.binarizer.thresholds).to(placement.device)
        self._powers = torch.tensor(POWERS, dtype=torch.uint8, device=placement.device)
        # A tensor there: by a number of the host CUDA divides as times its reciprocal, which rounds otherwise, and
        # channels of a picture that are equally strong at an edge would not be so there.
        self._white = torch.tensor(255.0, device=placement.device)
        self._halved = placement.dtype != torch.float32 and encoder.network.halves
        record = record or recorder(placement.device)
        self._replayed = None if record is None else Replayed(self._step, record)
        self.spec = encoder.spec
        self.model = encoder.model
        self.margin = encoder.spec.margin * (HALVED_MARGIN if self._halved else 1.0)
        self.path = str(placement if self._halved else replace(placement, dtype=torch.float32))

    def decode(self, content: bytes) -> Decoded:
        """See :meth:`Encoder.decode`."""
        return self.host.decode(content)

    def features(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.features`."""
        with self._lock:
            found = [rows.numpy() for rows in self.run(self._staged(items), packed=False)]
        return np.concatenate(found) if found else np.empty((0, 0), dtype=np.float32)

    def encode(self, items: Sequence[Decoded]) -> NDArray[np.uint8]:
        """See :meth:`Encoder.encode`."""
        if not items:
            return np.empty((0, self.spec.bits // 8), dtype=np.uint8)
        return self.codes_of(self._staged(items))

    def codes_of(self, batches: Iterable[tuple[Batch, int]]) -> NDArray[np.uint8]:
        """Codes ``uint8[n, bits/8]`` of at least one batch, staged or on the device already, each with its count."""
        packed = self._thresholds is not None
        with self._lock:
            found = np.concatenate([rows.numpy() for rows in self.run(batches, packed=packed)])
        return found if packed else self.host.binarizer.codes(found)

    def tables(self, items: Sequence[Decoded]) -> NDArray[np.float32]:
        """See :meth:`Encoder.tables`."""
        return self.host.binarizer.tables(self.features(items))

    def stage(self, items: Sequence[Decoded]) -> Batch:
        """One batch of exactly ``rows`` rows in host memory, pinned where a GPU will fetch it; pixels stay bytes."""
        rows, pinned = self.placement.rows, self._copies is not None
        if self.spec.kind is Kind.IMAGE:
            blank = np.asarray(self._blank)
            pixels = torch.empty((rows, *blank.shape), dtype=torch.uint8, pin_memory=pinned)
            np.stack([np.asarray(item, dtype=np.uint8) for item in items], out=pixels.numpy()[: len(items)])
            pixels.numpy()[len(items) :] = blank
            return pixels
        batch = self.host.front.batch([*items, *[self._blank] * (rows - len(items))])
        return self._each(batch, torch.Tensor.pin_memory) if pinned else batch

    def fetch(self, batch: Batch) -> Batch:
        """A staged batch on the device; the copy runs on a stream of its own."""
        with torch.cuda.stream(self._copies) if self._copies is not None else nullcontext():
            return self._each(batch, lambda part: part.to(self.placement.device, non_blocking=True))

    @torch.inference_mode()
    def compute(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Features ``float32[rows, d]`` of a batch on the device and, where thresholds cut them, their codes.

        Codes are ``uint8[rows, bits/8]``, MSB-first.
        """
        if self._copies is not None:
            here = torch.cuda.current_stream(self.placement.device)
            here.wait_stream(self._copies)
            for part in batch if isinstance(batch, Bag) else (batch,):
                part.record_stream(here)  # its memory was taken on the other stream, and may not be given away yet
        if self._replayed is None or isinstance(batch, Bag):
            return self._step(batch)
        return self._replayed(batch)

    def _step(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        if isinstance(batch, torch.Tensor) and batch.dtype == torch.uint8:
            batch = batch.permute(0, 3, 1, 2).to(torch.float32).div_(self._white)
        with self._numbers():
            features = self._network(batch).float()
        return (features,) if self._thresholds is None else (features, self._pack(features))

    def _pack(self, features: torch.Tensor) -> torch.Tensor:
        assert self._thresholds is not None
        bits = (features > self._thresholds).to(torch.uint8).view(len(features), -1, 8)
        codes: torch.Tensor = (bits * self._powers).sum(dim=2, dtype=torch.uint8)
        return codes

    def _numbers(self) -> AbstractContextManager[object]:
        if not self._halved:
            return single(self.placement.device)
        return torch.autocast(self.placement.device.type, self.placement.dtype)

    def _staged(self, items: Sequence[Decoded]) -> Iterator[tuple[Batch, int]]:
        for start in range(0, len(items), self.placement.rows):
            part = items[start : start + self.placement.rows]
            yield self.stage(part), len(part)

    def run(self, batches: Iterable[tuple[Batch, int]], *, packed: bool = True) -> Iterator[torch.Tensor]:
        """Codes (or features) of staged batches, each with its count of items, in host memory and in order.

        The next batch is staged and copied while the device works on those before it. For one thread at a time.
        """
        waiting: deque[tuple[torch.Tensor, Any, int]] = deque()
        for batch, count in batches:
            found = self.compute(self.fetch(batch))
            waiting.append((*self._home(found[1] if packed else found[0]), count))
            if len(waiting) > IN_FLIGHT:
                yield _arrived(*waiting.popleft())
        while waiting:
            yield _arrived(*waiting.popleft())

    def _home(self, result: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """A result on its way to host memory, and the event of its arrival."""
        if self._copies is None:
            return result, None
        host = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        host.copy_(result, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.placement.device))
        return host, event

    @staticmethod
    def _each(batch: Batch, change: Any) -> Batch:
        return Bag(*(change(part) for part in batch)) if isinstance(batch, Bag) else change(batch)


def _stream(device: torch.device) -> torch.cuda.Stream | None:
    """A stream for copies; None where there are none."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _arrived(result: torch.Tensor, event: Any, rows: int) -> torch.Tensor:
    if event is not None:
        event.synchronize()
    return result[:rows]
