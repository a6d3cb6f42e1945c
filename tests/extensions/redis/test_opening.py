"""What a server has to be able to keep, and which URLs name one."""

import select
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from intonaco.core.errors import DeadlineError, InvalidError, RefusedError, SettingsError, UnavailableError
from intonaco.core.plugins import Plugins
from intonaco.core.urls import StoreUrl
from intonaco.ext.redis.address import PASSWORD_VARIABLE, Address
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore
from intonaco.ext.redis.stream import RedisStream
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.keyvalue import SupportsDeadline
from intonaco.infra.storage.streams import SupportsTopics
from intonaco.infra.testing.programs import free_port
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.ext.redis.testing",)
pytestmark = pytest.mark.slow


@pytest.fixture
def raw(redis_server: LocalRedis) -> Iterator["redis.Redis"]:
    with redis.Redis(port=redis_server.port, password=redis_server.password) as raw:
        yield raw


def test_the_schemes_are_found_by_name() -> None:
    plugins = Plugins.discover()
    for scheme in ("redis", "rediss"):
        assert plugins.load("key_value_stores", scheme, "key-value store") is RedisStore
        assert plugins.load("streams", scheme, "stream") is RedisStream


def test_the_optional_abilities_are_seen(redis_server: LocalRedis) -> None:
    with RedisStore.open(redis_server.url) as store, RedisStream.open(redis_server.url) as stream:
        assert isinstance(store, SupportsDeadline)
        assert isinstance(stream, SupportsTopics)
        assert store.lacks() == stream.lacks() == {}


