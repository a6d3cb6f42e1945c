"""URLs of Redis: which server, which database, and within which times it has to answer."""

import os
import re
from typing import Self

from attrs import field, frozen

from intonaco.core.errors import SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.store import as_url

__all__ = ["PASSWORD_VARIABLE", "Address"]

PASSWORD_VARIABLE = "INTONACO_REDIS_PASSWORD"
_DURABLE = ("no", "process", "machine")
_OPTIONS = ("ca", "connections", "durable", "prefix", "sync_timeout_s", "timeout_s")
_PORT = 6379
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@frozen(kw_only=True)
class Address:
    """What `redis://USER:PASSWORD@HOST:PORT/DB?OPTIONS` says.

    Parameters
    ----------
    prefix
        What all keys begin with: stores of one database with different prefixes do not meet.
    timeout_s
        How long a call may take, unless it says itself; the wait for a connection is in it.
    sync_timeout_s
        How long the server may take to bring a write to its disk.
    connections
        The most that are open at once; a call beyond waits for one.
    ca
        With TLS, the file of the authority that signed the server's certificate; those of the system by default.
    durable
        What an acknowledged write has to survive: `process`, the death of the server; `machine`, that of its machine; or `no`.
    """

    url: StoreUrl
    host: str
    port: int = _PORT
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str = ""
    prefix: str = "intonaco"
    timeout_s: float = 5.0
    sync_timeout_s: float = 10.0
    connections: int = 16
    durable: str = "process"

    @classmethod
    def of(cls, url: StoreUrl | str) -> Self:
        """Take the URL apart; the password may be in the environment instead."""
        url = as_url(url)
        unknown = sorted(set(url.options) - set(_OPTIONS))
        if unknown:
            raise SettingsError(f"{url} has the unknown option {unknown[0]!r}", hint=f"known: {', '.join(_OPTIONS)}", field=unknown[0])
        if not url.host:
            raise SettingsError(f"{url} names no host", hint="write redis://HOST:PORT/DATABASE")
        return cls(
            url=url,
            host=url.host,
            port=url.port or _PORT,
            database=_database(url),
            user=url.user,
            password=url.password or os.environ.get(PASSWORD_VARIABLE, ""),
            tls=url.scheme == "rediss",
            ca=_ca(url),
            prefix=_prefix(url),
            timeout_s=_number(url, "timeout_s", "5", 0.001, 3600),
            sync_timeout_s=_number(url, "sync_timeout_s", "10", 0.001, 3600),
            connections=int(_number(url, "connections", "16", 1, 10_000)),
            durable=_durable(url),
        )


def _database(url: StoreUrl) -> int:
    text = url.path.strip("/") or "0"
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise SettingsError(f"{url} names no database", hint="write the number of one: redis://HOST:PORT/0")
    return int(text)


def _ca(url: StoreUrl) -> str:
    text = url.option("ca", "")
    if text and (url.scheme != "rediss" or not os.path.isfile(text)):
        raise SettingsError(f"ca of {url} is {text!r}, expected a file, and rediss:", field="ca")
    return text


def _prefix(url: StoreUrl) -> str:
    text = url.option("prefix", "intonaco")
    if not _PREFIX.fullmatch(text):
        raise SettingsError(f"prefix of {url} is {text!r}, expected letters, digits, and _ . -", field="prefix")
    return text


def _number(url: StoreUrl, name: str, default: str, least: float, most: float) -> float:
    text = url.option(name, default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        raise SettingsError(f"{name} of {url} is {text!r}, expected a number from {least:g} to {most:g}", field=name)
    return number


def _durable(url: StoreUrl) -> str:
    text = url.option("durable", "process")
    if text not in _DURABLE:
        raise SettingsError(f"durable of {url} is {text!r}, expected {' or '.join(_DURABLE)}", field="durable")
    return text
