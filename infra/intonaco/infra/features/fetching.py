"""Where a reader has its entries from: the store while it answers, and nothing at once while it does not."""

import threading
import time
from collections.abc import Callable, Sequence

from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore, SupportsDeadline, SupportsValues

__all__ = ["Source", "Values"]

#: The values of keys, in their order; None where there is none.
Values = Callable[[Sequence[bytes]], list[bytes | None]]
#: So many failures in a row, and the store is left alone.
_FAILURES = 3
#: How long; then one read tries it again, so that it is back within a second.
_PAUSE_S = 0.5


@define(eq=False)
class Source:
    """The values of a store, and a circuit breaker: a store that failed some times in a row is not asked for a while.

    `values` is what to call: it changes with what is known of the store, so that as long as all is well it is the store's
    own function. May be called from any thread.
    """

    keyvalue: KeyValueStore
    clock: Callable[[], float] = time.monotonic
    values: Values = field(init=False)
    _plain: Values = field(init=False)
    _failed: int = field(default=0, init=False)
    _again: float = field(default=0.0, init=False)
    _reason: str = field(default="", init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        store = self.keyvalue
        self._plain = store.values if isinstance(store, SupportsValues) else lambda keys: _without_orders(store.get(keys))
        self.values = self._plain

    @property
    def name(self) -> str:
        """The store in a few words."""
        return type(self.keyvalue).__name__.removesuffix("Store").lower()

    @property
    def degraded(self) -> str:
        """Why the store is left alone; empty while it is not."""
        return self._reason if self._failed >= _FAILURES else ""

    def within(self, timeout_s: float | None) -> Values:
        """`values`, given so much time; DeadlineError after it."""
        store = self.keyvalue
        if timeout_s is None or not isinstance(store, SupportsDeadline):
            return self.values
        return lambda keys: self._guarded(keys, lambda keys: _without_orders(store.get_within(keys, timeout_s)))

    def failed(self, error: UnavailableError) -> str:
        """Note that the store did not answer; what to say of it."""
        with self._lock:
            if not isinstance(error, _LeftAlone):
                self._failed, self._reason = self._failed + 1, f"{self.name}: {error.message}"
                self._again = self.clock() + _PAUSE_S
                self.values = self._guarded
            return self._reason

    def _guarded(self, keys: Sequence[bytes], values: Values | None = None) -> list[bytes | None]:
        """The values of a store that failed lately, or had a deadline."""
        if self._failed >= _FAILURES and not self._may_try():
            raise _LeftAlone(self._reason)
        found = (values or self._plain)(keys)
        if self._failed:
            with self._lock:
                self._failed, self._reason, self.values = 0, "", self._plain
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


def _without_orders(entries: Sequence[Entry | None]) -> list[bytes | None]:
    return [None if entry is None else entry[1] for entry in entries]