def test_a_url_tells_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "of the environment")
    address = Address.of("rediss://me@host:6380/3?prefix=a.b&timeout_s=0.5&sync_timeout_s=2&connections=4&durable=machine")
    assert (address.host, address.port, address.database, address.user) == ("host", 6380, 3, "me")
    assert (address.password, address.tls, address.prefix, address.durable) == ("of the environment", True, "a.b", "machine")
    assert (address.timeout_s, address.sync_timeout_s, address.connections) == (0.5, 2.0, 4)
    assert Address.of("redis://host").port == 6379
    assert Address.of("redis://:%2Fsecret@host").password == "/secret"
    assert "secret" not in repr(Address.of("redis://:secret@host"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis:", "host"),
        ("redis:///0", "host"),
        ("redis://host/name", "database"),
        ("redis://host/0/1", "database"),
        ("redis://host/0?timeout=1", "timeout"),
        ("redis://host/0?timeout_s=never", "timeout_s"),
        ("redis://host/0?timeout_s=0", "timeout_s"),
        ("redis://host/0?timeout_s=nan", "timeout_s"),
        ("redis://host/0?connections=0", "connections"),
        ("redis://host/0?durable=maybe", "durable"),
        ("redis://host/0?ca=/etc/passwd", "ca"),
        ("rediss://host/0?ca=/nowhere", "ca"),
        ("redis://host/0?prefix=a:b", "prefix"),
        ("redis://host/0?prefix=", "prefix"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        RedisStore.open(url)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"appendonly": "no"}, "appendonly"),
        ({"appendfsync": "no"}, "appendfsync"),
        ({"appendfsync": "everysec", "rename-command": 'WAITAOF" "'}, "older than 7.2"),
        ({"maxmemory-policy": "allkeys-lru"}, "allkeys-lru"),
        ({"cluster-enabled": "yes"}, "cluster"),
        ({"replicaof": "127.0.0.1 1"}, "replica"),
    ],
)
@pytest.mark.parametrize("kind", [RedisStore, RedisStream])
def test_a_server_that_cannot_keep_the_promises_is_refused(
    kind: type[RedisStore | RedisStream], settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    with LocalRedis.start(tmp_path, settings=settings) as server, pytest.raises(SettingsError, match=said) as told:
        kind.open(server.url)
    assert server.password not in str(told.value)


def test_a_server_that_keeps_nothing_is_used_by_who_accepts_that(tmp_path: Path) -> None:
    with LocalRedis.start(tmp_path, settings={"appendonly": "no"}) as server, RedisStore.open(f"{server.url}?durable=no") as store:
        assert store.put([(b"k", 1, b"v")]) == 1
        assert store.get([b"k"]) == [(1, b"v")]
        assert "appendonly yes" in store.lacks()[Guarantee.DURABLE]


def test_a_workspace_takes_a_server_that_keeps_nothing_unless_somebody_needs_more(tmp_path: Path) -> None:
    with LocalRedis.start(tmp_path / "redis", settings={"appendonly": "no"}) as server:
        with Workspace.open(tmp_path, overrides={"stores.keyvalue": f"{server.url}?durable=no"}) as workspace:
            assert workspace.keyvalue.put([(b"k", 1, b"v")]) == 1
            with pytest.raises(SettingsError, match="durable acknowledgements"):
                workspace.require("the example", {"keyvalue": [Guarantee.DURABLE]})
        with (
            Workspace.open(tmp_path, overrides={"stores.keyvalue": server.url}) as workspace,
            pytest.raises(SettingsError, match="durable=no"),
        ):
            _ = workspace.keyvalue


def test_only_a_server_that_syncs_each_write_survives_its_machine(tmp_path: Path) -> None:
    with LocalRedis.start(tmp_path, appendfsync="everysec") as server:
        with pytest.raises(SettingsError, match="everysec"):
            RedisStore.open(f"{server.url}?durable=machine")
        with redis.Redis(port=server.port, password=server.password) as raw:
            raw.config_set("appendfsync", "always")
        RedisStore.open(f"{server.url}?durable=machine").close()


def test_a_user_with_the_documented_rights_and_no_others_is_served(redis_server: LocalRedis, raw: "redis.Redis") -> None:
    commands = ["+info", "+command", "+waitaof"]
    raw.acl_setuser("app", True, passwords=["+secret"], keys=["acl:*"], categories=["+@read", "+@write", "+@scripting"], commands=commands)
    url = f"redis://app:secret@127.0.0.1:{redis_server.port}/0"
    with RedisStore.open(f"{url}?prefix=acl") as store, RedisStream.open(f"{url}?prefix=acl") as stream:
        assert store.put([(b"%d" % number, 1, b"v") for number in range(1500)]) == 1500
        assert len(list(store.scan())) == 1500
        store.delete([b"0"])
        assert stream.append("a/b", [b"x", b"y"]) == 2
        assert [each.value for each in stream.claim("a/b", "group", "one")] == [b"x", b"y"]
        stream.acknowledge("a/b", "group", [1])
        stream.trim("a/b", 1)
        assert (stream.read("a/b"), stream.topics()) == ([(2, b"y")], [("a/b", 0)])
    with pytest.raises(RefusedError, match="does not let"):
        RedisStore.open(f"{url}?prefix=other")


def test_a_wrong_password_is_told_and_not_shown(redis_server: LocalRedis) -> None:
    for url in (f"redis://:wrong-secret@127.0.0.1:{redis_server.port}/0", f"redis://127.0.0.1:{redis_server.port}/0"):
        with pytest.raises(RefusedError, match=PASSWORD_VARIABLE) as told:
            RedisStore.open(url)
        assert "wrong-secret" not in f"{told.value!r} {told.value.__cause__!r}"


def test_the_password_may_be_in_the_environment(redis_server: LocalRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, redis_server.password)
    with RedisStore.open(f"redis://127.0.0.1:{redis_server.port}/0") as store:
        assert store.get([b"nothing"]) == [None]


def test_where_nothing_listens_the_error_names_the_server() -> None:
    port = free_port()
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        RedisStore.open(StoreUrl.parse(f"redis://127.0.0.1:{port}/0"))


def test_another_format_is_refused(redis_server: LocalRedis, raw: "redis.Redis") -> None:
    raw.set("newer:format", "2")
    with pytest.raises(InvalidError, match="format"):
        RedisStore.open(f"{redis_server.url}?prefix=newer")
    assert raw.get("newer:format") == b"2"


def test_a_write_that_does_not_come_to_the_log_in_time_is_not_acknowledged(tmp_path: Path) -> None:
    with LocalRedis.start(tmp_path, settings={"appendfsync": "no"}) as server:
        with redis.Redis(port=server.port, password=server.password) as raw:
            raw.acl_setuser("app", True, passwords=["+secret"], keys=["*"], categories=["+@all"], commands=["-config"])
        url = f"redis://app:secret@127.0.0.1:{server.port}/0?sync_timeout_s=0.1"
        with RedisStore.open(url) as store, pytest.raises(DeadlineError, match="to its disk"):
            store.put([(b"k", 1, b"v")])
        with RedisStream.open(url) as stream, pytest.raises(DeadlineError, match="to its disk"):
            stream.append("a/b", [b"v"])


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    made = [folder / "certificate.pem", folder / "key.pem"]
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-out", made[0], "-keyout", made[1]], check=True, capture_output=True, timeout=30)
    return made[0], made[1]


class _Tls(socketserver.ThreadingTCPServer):
    """A way to the server that speaks TLS, since this build of the server does not."""

    daemon_threads = True

    def __init__(self, server: LocalRedis, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.server_of, self.context = server, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us goes away."""


class _Passing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Tls)
        with (
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self.server.server_of.port), 10) as server,
        ):
            while True:
                ready = [client] if client.pending() else select.select([client, server], [], [], 10)[0]
                for source, sink in ((client, server), (server, client)):
                    if source in ready:
                        if not (data := source.recv(65536)):
                            return
                        sink.sendall(data)


def test_a_connection_with_tls_trusts_the_authority_that_it_is_given_and_no_other(redis_server: LocalRedis, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    with _Tls(redis_server, certificate, key) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        url = f"rediss://:{redis_server.password}@127.0.0.1:{proxy.server_address[1]}/0?prefix=tls"
        with RedisStore.open(f"{url}&ca={certificate}") as store, RedisStream.open(f"{url}&ca={certificate}") as stream:
            entries = [(b"%d" % number, 1, b"v" * 1000) for number in range(2500)]
            assert store.put(entries) == 2500
            assert store.get([each for each, _, _ in entries]) == [(1, b"v" * 1000)] * 2500
            assert stream.append("a/b", [b"x"]) == len(stream.read("a/b"))
        with pytest.raises(UnavailableError, match="certificate"):
            RedisStore.open(url)
        proxy.shutdown()


def test_a_closed_store_says_so(redis_server: LocalRedis) -> None:
    store = RedisStore.open(redis_server.url)
    store.close()
    with pytest.raises(UnavailableError, match="closed"):
        store.get([b"k"])
