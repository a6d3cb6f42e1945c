"""URLs of stores: `file:.intonaco/blobs`, `lmdb:/var/online`, `redis://:secret@host:6379/0`."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import field, frozen

from intonaco.core.errors import SettingsError

__all__ = ["StoreUrl", "without_secrets"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):.*")  # no line breaks
_CREDENTIALS = re.compile(r"//.*@")


def without_secrets(text: str) -> str:
    """What somebody wrote as a URL, its user and password replaced by `***`."""
    return _CREDENTIALS.sub("//***@", text)


@frozen
class StoreUrl:
    """Where a store lives: the scheme names the implementation, the rest is its own.

    Examples
    --------
    >>> StoreUrl.parse("lmdb:online?map_size_gb=4").options
    {'map_size_gb': '4'}
    >>> str(StoreUrl.parse("redis://me:secret@localhost:6379/0"))
    'redis://me:***@localhost:6379/0'
    """

    scheme: str
    path: str
    options: dict[str, str] = field(factory=dict, repr=False, hash=False)
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "StoreUrl":
        """Take a URL apart; a path of the machine needs no slashes after the scheme.

        Raises
        ------
        SettingsError
            It has no scheme, holds control characters, or its port is no number.
        """
        match = _SCHEME.fullmatch(text)
        if match is None or not text.isprintable():
            raise SettingsError(
                f"{without_secrets(text)!r} is not the URL of a store", hint="write SCHEME:PATH, such as file:.intonaco/blobs"
            )
        try:
            parts = urlsplit(text, allow_fragments=False)
            port = parts.port
        except ValueError:  # its text may hold a part of the password
            message = f"the URL of a {match[1]} store cannot be read: its host or its port is malformed"
            raise SettingsError(message, hint="in a password, write %2F for / and %40 for @") from None
        return cls(
            scheme=match[1],
            path=unquote(parts.path),
            options=dict(parse_qsl(parts.query, keep_blank_values=True)),
            host=parts.hostname or "",
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def option(self, name: str, default: str) -> str:
        """The value behind `?name=`, or the default."""
        return self.options.get(name, default)

    def __str__(self) -> str:
        """The URL without its password and options, fit for messages."""
        credentials = f"{self.user}{':***' if self.password else ''}@" if self.user or self.password else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}:{'//' if self.host else ''}{credentials}{self.host}{port}{self.path}"
