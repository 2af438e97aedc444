from __future__ import annotations

from collections.abc import Iterator

import pytest

from hashsvc.catalog import Catalog, open_catalog
from hashsvc.domain.collections import Collection
from tests.catalog.samples import collection


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    opened = open_catalog(catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def held(catalog: Catalog) -> Collection:
    return catalog.collections.create(collection())
