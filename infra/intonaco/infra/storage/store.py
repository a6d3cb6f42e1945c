"""What every store has: a URL that opens it and a context manager that closes it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from intonaco.core.urls import StoreUrl

__all__ = ["Store", "as_url"]


def as_url(url: StoreUrl | str) -> StoreUrl:
    """The URL of a store, taken apart if it is text."""
    return url if isinstance(url, StoreUrl) else StoreUrl.parse(url)


class Store(ABC):
    """Keeps state behind a URL.

    Every method may be called from any thread, and the same URL may be open in many processes. Whoever opened a store closes it.
    """

    __slots__ = ()

    @classmethod
    @abstractmethod
    def open(cls, url: StoreUrl | str) -> Self:
        """Open, and make if absent, the store behind `url`.

        Raises
        ------
        SettingsError
            The URL holds something that this store does not know.
        UnavailableError
            It cannot be reached or written.
        """

    def close(self) -> None:  # noqa: B027  a store that holds nothing open has nothing to do
        """Let go of what is held open; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
