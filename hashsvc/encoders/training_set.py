"""The items a model is trained on, and what every model asks of them: batches and a linear reduction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from hashsvc.encoders.block_graph import nearest_in_blocks, shared_in_blocks
from hashsvc.encoders.contract import Decoded, Terms
from hashsvc.encoders.fronts import Batch, Front
from hashsvc.encoders.fronts.text import Bag, TextFront
from hashsvc.encoders.graph import Graph, most_similar, nearest, nearest_terms, shared
from hashsvc.encoders.views import VIEWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = 16
GOLDEN_BYTES = 1 << 16
DIRECTIONS = 128
TOPICS, GRAPH_DIRECTIONS, CANDIDATES = 32, 64, 20
VIEW_DIRECTIONS, VIEW_SAMPLE, VIEW_BLOCK = 128, 10_000, 1_000
FEWEST_RELATED, MOST_RELATED, ITEMS_A_RELATED = 8, 20, 500
TERM_ITEMS = 25_000
HOST = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Reduction:
    """``x -> (x - mean) components``: PCA of dense items, truncated SVD (LSA, mean 0) of texts.

    Args:
        mean: ``float32[width]``.
        components: ``float32[width, d]``, strongest first, orthonormal; fewer than asked where the items span less.
        values: ``float32[n, d]``, the training items reduced.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    values: NDArray[np.float32]


