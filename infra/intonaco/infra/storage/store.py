"""What every store has: a URL that opens it and a context manager that closes it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.guarantees import Guarantee

__all__ = ["Store", "as_url"]


def as_url(url: StoreUrl | str) -> StoreUrl:
    """The URL of a store, taken apart if it is text."""
    return url if isinstance(url, StoreUrl) else StoreUrl.parse(url)


class Store(ABC):
    """Keeps state behind a URL.

    Every method may be called from any thread, and the same URL may be open in many processes. Whoever opened a store closes it.
    """

    __slots__ = ()

    #: What every store of the primitive keeps, unless it says in `lacks` that it does not.
    promises: ClassVar[frozenset[Guarantee]] = frozenset()
    #: The URL's option that sets stores of one server apart; empty where the path does.
    apart_by: ClassVar[str] = ""

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

    def lacks(self) -> dict[Guarantee, str]:
        """The guarantees that this store, as it is set up, does not keep, each with what could give it.

        Whoever needs one of them is refused with that text when it opens the store. Of a class that does not define this
        nothing is known, so nothing is granted: define it when its run of the conformance kit has shown what it keeps.
        """
        unknown = f"let {type(self).__name__} say in `lacks` what it does not keep, once its conformance run has shown that"
        return dict.fromkeys(sorted({*self.promises, Guarantee.SHARED}), unknown)

    def waived(self) -> frozenset[Guarantee]:
        """The guarantees that its URL does without in so many words: lacking one is refused only to who names it as needed."""
        return frozenset()

    def close(self) -> None:  # noqa: B027  a store that holds nothing open has nothing to do
        """Let go of what is held open; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
