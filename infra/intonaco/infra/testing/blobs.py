"""What every blob store must keep."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.errors import AlreadyExistsError, CorruptError, InvalidError, MissingError
from intonaco.infra.storage.blobs import BlobStore, SupportsRange, blob_name, get, put
from intonaco.infra.testing.stores import StoreContract

__all__ = ["HOSTILE_NAMES", "BlobStoreContract"]

HOSTILE_NAMES = (
    "",
    "/",
    ".",
    "..",
    "../outside",
    "a/../../outside",
    "/etc/passwd",
    "//host/share",
    "a//b",
    "a/",
    "./a",
    ".hidden",
    "a/.hidden",
    "a\\b",
    "C:\\a",
    "C:a",
    "a\0b",
    "a\nb",
    "a\n",
    "a b",
    "%2e%2e/a",
    "a%2fb",
    "a?b",
    "a#b",
    "a;b",
    "~root",
    "$HOME",
    "*",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/a",
    "\N{TWO DOT LEADER}/a",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "é",
    "a" * 256,
    "/".join(["a"] * 1000),
)
_NAME = st.from_regex(r"[A-Za-z0-9_=@+-][A-Za-z0-9_.=@+-]{0,20}(/[A-Za-z0-9_=@+-][A-Za-z0-9_.=@+-]{0,20}){0,3}", fullmatch=True)


def _content(number: int) -> bytes:
    return b"%8d " % number * (1000 * (number % 50))


class BlobStoreContract(StoreContract):
    """Subclass it with the fixtures `url` and `store`, which yields the store behind it, open.

    Where you can damage a stored blob, override `damage`.
    """

    @pytest.fixture
    def store(self) -> BlobStore:
        """An empty store, closed after the test."""
        raise NotImplementedError

    def damage(self, store: BlobStore, name: str) -> None:
        """Change one bit of what is stored under `name`."""
        pytest.skip("this store cannot be damaged from outside")

    @staticmethod
    def keep(store: BlobStore, mark: str, number: int) -> None:
        """A blob of its own, of some size."""
        store.create(f"{mark}/{number}", _content(number))

    @staticmethod
    def kept(store: BlobStore, mark: str) -> list[int]:
        """Of the blobs that have a name."""
        found = [int(name.removeprefix(f"{mark}/")) for name in store.names()]
        assert all(store.read(f"{mark}/{number}") == _content(number) for number in found), "a blob that is there is whole"
        return found

    def test_what_was_created_is_read(self, store: BlobStore) -> None:
        store.create("a/b.json", b"\0some bytes\xff")
        assert store.read("a/b.json") == b"\0some bytes\xff"

    def test_an_empty_blob_and_a_large_one_are_kept_whole(self, store: BlobStore) -> None:
        large = bytes(range(256)) * 12_000
        store.create("empty", b"")
        store.create("large", memoryview(large))
        assert store.read("empty") == b""
        assert store.read("large") == large

    def test_a_name_is_written_once(self, store: BlobStore) -> None:
        store.create("a", b"first")
        with pytest.raises(AlreadyExistsError, match="'a'"):
            store.create("a", b"second")
        assert store.read("a") == b"first"

    def test_an_absent_blob_is_missing(self, store: BlobStore) -> None:
        store.create("a/b", b"")
        for name in ("nothing", "a", "a/c", "a/b/c"):
            with pytest.raises(MissingError):
                store.read(name)

    def test_a_piece_of_a_blob_is_read(self, store: BlobStore) -> None:
        if not isinstance(store, SupportsRange):
            pytest.skip("this store reads whole blobs alone")
        store.create("a/b", b"0123456789")
        store.create("empty", b"")
        asked = [(0, 1), (2, 5), (8, 20), (10, 12), (3, 3)]
        assert [store.read_range("a/b", *each) for each in asked] == [b"0", b"234", b"89", b"", b""]
        assert store.read_range("empty", 0, 1) == b""
        with pytest.raises(MissingError):
            store.read_range("a/c", 0, 1)

    def test_names_are_sorted_and_chosen_by_prefix(self, store: BlobStore) -> None:
        names = ["a-b", "a/b", "a/c/d", "ab", "b"]
        for name in reversed(names):
            store.create(name, b"")
        assert list(store.names()) == sorted(names)
        assert list(store.names("a/")) == ["a/b", "a/c/d"]
        assert list(store.names("a")) == ["a-b", "a/b", "a/c/d", "ab"]
        assert list(store.names("a/c/d")) == ["a/c/d"]
        assert list(store.names("c/")) == []

    def test_a_deleted_blob_is_gone_and_its_name_is_free(self, store: BlobStore) -> None:
        store.create("a/b", b"first")
        store.delete("a/b")
        store.delete("a/b")
        store.delete("never/there")
        assert list(store.names()) == []
        store.create("a/b", b"second")
        assert store.read("a/b") == b"second"

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_hostile_name_is_refused_by_every_verb(self, store: BlobStore, name: str) -> None:
        for verb in (lambda: store.create(name, b""), lambda: store.read(name), lambda: store.delete(name)):
            with pytest.raises(InvalidError):
                verb()
        assert list(store.names()) == []

    @pytest.mark.parametrize("prefix", ["..", "../", "/", "a/../", ".h", "a\0"])
    def test_a_hostile_prefix_is_refused(self, store: BlobStore, prefix: str) -> None:
        with pytest.raises(InvalidError):
            list(store.names(prefix))

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(name=_NAME, data=st.binary(max_size=200))
    def test_every_good_name_keeps_every_content(self, store: BlobStore, name: str, data: bytes) -> None:
        store.delete(f"x/{name}/y")
        store.create(f"x/{name}/y", data)
        assert store.read(f"x/{name}/y") == data
        assert f"x/{name}/y" in store.names(f"x/{name}")
        store.delete(f"x/{name}/y")

    def test_of_eight_creators_of_a_name_one_wins(self, store: BlobStore) -> None:
        for turn in range(10):
            wins = self._race(store, f"race/{turn}")
            assert len(wins) == 1
            assert store.read(f"race/{turn}") == wins[0]

    def _race(self, store: BlobStore, name: str) -> list[bytes]:
        barrier = threading.Barrier(8)

        def contend(number: int) -> bytes | None:
            data = bytes([number]) * 10_000
            barrier.wait(10)
            try:
                store.create(name, data)
            except AlreadyExistsError:
                return None
            return data

        with ThreadPoolExecutor(8) as threads:
            return [data for data in threads.map(contend, range(8)) if data is not None]

    def test_a_reader_sees_a_blob_whole_or_not_at_all(self, store: BlobStore) -> None:
        contents = {f"whole/{turn}": bytes([turn]) * 1_000_000 for turn in range(100)}
        done = threading.Event()

        def write() -> None:
            try:
                for name, content in contents.items():
                    store.create(name, content)
            finally:
                done.set()

        def listed() -> None:
            while not done.is_set():
                for name in list(store.names())[-3:]:
                    assert store.read(name) == contents[name]

        def awaited() -> None:
            for name, content in contents.items():
                while not done.is_set():
                    with suppress(MissingError):
                        assert store.read(name) == content
                        break

        with ThreadPoolExecutor(3) as threads:
            for work in [threads.submit(each) for each in (write, listed, awaited)]:
                work.result()
        assert list(store.names()) == sorted(contents)

    def test_content_is_kept_under_its_digest_once(self, store: BlobStore) -> None:
        digest = put(store, b"content")
        assert put(store, b"content") == digest
        assert get(store, digest) == b"content"
        assert list(store.names()) == [blob_name(digest)]
        with pytest.raises(MissingError):
            get(store, "0" * 64)

    def test_what_was_created_is_there_after_opening_again(self, store: BlobStore, reopen: Callable[[], BlobStore]) -> None:
        store.create("a/b", b"kept")
        with reopen() as other:
            assert other.read("a/b") == b"kept"
            with pytest.raises(AlreadyExistsError):
                other.create("a/b", b"")

    def test_what_was_deleted_is_not_there_after_opening_again(self, store: BlobStore, reopen: Callable[[], BlobStore]) -> None:
        for name in ("gone", "kept"):
            store.create(name, b"x")
        store.delete("gone")
        store.close()
        with reopen() as other:
            assert list(other.names()) == ["kept"]

    def test_damaged_content_is_not_given_out(self, store: BlobStore) -> None:
        digest = put(store, b"content" * 100)
        self.damage(store, blob_name(digest))
        with pytest.raises(CorruptError, match=digest):
            get(store, digest)
        with pytest.raises(CorruptError, match=digest):
            put(store, b"content" * 100)
