"""Scratch places: stores beside a store, that are made for a test and removed after it."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode
from uuid import uuid4

from attrs import define, evolve, field

from intonaco.core.plugins import Plugins
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.storage.stores import HOOKS
from intonaco.infra.storage.streams import Stream, SupportsTopics

__all__ = ["Scratch"]


@define
class Scratch:
    """A place beside the one that a URL names: another value of the option that sets stores apart, or a path."""

    place: StoreUrl
    of: type[Any] = field(repr=False)

    @classmethod
    def make(cls, kind: str, url: str) -> Self:
        """A place in which nothing is yet, for a store of a kind, as the settings call it."""
        given, name = StoreUrl.parse(url), f"intonaco-check-{uuid4().hex[:12]}"
        hook, what = HOOKS[kind]
        of = Plugins.discover().load(hook, given.scheme, what)
        if of.apart_by:
            return cls(evolve(given, options={**given.options, of.apart_by: name}), of)
        beside = given.path.rstrip("/") + ("." if given.path.strip("/") else "/") + name
        return cls(evolve(given, path=f"{beside}/store"), of)

    @property
    def url(self) -> str:
        """The URL with all that is secret in it."""
        options = f"?{urlencode(self.place.options)}" if self.place.options else ""
        plain = str(evolve(self.place, user="", password="")) + options
        secret = f":{quote(self.place.password, safe='')}" if self.place.password else ""
        credentials = quote(self.place.user, safe="") + secret
        return plain.replace("//", f"//{credentials}@", 1) if credentials else plain

    def open(self) -> Any:
        """The store, once more."""
        return self.of.open(self.place)

    def remove(self) -> None:
        """Remove what the store keeps."""
        if not self.of.apart_by and not self.place.host:
            shutil.rmtree(Path(self.place.path).parent, ignore_errors=True)
            return
        with self.open() as store:
            _empty(store)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()


def _empty(store: Any) -> None:
    if isinstance(store, Database):
        store.drop()
    elif isinstance(store, KeyValueStore):
        store.delete([key for key, _ in store.scan()])
    elif isinstance(store, Stream):
        for topic, partition in store.topics() if isinstance(store, SupportsTopics) else ():
            store.trim(topic, store.end(topic, partition), partition)
    else:
        blobs = getattr(store, "blobs", store)
        for name in list(blobs.names()):
            blobs.delete(name)
