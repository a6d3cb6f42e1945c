"""The conformance classes on a store behind a URL, for `intonaco stores check`; run by pytest with the variable below.

INTONACO_CHECK is a JSON object: the kind of store, as the settings call it, and its URL; all is made in scratch places of it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from intonaco.core.plugins import Plugins
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.scratch import Scratch
from intonaco.infra.storage.stores import HOOKS
from intonaco.infra.testing.blobs import BlobStoreContract
from intonaco.infra.testing.catalog import CatalogContract
from intonaco.infra.testing.keyvalue import KeyValueStoreContract
from intonaco.infra.testing.lacking import check_lacks
from intonaco.infra.testing.streams import StreamContract
from intonaco.infra.testing.tables import TableStoreContract

__all__ = ["VARIABLE", "write_and_die"]

VARIABLE = "INTONACO_CHECK"
_KIND, _URL = json.loads(os.environ.get(VARIABLE, '["", ""]'))


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    """A place of its own, removed after the test."""
    with Scratch.make(_KIND, _URL) as scratch:
        yield scratch


def write_and_die() -> None:
    """Write one thing, and be killed as soon as it is acknowledged."""
    hook, what = HOOKS[_KIND]
    url = StoreUrl.parse(_URL)
    store = Plugins.discover().load(hook, url.scheme, what).open(url)
    if _KIND == "blobs":
        store.create("kept", b"value")
    elif _KIND == "keyvalue":
        store.put([(b"kept", 1, b"value")])
    elif _KIND == "stream":
        store.append("check/kept", [b"value"])
    else:
        store.write("check/kept", pa.table({"kept": ["value"]}))
    os.kill(os.getpid(), signal.SIGKILL)


class _OnScratch:
    @pytest.fixture
    def store(self, scratch: Scratch) -> Iterator[Any]:
        with scratch.open() as store:
            yield store

    @pytest.fixture
    def reopen(self, scratch: Scratch) -> Callable[[], Any]:
        return scratch.open

    def test_what_it_lacks_is_said_with_what_could_give_it(self, store: Any) -> None:
        check_lacks(store)

    def test_what_was_acknowledged_outlives_the_process_that_wrote_it(self, scratch: Scratch, store: Any) -> None:
        if Guarantee.DURABLE in store.lacks():
            pytest.skip("this store says that it is not durable")
        command = [sys.executable, "-c", "from intonaco.infra.testing.checked import write_and_die; write_and_die()"]
        environ = {**os.environ, VARIABLE: json.dumps([_KIND, scratch.url])}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr
        if _KIND == "blobs":
            assert store.read("kept") == b"value"
        elif _KIND == "keyvalue":
            assert store.get([b"kept"]) == [(1, b"value")]
        elif _KIND == "stream":
            assert store.read("check/kept") == [(1, b"value")]
        else:
            assert store.read(store.snapshot("check/kept")).to_pydict() == {"kept": ["value"]}


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

    class TestStream(_OnScratch, StreamContract):
        pass


if _KIND == "catalog":

    class TestCatalog(CatalogContract):
        @pytest.fixture
        def url(self, scratch: Scratch) -> str:
            return scratch.url
