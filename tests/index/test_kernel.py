"""The kernel compiles for a processor without wide vectors too, caches where it is told to, and never in a call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hashsvc.index import segment, warm
from hashsvc.index.kernel.compiled import functions
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


def test_a_processor_without_wide_vectors_answers_alike_from_its_own_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    run = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)], env=environment, check=True, capture_output=True, text=True
    )
    scan, tables, reference = run.stdout.splitlines()
    assert scan == tables == reference
    assert [path.suffix for path in tmp_path.rglob("*.nbc")]
    assert next(tmp_path.iterdir()).stat().st_mode & 0o077 == 0


def test_a_call_with_other_types_is_refused_not_compiled() -> None:
    warm(bits=(64,))
    compiled = functions(1)
    assert compiled is not None
    with pytest.raises(TypeError, match="No matching definition"):
        compiled["settle"](1, 2, 3)


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
