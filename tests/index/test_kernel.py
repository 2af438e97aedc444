"""The kernel compiles for a processor without wide vectors too, caches where it is told to, and never in a call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hashsvc.index import segment, warm
from hashsvc.index.kernel import compiled
from hashsvc.index.kernel.compiled import functions
from hashsvc.index.selfjoin import self_join
from hashsvc.index.tables import substrings

PLAIN = """
import sys
from pathlib import Path
import numpy as np
from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, warm
from hashsvc.index.kernel.compiled import functions
warm(Path(sys.argv[1]), bits=(64,))
assert functions(1) is not None
codes = np.random.default_rng(0).integers(0, 256, (5000, 8), dtype=np.uint8)
for kind in (IndexKind.SCAN, IndexKind.TABLES, IndexKind.REFERENCE):
    live = LiveIndex(64, kind)
    live.apply(np.arange(5000), codes, np.zeros(0, np.int64), 1)
    found = live.view().search(codes[:9], 20), live.view().within(codes[:9], 20)
    print([one.ids.tolist() for one in found], [one.distances.tolist() for one in found])
"""


@pytest.mark.slow
def test_a_processor_without_wide_vectors_answers_alike_from_its_own_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    run = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)], env=environment, check=True, capture_output=True, text=True
    )
    scan, tables, reference = run.stdout.splitlines()
    assert scan == tables == reference
    assert [path.suffix for path in tmp_path.rglob("*.nbc")]
    assert next(tmp_path.iterdir()).stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_cached_the_kernel_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    monkeypatch.setattr(compiled._State, "kept", True)
    monkeypatch.setattr(compiled, "UNSIZED", ("settle",))
    monkeypatch.setattr(compiled, "SCAN", ("settle", "settle", "settle"))
    monkeypatch.setattr(compiled, "TABLES", ())
    monkeypatch.setattr(compiled._State, "ready", {})
    compiled.prepare(1, None)
    compiled.prepare(2, None)
    assert (functions(1) is not None, functions(2) is not None) == (True, True)
    assert [record.getMessage() for record in caplog.records] == [
        "no folder to keep the compiled kernel in is writable, so every start compiles it anew: "
        "set HASHSVC_KERNEL_CACHE to one that is"
    ]


def test_joins_that_do_not_compile_are_left_to_numpy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    warm(bits=(64,))
    tries: list[int] = []

    def refuse(names: tuple[str, ...], words: int) -> None:
        tries.append(words)
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(compiled._State, "joining", {})
    monkeypatch.setattr(compiled, "_compiled", refuse)
    codes = np.array([[0] * 8, [0] * 7 + [1], [255] * 8], np.uint8)
    for _ in range(2):
        (left, right, distances), *rest = self_join(codes, 3)
        assert (left.tolist(), right.tolist(), distances.tolist(), rest) == ([0], [1], [1], [])
    assert tries == [1]
    assert "no such instruction" in caplog.text


def test_a_call_with_other_types_is_refused_not_compiled() -> None:
    warm(bits=(64,))
    ready = functions(1)
    assert ready is not None
    with pytest.raises(TypeError, match="No matching definition"):
        ready["settle"](1, 2, 3)


@pytest.mark.parametrize("bits", range(8, 1025, 8))
def test_substrings_are_disjoint_and_inside_the_code(bits: int) -> None:
    taken = [
        64 * word + place for word, shift, width in substrings(bits).tolist() for place in range(shift, shift + width)
    ]
    assert len(taken) == len(set(taken))
    assert max(taken) < bits
    assert len(substrings(bits)) <= 16
    assert bits > 256 or len(taken) == bits


def test_equal_sort_keys_of_different_codes_do_not_join_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "_mixed", lambda words: np.zeros(len(words), np.uint64))
    words = np.array([[1, 2], [3, 4], [1, 2], [1, 5], [3, 4]], np.uint64)
    built = segment.build_segment(np.array([50, 40, 30, 20, 10]), words, 128)
    assert built.ids.tolist() == [10, 20, 30]
    assert built.extra_ids.tolist() == [40, 50]
    assert built.words().tolist() == [[3, 4], [1, 5], [1, 2]]
