"""The key-value store in Redis, and what is peculiar to it."""

from collections.abc import Iterator

import pytest
import redis

from intonaco.core.errors import CorruptError
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore
from intonaco.infra.storage.entries import stored_key
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.testing.keyvalue import KeyValueStoreContract

pytest_plugins = ("intonaco.ext.redis.testing",)
pytestmark = pytest.mark.slow


class TestRedisStore(KeyValueStoreContract):
    @pytest.fixture
    def url(self, redis_server: LocalRedis) -> str:
        return redis_server.url

    @pytest.fixture
    def store(self, url: str) -> Iterator[KeyValueStore]:
        with RedisStore.open(url) as store:
            yield store

    def damage(self, store: KeyValueStore, key: bytes) -> None:
        assert isinstance(store, RedisStore)
        address = store.keyspace.address
        with redis.Redis(port=address.port, password=address.password) as raw:
            stored = bytearray(raw.get(b"intonaco:k:" + stored_key(key)) or b"")
            stored[-5] ^= 16
            raw.set(b"intonaco:k:" + stored_key(key), bytes(stored))


@pytest.fixture
def store(redis_server: LocalRedis) -> Iterator[RedisStore]:
    with RedisStore.open(f"{redis_server.url}?prefix=peculiar") as store:
        yield store


def test_the_layout_is_the_documented_one(store: RedisStore, redis_server: LocalRedis) -> None:
    """Format 1 is final: stores that were written before must stay readable."""
    store.put([(b"key", -2, b"value")])
    with redis.Redis(port=redis_server.port, password=redis_server.password) as raw:
        assert raw.get(b"peculiar:k:\x00key") == bytes.fromhex("01feffffffffffffff76616c75650dea074e")
        assert raw.get("peculiar:format") == b"1"
    assert store.get([b"key"]) == [(-2, b"value")]


def test_thousands_are_read_and_written_in_their_order(store: RedisStore) -> None:
    entries = [(b"many/%d" % number, number, b"x" * (number % 300)) for number in range(5321)]
    assert store.put(entries) == len(entries)
    assert store.put(entries) == 0
    keys = [key for key, _, _ in entries]
    assert store.get([*keys, b"none", *keys[::-1]]) == [*((n, v) for _, n, v in entries), None, *((n, v) for _, n, v in entries[::-1])]
    store.delete(keys)
    assert store.get(keys) == [None] * len(keys)


def test_large_values_are_written_in_parts_and_read_whole(store: RedisStore) -> None:
    values = [bytes([number]) * 700_000 for number in range(8)]
    assert store.put([(b"large/%d" % number, 1, value) for number, value in enumerate(values)]) == 8
    assert store.get([b"large/%d" % number for number in range(8)]) == [(1, value) for value in values]
    store.delete([b"large/%d" % number for number in range(8)])


def test_a_server_that_has_forgotten_the_scripts_is_told_them_again(store: RedisStore, redis_server: LocalRedis) -> None:
    with redis.Redis(port=redis_server.port, password=redis_server.password) as raw:
        for turn in range(2):
            raw.script_flush()
            assert store.put([(b"forgotten/%d" % number, turn, b"v") for number in range(turn * 2500 + 1)]) == turn * 2500 + 1


def test_ties_are_decided_by_bytes_whatever_the_locale(store: RedisStore) -> None:
    for first, second in ((b"a", b"B"), (b"z", b"\xe9"), (b"ab", b"a\x00b"), (b"x" * 300 + b"a", b"x" * 300 + b"B"), (b"", b"\x00")):
        store.put([(b"tie", 1, first)])
        assert store.put([(b"tie", 1, second)]) == int(second > first)
        assert store.put([(b"tie", 1, first)]) == 0
        assert store.get([b"tie"]) == [(1, max(first, second))]
        store.delete([b"tie"])


def test_a_put_over_what_is_no_entry_stores_nothing(store: RedisStore, redis_server: LocalRedis) -> None:
    with redis.Redis(port=redis_server.port, password=redis_server.password) as raw:
        raw.set(b"peculiar:k:\x00bad", b"not ours")
        with pytest.raises(CorruptError, match="bad"):
            store.put([(b"good", 1, b"v"), (b"bad", 1, b"v")])
    assert store.get([b"good"]) == [None]
    store.delete([b"bad"])
    assert store.put([(b"bad", 1, b"v")]) == 1
