"""The key-value store on LMDB, and what is peculiar to it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from intonaco.core.errors import CorruptError, InvalidError, SettingsError, UnavailableError
from intonaco.infra.storage import environments
from intonaco.infra.storage.entries import decode, encode, stored_key
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.testing.keyvalue import KeyValueStoreContract


class TestLmdbStore(KeyValueStoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"lmdb:{tmp_path}/online"

    @pytest.fixture
    def store(self, url: str) -> Iterator[KeyValueStore]:
        with LmdbStore.open(url) as store:
            yield store

    def damage(self, store: KeyValueStore, key: bytes) -> None:
        assert isinstance(store, LmdbStore)
        with store._environment.handle.begin(write=True) as transaction:
            stored = bytearray(transaction.get(stored_key(key)) or b"")
            stored[-5] ^= 16
            transaction.put(stored_key(key), bytes(stored))
            store._environment.stamp(transaction)


def test_the_layout_of_an_entry_is_the_documented_one() -> None:
    """Format 1 is final: stores that were written before must stay readable."""
    assert encode(b"key", -2, b"value").hex() == "01feffffffffffffff76616c75650dea074e"
    assert decode(b"key", bytes.fromhex("01feffffffffffffff76616c75650dea074e"), "") == (-2, b"value")
    assert stored_key(b"key") == b"\x00key"
    assert stored_key(b"k" * 401).hex()[:4] == "016b"
    assert len(stored_key(b"k" * 5000)) == 433
    long = b"k" * 401
    assert encode(long, 1, b"v")[:13] == b"\x01" + (1).to_bytes(8, "little") + (401).to_bytes(4, "little")


def test_two_stores_of_one_folder_share_their_environment_until_both_are_closed(tmp_path: Path) -> None:
    first, second = LmdbStore.open(f"lmdb:{tmp_path}/x"), LmdbStore.open(f"lmdb:{tmp_path}/y/../x")
    first.put([(b"k", 1, b"v")])
    first.close()
    first.close()
    assert second.get([b"k"]) == [(1, b"v")]
    second.close()
    with LmdbStore.open(f"lmdb:{tmp_path}/x") as again:
        assert again.get([b"k"]) == [(1, b"v")]


def test_another_process_reads_what_was_put(tmp_path: Path) -> None:
    with LmdbStore.open(f"lmdb:{tmp_path}") as store:
        store.put([(b"k", 1, b"v")])
        code = f"from intonaco.infra.storage.lmdb import LmdbStore\nprint(LmdbStore.open('lmdb:{tmp_path}').get([b'k']))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[(1, b'v')]\n"


def test_a_full_map_says_what_to_do_and_keeps_what_was_there(tmp_path: Path) -> None:
    url = f"lmdb:{tmp_path}?map_size_gb=0.0005"
    with LmdbStore.open(url) as store:
        store.put([(b"first", 1, b"v")])
        with pytest.raises(UnavailableError, match="map_size_gb"):
            store.put([(b"%d" % number, 1, b"v" * 1000) for number in range(1000)])
        assert store.get([b"first", b"0"]) == [(1, b"v"), None]
    with LmdbStore.open(f"lmdb:{tmp_path}?map_size_gb=1") as store:
        assert store.put([(b"%d" % number, 1, b"v" * 1000) for number in range(1000)]) == 1000


def test_a_database_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path)) as other, other.begin(write=True) as transaction:
        transaction.put(b"theirs", b"x")
    with pytest.raises(InvalidError, match="did not make"):
        LmdbStore.open(f"lmdb:{tmp_path}")


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LmdbStore.open(f"lmdb:{tmp_path}").close()
    monkeypatch.setattr(environments, "_FORMAT", 0)
    with pytest.raises(InvalidError, match="format 1"):
        LmdbStore.open(f"lmdb:{tmp_path}")


@pytest.mark.parametrize("damage", ["cut", "first head", "no database"])
def test_a_damaged_file_is_refused_when_it_is_opened(tmp_path: Path, damage: str) -> None:
    with LmdbStore.open(f"lmdb:{tmp_path}") as store:
        store.put([(b"%d" % number, 1, b"v" * 100) for number in range(1000)])
    path = tmp_path / "data.mdb"
    whole = bytearray(path.read_bytes())
    whole[16] ^= 1 if damage == "first head" else 0
    path.write_bytes({"cut": bytes(whole[: len(whole) // 2]), "no database": b"x" * 9000}.get(damage, bytes(whole)))
    with pytest.raises(CorruptError, match=str(tmp_path)):
        LmdbStore.open(f"lmdb:{tmp_path}")


def test_a_damaged_key_hides_no_entry(tmp_path: Path) -> None:
    """Its bytes say another key now, so a search for it ends beside it."""
    with LmdbStore.open(f"lmdb:{tmp_path}") as store:
        store.put([(b"key %03d" % number, 1, b"v") for number in range(300)])
    path = tmp_path / "data.mdb"
    for changed in (b"\x00key 1?0", b"\x02key 150", b"\x00kez 150"):
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"\x00key 150", changed))
        with LmdbStore.open(f"lmdb:{tmp_path}") as store:
            with pytest.raises(CorruptError):
                store.get([b"key 150"])
            with pytest.raises(CorruptError):
                list(store.scan(b"key"))
        path.write_bytes(whole)


@pytest.mark.parametrize("url", ["lmdb:", "lmdb://host/x", "lmdb:x?size=1", "lmdb:x?map_size_gb=much", "lmdb:x?map_size_gb=0"])
def test_a_url_that_cannot_be_a_store_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError):
        LmdbStore.open(url)


def test_a_writer_that_stands_still_is_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "WRITER_TIMEOUT_S", 0.05)
    with LmdbStore.open(f"lmdb:{tmp_path}") as store, store._environment.write(), pytest.raises(UnavailableError, match="another writer"):
        store.put([(b"k", 1, b"v")])
