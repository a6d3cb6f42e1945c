import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core import StoreUrl
from intonaco.core.errors import SettingsError
from intonaco.core.urls import without_secrets


def test_a_relative_path_needs_no_slashes() -> None:
    assert StoreUrl.parse("lmdb:.intonaco/online") == StoreUrl("lmdb", ".intonaco/online")


def test_an_absolute_path_is_kept() -> None:
    assert StoreUrl.parse("file:/var/my blobs#1").path == "/var/my blobs#1"


def test_every_part_is_told_apart() -> None:
    url = StoreUrl.parse("redis://me:p%40ss@[::1]:6379/0?timeout_s=2&empty=")
    assert (url.user, url.password, url.host, url.port, url.path) == ("me", "p@ss", "::1", 6379, "/0")
    assert url.option("timeout_s", "1") == "2"
    assert url.option("empty", "1") == ""
    assert url.option("other", "1") == "1"


@pytest.mark.parametrize(
    "text", ["", "/var/blobs", "blobs", "S3://bucket", ":x", "file:a\nb", "file:a\x00b", "redis://host:port/0", "redis://[::1/0"]
)
def test_what_is_no_store_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        StoreUrl.parse(text)


@pytest.mark.parametrize(
    "text",
    ["redis://me:geheim@host:6379/0", "redis://:geheim@host", "Redis://:geheim@host", "redis://:gehe/im@host", "redis://:gehe@im@host:x"],
)
def test_no_password_is_ever_shown(text: str) -> None:
    try:
        shown = str(StoreUrl.parse(text)) + repr(StoreUrl.parse(text))
    except SettingsError as error:
        shown = str(error)
    assert "gehe" not in shown
    assert "gehe" not in without_secrets(text)


@given(st.text())
def test_any_text_is_a_store_or_refused(text: str) -> None:
    try:
        assert hash(StoreUrl.parse(text)) is not None
    except SettingsError:
        pass
