"""Spans and measurements that cost next to nothing until a provider is installed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

__all__ = ["Telemetry", "count", "install", "installed", "record", "span"]

Attribute = str | int | float | bool


class Telemetry(Protocol):
    """What an extension installs to carry spans and measurements elsewhere.

    Called from any thread; must neither block nor raise.
    """

    def span(self, name: str, attributes: dict[str, Attribute]) -> AbstractContextManager[None]:
        """Time what happens inside the context."""

    def count(self, name: str, amount: int, attributes: dict[str, Attribute]) -> None:
        """Add to a counter."""

    def record(self, name: str, value: float, attributes: dict[str, Attribute]) -> None:
        """Add one value to a distribution."""


_provider: Telemetry | None = None
_NOTHING = nullcontext()


def install(provider: Telemetry | None) -> None:
    """Send what follows to `provider`; None sends it nowhere."""
    global _provider
    _provider = provider


@contextmanager
def installed(provider: Telemetry) -> Iterator[None]:
    """Send what happens inside the context to `provider`."""
    before = _provider
    install(provider)
    try:
        yield
    finally:
        install(before)


def span(name: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """Time what happens inside the context."""
    return _NOTHING if _provider is None else _provider.span(name, attributes)


def count(name: str, amount: int = 1, **attributes: Attribute) -> None:
    """Add `amount` to the counter `name`."""
    if _provider is not None:
        _provider.count(name, amount, attributes)


def record(name: str, value: float, **attributes: Attribute) -> None:
    """Add `value` to the distribution `name`; its unit is the name's last word (`_s`, `_bytes`)."""
    if _provider is not None:
        _provider.record(name, value, attributes)
