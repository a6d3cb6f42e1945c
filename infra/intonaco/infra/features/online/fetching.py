"""Where a reader has its entries from: the store while it answers, and nothing at once while it does not."""

import threading
import time
from collections.abc import Callable, Sequence

from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.storage.entries import VALUE
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore, Stored, SupportsDeadline, SupportsStored

__all__ = ["Source"]

_HEAD, _TAIL = bytes(VALUE.start), bytes(-VALUE.stop)
#: So many failures in a row, and the store is left alone.
_FAILURES = 3
#: How long; then one read tries it again, so that it is back within a second.
_PAUSE_S = 0.5


@define(eq=False)
class Source:
    """What a store holds, and a circuit breaker: a store that failed some times in a row is not asked for a while.

    `stored` is what to call: it changes with what is known of the store, so that as long as all is well it is the store's
    own function. May be called from any thread.

    Parameters
    ----------
    prefix
        Of all keys; what `stored` takes stands behind it.
    """

    keyvalue: KeyValueStore
    prefix: bytes
    clock: Callable[[], float] = time.monotonic
    stored: Stored = field(init=False)
    _plain: Stored = field(init=False)
    _bounded: SupportsDeadline | None = field(init=False, repr=False)
    _failed: int = field(default=0, init=False)
    _again: float = field(default=0.0, init=False)
    _reason: str = field(default="", init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        store = self.keyvalue
        self._bounded = store if isinstance(store, SupportsDeadline) else None
        if isinstance(store, SupportsStored):
            self._plain = store.stored_under(self.prefix)
        else:
            self._plain = lambda keys: _as_stored(store.get(self._whole(keys)))
        self.stored = self._plain

    @property
    def name(self) -> str:
        """The store in a few words."""
        return type(self.keyvalue).__name__.removesuffix("Store").lower()

    @property
    def degraded(self) -> str:
        """Why the store is left alone; empty while it is not."""
        return self._reason if self._failed >= _FAILURES else ""

    def within(self, timeout_s: float | None) -> Stored:
        """`stored`, given so much time; DeadlineError after it."""
        store = self._bounded
        if timeout_s is None or store is None:
            return self.stored
        return lambda keys: self._guarded(keys, lambda keys: _as_stored(store.get_within(self._whole(keys), timeout_s)))

    def _whole(self, keys: Sequence[bytes]) -> list[bytes]:
        return [self.prefix + key for key in keys]

    def failed(self, error: UnavailableError) -> str:
        """Note that the store did not answer; what to say of it."""
        with self._lock:
            if not isinstance(error, _LeftAlone):
                self._failed, self._reason = self._failed + 1, f"{self.name}: {error.message}"
                self._again = self.clock() + _PAUSE_S
                self.stored = self._guarded
            return self._reason

    def _guarded(self, keys: Sequence[bytes], stored: Stored | None = None) -> list[bytes | None]:
        """What a store holds that failed lately, or had a deadline."""
        if self._failed >= _FAILURES and not self._may_try():
            raise _LeftAlone(self._reason)
        found = (stored or self._plain)(keys)
        if self._failed:
            with self._lock:
                self._failed, self._reason, self.stored = 0, "", self._plain
        return found

    def _may_try(self) -> bool:
        with self._lock:
            now = self.clock()
            if now < self._again:
                return False
            self._again = now + _PAUSE_S
            return True


class _LeftAlone(UnavailableError):
    """The store was not asked, because it did not answer before."""


def _as_stored(entries: Sequence[Entry | None]) -> list[bytes | None]:
    """Values where `VALUE` finds them."""
    return [None if entry is None else _HEAD + entry[1] + _TAIL for entry in entries]
