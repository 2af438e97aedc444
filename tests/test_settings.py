from __future__ import annotations

import pytest

from hashsvc.errors import InvalidArgument
from hashsvc.settings import Limits, Settings


def test_without_variables_every_setting_has_its_default() -> None:
    assert Settings.read({}) == Settings() == Settings.read({"HASHSVC_STORE": ""})


def test_variables_win_over_defaults() -> None:
    settings = Settings.read({"HASHSVC_STORE": "/s", "HASHSVC_THREADS": "3", "HASHSVC_MAX_K": "7", "OTHER": "x"})
    assert settings == Settings(store="/s", threads=3, limits=Limits(max_k=7))


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument, match="HASHSVC_MAX_K must be a positive integer"):
        Settings.read({"HASHSVC_MAX_K": text})