class TrainingSet:
    """Decoded items behind one front.

    Args:
        front: their front.
        items: decoded items.
        contents: their bytes, where golden items may be taken from.
        seed: of every random choice made here.
        device: where models are trained on them, and the graph is made; what it is made of is kept on the host.
    """

    def __init__(
        self,
        front: Front,
        items: Sequence[Decoded],
        contents: Sequence[bytes] = (),
        *,
        seed: int = 0,
        device: torch.device = HOST,
    ) -> None:
        self.front = front
        self.items = items
        self.seed = seed
        self.device = device
        self.golden = _golden(contents)
        self.terms: Any = _matrix(items, front.width) if isinstance(front, TextFront) else None
        self.dense = None if self.terms is not None else torch.from_numpy(np.stack([np.asarray(i) for i in items]))
        self._there: torch.Tensor | None = None
        self._reductions: dict[int, Reduction] = {}
        self._views: list[Reduction] | None = None
        self._graph: Graph | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def learned(self) -> int:
        """Columns a model learns weights of; further ones (n-grams) are spelled out from them afterwards."""
        return len(self.front.words) if isinstance(self.front, TextFront) and self.front.words else self.front.width

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Random numbers of host and device from a seed; those drawn outside go on as if none were drawn here."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    @contextmanager
    def hosting(self, *modules: torch.nn.Module) -> Iterator[None]:
        """Modules on the device where training happens; they come back to the host, where everybody expects them."""
        try:
            for module in modules:
                module.to(self.device)
            yield
        finally:
            for module in modules:
                module.cpu()

    def there(self, values: torch.Tensor) -> torch.Tensor:
        """Numbers of the host on the device where training happens, which the host does not wait for."""
        return values.to(self.device, non_blocking=True)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """The items of ``rows``, as their front would batch them, on the device; pixels and vectors stay there."""
        if self.terms is not None:
            return Bag(*(self.there(part) for part in csr_bag(self.terms[rows])))
        assert self.dense is not None
        if self._there is None:
            self._there = self.there(self.dense)
        chosen = self._there[self.there(torch.from_numpy(rows))]
        if chosen.dtype == torch.uint8:
            return chosen.permute(0, 3, 1, 2).contiguous().float().div_(255.0)
        return chosen

    def rows(self) -> Any:
        """All items as one matrix ``float32[n, width]``: sparse for texts, in the column order of the first layer."""
        if self.terms is not None:
            return self.terms
        assert self.dense is not None
        if self.pictures:
            return (self.dense.permute(0, 3, 1, 2).reshape(len(self), -1).float() / 255.0).numpy()
        return self.dense.numpy()

    def reduction(self, directions: int) -> Reduction:
        """The strongest ``directions`` of the items; computed once for the most that was asked."""
        most = max(directions, DIRECTIONS if self.front.width > DIRECTIONS else directions)
        if most not in self._reductions:
            self._reductions[most] = _reduce(self, most)
        whole = self._reductions[most]
        return Reduction(whole.mean, whole.components[:, :directions], whole.values[:, :directions])

    @property
    def pictures(self) -> bool:
        """Whether the items are pictures."""
        return self.dense is not None and self.dense.dtype == torch.uint8

    @property
    def views(self) -> list[Reduction]:
        """The strongest directions of each view of pictures, their values of unit mean square length; made once."""
        if self._views is None:
            self._views = [self._view(number) for number in range(len(VIEWS))]
        return self._views

    def _view(self, number: int) -> Reduction:
        rng = np.random.default_rng(self.seed)
        sample = np.sort(rng.permutation(len(self))[:VIEW_SAMPLE])
        looked = self._looked(number, sample)
        mean = looked.mean(axis=0)
        components = _principal(looked - mean, min(VIEW_DIRECTIONS, *looked.shape), self.seed)
        parts = np.array_split(np.arange(len(self)), -(-len(self) // VIEW_BLOCK))
        values = np.concatenate([(self._looked(number, part) - mean) @ components for part in parts])
        scale = np.float32(max(float(np.sqrt((values**2).sum(axis=1).mean())), 1e-12))
        values = np.asarray(values / scale, dtype=np.float32)
        return Reduction(mean, components / scale, values)

    def _looked(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        batch = self.batch(rows)
        assert isinstance(batch, torch.Tensor)
        found: NDArray[np.float32] = VIEWS[number](batch).cpu().numpy()
        return found

    @property
    def graph(self) -> Graph:
        """Which items are related, as far as the items themselves tell; made at first use.

        Pictures: neighbours by outlines and by shades. Vectors: neighbours in the strongest principal directions.
        Texts: neighbours by latent topics and, up to 25,000 texts (it costs their square), by their own words. All are
        ranked by the neighbours they share.
        """
        if self._graph is None:
            candidates = [self._nearest(values) for values in self._directions()]
            if self.terms is not None and len(self) <= TERM_ITEMS:
                candidates.append(nearest_terms(self.terms, CANDIDATES))
            related = max(FEWEST_RELATED, min(MOST_RELATED, len(self) // ITEMS_A_RELATED))
            joined = np.concatenate(candidates, axis=1)
            host = self.device.type == "cpu"
            self._graph = shared(joined, related) if host else shared_in_blocks(joined, related, self.device)
        return self._graph

    def _nearest(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        if self.device.type == "cpu":
            return nearest(values, CANDIDATES)
        return nearest_in_blocks(values, CANDIDATES, self.device)

    def directions(self) -> NDArray[np.float32]:
        """Items ``float32[n, d]`` in their strongest directions, 64 a view; texts as unit rows of 32 topics."""
        return np.concatenate(self._directions(), axis=1)

    def _directions(self) -> list[NDArray[np.float32]]:
        if self.pictures:
            return [np.ascontiguousarray(view.values[:, :GRAPH_DIRECTIONS]) for view in self.views]
        if self.terms is None:
            return [self.reduction(GRAPH_DIRECTIONS).values]
        return [_unit(self.reduction(TOPICS).values)]

    def near(self, items: Sequence[Decoded], k: int) -> NDArray[np.int64]:
        """The ``k`` nearest training items of other items: ``int64[m, c]``.

        Pictures: ``k`` by each view. Vectors: in the strongest directions. Texts: by their own words, or by topics
        where there are too many texts for that.
        """
        k = min(k, len(self))
        asked = TrainingSet(self.front, items)
        if self.terms is not None and len(self) <= TERM_ITEMS:
            return most_similar(asked.terms, self.terms, k)
        pairs = zip(self._project(asked), self._directions(), strict=True)
        return np.concatenate([faiss.knn(rows, values, k)[1] for rows, values in pairs], axis=1).astype(np.int64)

    def _project(self, asked: TrainingSet) -> list[NDArray[np.float32]]:
        if self.pictures:
            looked = [asked._looked(number, np.arange(len(asked))) for number in range(len(VIEWS))]
            found = [(rows - view.mean) @ view.components for rows, view in zip(looked, self.views, strict=True)]
            return [np.ascontiguousarray(values[:, :GRAPH_DIRECTIONS]) for values in found]
        reduction = self.reduction(GRAPH_DIRECTIONS if self.terms is None else TOPICS)
        values = np.asarray((asked.rows() @ reduction.components) - reduction.mean @ reduction.components)
        return [values if self.terms is None else _unit(values)]


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return unit


def csr_bag(matrix: Any) -> Bag:
    """Sparse rows as a :class:`Bag`."""
    return Bag(
        torch.from_numpy(matrix.indices.astype(np.int64)),
        torch.from_numpy(matrix.data),
        torch.from_numpy(matrix.indptr.astype(np.int64)),
    )


def _matrix(items: Sequence[Decoded], width: int) -> Any:
    rows = [item for item in items if isinstance(item, Terms)]
    ends = np.cumsum([0] + [len(row.columns) for row in rows])
    columns = np.concatenate([row.columns for row in rows])
    weights = np.concatenate([row.weights for row in rows])
    return sparse.csr_matrix((weights, columns, ends), shape=(len(rows), width))


def _golden(contents: Sequence[bytes]) -> list[bytes]:
    small = [content for content in contents if len(content) <= GOLDEN_BYTES]
    step = max(1, len(small) // GOLDEN)
    return list(small[::step][:GOLDEN])


def _reduce(training: TrainingSet, directions: int) -> Reduction:
    rows = training.rows()
    width = training.front.width
    if training.terms is not None:
        known = rows[:, : training.learned]
        rank = min(directions, min(known.shape) - 1)
        _, _, found = randomized_svd(known, max(rank, 1), n_iter=2, random_state=training.seed)
        components = np.zeros((width, len(found)), dtype=np.float32)
        components[: training.learned] = found.T
        return Reduction(np.zeros(width, dtype=np.float32), components, np.asarray(known @ found.T, dtype=np.float32))
    mean = rows.mean(axis=0)
    components = _principal(rows - mean, min(directions, *rows.shape), training.seed)
    return Reduction(mean, components, (rows - mean) @ components)


def _principal(centred: NDArray[np.float32], rank: int, seed: int) -> NDArray[np.float32]:
    """Principal directions ``float32[width, <= rank]`` of centred rows; directions without variance are left out."""
    if centred.shape[1] <= 1024:
        variances, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        variances, vectors = variances[::-1][:rank], vectors[:, ::-1][:, :rank]
    else:
        _, singular, found = randomized_svd(centred, rank, n_iter=3, random_state=seed)
        variances, vectors = singular**2, found.T
    kept = variances > max(variances[0], 1e-30) * 1e-7
    if not kept.any():
        kept[0] = True
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    return np.ascontiguousarray((vectors * signs)[:, kept], dtype=np.float32)
