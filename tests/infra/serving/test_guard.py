import pytest

from intonaco.infra.serving.front.guard import Guard

OPEN = Guard.of("127.0.0.1", "")
CLOSED = Guard.of("0.0.0.0", "secret")


def status(guard: Guard, headers: dict[str, str], *, open_to_all: bool = False) -> int:
    given = {name.encode(): value.encode() for name, value in headers.items()}
    refused = guard.refuse(given, open_to_all=open_to_all)
    return 200 if refused is None else refused[0]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:9", "[::1]:8080", "[::1]"])
def test_a_loopback_server_is_known_by_its_names(host: str) -> None:
    assert status(OPEN, {"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8080", "localhost.evil.example", "localhost:8080@evil.example", "127.0.0.1.nip.io", "localhost:x"],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert status(OPEN, {"host": host}) == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "https://localhost:8080.evil.example", "file://", "http://[", "\xff"]
)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    assert status(OPEN, {"host": "localhost:8080", "origin": origin}) == 403


def test_a_page_of_the_server_itself_is_taken() -> None:
    assert status(OPEN, {"host": "localhost:8080", "origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}) == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_sends_from_elsewhere_is_refused(site: str) -> None:
    assert status(OPEN, {"host": "localhost:8080", "sec-fetch-site": site}) == 403


@pytest.mark.parametrize("given", ["", "secret", "Bearer", "Bearer wrong", "Bearer secret2", "Basic secret"])
def test_without_the_token_nothing_but_health_is_open(given: str) -> None:
    headers = {"host": "box:8080", **({"authorization": given} if given else {})}
    assert status(CLOSED, headers) == 401
    assert status(CLOSED, headers, open_to_all=True) == 200


@pytest.mark.parametrize("given", ["Bearer secret", "bearer secret", "Bearer  secret "])
def test_with_the_token_all_is_open(given: str) -> None:
    assert status(CLOSED, {"host": "box:8080", "authorization": given}) == 200


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(CLOSED)
