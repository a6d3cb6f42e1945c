import pytest

from intonaco.core.errors import UnavailableError
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.local import LocalS3
from intonaco.ext.s3.proxy import Proxy
from intonaco.ext.s3.tables import S3TableStore

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow


def through(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in proxy.through.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("known", [False, True])
def test_a_store_that_ignores_if_none_match_is_refused(s3: str, s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    if known:
        S3BlobStore.open(s3).close()
    with Proxy(environ=s3_server.environ, strip={"if-none-match"}) as proxy:
        through(proxy, monkeypatch)
        for opened in (S3BlobStore, S3TableStore):
            with pytest.raises(UnavailableError, match="ignores If-None-Match") as refused:
                opened.open(s3)
            assert "concurrent writers would lose data" in refused.value.hint


def test_a_store_that_heeds_it_behind_a_proxy_is_opened(s3: str, s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(environ=s3_server.environ) as proxy:
        through(proxy, monkeypatch)
        with S3BlobStore.open(s3) as store:
            store.create("a", b"through")
            assert store.read("a") == b"through"


def test_opening_a_known_store_asks_once(s3: str, s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    S3BlobStore.open(s3).close()
    with Proxy(environ=s3_server.environ, seen=lambda method, path: asked.append((method, path))) as proxy:
        through(proxy, monkeypatch)
        S3BlobStore.open(s3).close()
    assert [method for method, _ in asked] == ["PUT"]


def test_wrong_credentials_say_what_to_set(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the secret")
    with pytest.raises(UnavailableError, match="SignatureDoesNotMatch") as refused:
        S3BlobStore.open(s3)
    assert "AWS_SECRET_ACCESS_KEY" in refused.value.hint
    assert "not the secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="cannot be opened"):
        S3BlobStore.open(s3)


def test_a_bucket_is_made_if_there_is_none(s3_server: LocalS3, s3: str) -> None:
    with S3BlobStore.open("s3://a-new-bucket") as store:
        store.create("a", b"")
        assert list(store.names()) == ["a"]
