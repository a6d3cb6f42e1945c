"""The stream in Redis, and what is peculiar to it."""

from collections.abc import Iterator

import pytest
import redis

from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.stream import RedisStream
from intonaco.infra.storage.streams import Stream
from intonaco.infra.testing.streams import StreamGroupsContract

pytest_plugins = ("intonaco.ext.redis.testing",)
pytestmark = pytest.mark.slow


class TestRedisStream(StreamGroupsContract):
    @pytest.fixture
    def url(self, redis_server: LocalRedis) -> str:
        return redis_server.url

    @pytest.fixture
    def store(self, url: str) -> Iterator[Stream]:
        with RedisStream.open(url) as store:
            yield store

    @pytest.fixture(autouse=True)
    def raw(self, redis_server: LocalRedis) -> Iterator[redis.Redis]:
        with redis.Redis(port=redis_server.port, password=redis_server.password) as raw:
            self._raw = raw
            yield raw

    def damage(self, store: Stream, topic: str, offset: int) -> None:
        key = f"intonaco:s:{topic}:0"
        rows = self._raw.xrange(key)
        last = self._raw.xinfo_stream(key)["last-generated-id"]
        self._raw.delete(key)
        for number, (name, fields) in enumerate(rows, 1):
            record = bytearray(fields[b"r"])
            record[-1] ^= 16 if number == offset else 0
            self._raw.xadd(key, {"r": bytes(record)}, id=name)
        assert self._raw.xinfo_stream(key)["last-generated-id"] == last
