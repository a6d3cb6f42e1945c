"""The conformance classes on a store behind a URL, for `intonaco stores check`; run by pytest with the variable below.

INTONACO_CHECK is a JSON object: the kind of store, as the settings call it, and its URL; all is made in scratch places of it.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from intonaco.core.plugins import Plugins
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.scratch import Scratch
from intonaco.infra.storage.stores import HOOKS
from intonaco.infra.testing.blobs import BlobStoreContract
from intonaco.infra.testing.catalog import CatalogContract
from intonaco.infra.testing.keyvalue import KeyValueStoreContract
from intonaco.infra.testing.streams import StreamContract, StreamGroupsContract
from intonaco.infra.testing.tables import TableStoreContract

__all__ = ["VARIABLE"]

VARIABLE = "INTONACO_CHECK"
_KIND, _URL = json.loads(os.environ.get(VARIABLE, '["", ""]'))


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    """A place of its own, removed after the test."""
    with Scratch.make(_KIND, _URL) as scratch:
        yield scratch


class _OnScratch:
    @pytest.fixture
    def store(self, scratch: Scratch) -> Iterator[Any]:
        with scratch.open() as store:
            yield store

    @pytest.fixture
    def url(self, scratch: Scratch) -> str:
        return scratch.url


if _KIND == "blobs":

    class TestBlobs(_OnScratch, BlobStoreContract):
        pass


if _KIND == "tables":

    class TestTables(_OnScratch, TableStoreContract):
        pass


if _KIND == "keyvalue":

    class TestKeyValue(_OnScratch, KeyValueStoreContract):
        pass


if _KIND == "stream":
    _opens = Plugins.discover().load(HOOKS[_KIND][0], StoreUrl.parse(_URL).scheme, HOOKS[_KIND][1])

    class TestStream(_OnScratch, StreamGroupsContract if hasattr(_opens, "claim") else StreamContract):  # type: ignore[misc]
        pass


if _KIND == "catalog":

    class TestCatalog(CatalogContract):
        @pytest.fixture
        def url(self, scratch: Scratch) -> str:
            return scratch.url
