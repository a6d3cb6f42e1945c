"""The key-value store in Redis, and what is peculiar to it."""

from collections.abc import Iterator

import pytest
import redis

from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore
from intonaco.infra.storage.entries import stored_key
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.testing.keyvalue import KeyValueStoreContract

pytest_plugins = ("intonaco.ext.redis.testing",)


class TestRedisStore(KeyValueStoreContract):
    @pytest.fixture
    def store(self, redis_server: LocalRedis) -> Iterator[KeyValueStore]:
        with RedisStore.open(redis_server.url) as store:
            yield store

    def damage(self, store: KeyValueStore, key: bytes) -> None:
        assert isinstance(store, RedisStore)
        with redis.Redis(port=store.keyspace.address.port, password=store.keyspace.address.password) as raw:
            stored = bytearray(raw.get(store._prefix + stored_key(key)))
            stored[-5] ^= 16
            raw.set(store._prefix + stored_key(key), bytes(stored))
