"""Readers of the sets that a workspace's feature stores read, kept as long as the catalog says what it said."""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from attrs import define, field

from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.storage.catalog.catalog import Catalog

__all__ = ["KeptReaders"]

#: A change tells when to look again, and damage can hide one: so look now and then without any.
_KEPT_S = 60.0
_MOST = 1000


@define(eq=False)
class KeptReaders:
    """Readers, made when they are first asked for, and again after any change of the catalog. May be called from any thread."""

    catalog: Catalog
    clock: Callable[[], float] = time.monotonic
    _change: int = field(default=-1, init=False)
    _until: float = field(default=0.0, init=False)
    #: The set is kept beside its reader, so that no other one has its identity.
    _kept: dict[tuple[str, str | int], tuple[FeatureSet | str, OnlineReader]] = field(factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def get(self, project: str, features: FeatureSet | str, make: Callable[[], OnlineReader]) -> OnlineReader:
        """The reader of a set, or of what a name means now."""
        kept, key = self._of_now(), (project, features if isinstance(features, str) else id(features))
        if key not in kept:
            kept[key] = features, make()
        return kept[key][1]

    def _of_now(self) -> dict[tuple[str, str | int], tuple[FeatureSet | str, OnlineReader]]:
        change = self.catalog.last_change()
        with self._lock:
            if change != self._change or self.clock() >= self._until or len(self._kept) >= _MOST:
                self._change, self._until, self._kept = change, self.clock() + _KEPT_S, {}
            return self._kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._kept.clear()
