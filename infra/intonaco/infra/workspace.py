"""The workspace: frozen settings and what they open, once per process."""

import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import define, evolve, field, fields

from intonaco.core.errors import DefinitionError, SettingsError, UnavailableError
from intonaco.core.plugins import Plugins, load_path, platforms
from intonaco.core.settings import read_settings
from intonaco.core.urls import StoreUrl
from intonaco.infra.settings import Settings, StoreSettings
from intonaco.infra.storage.stores import HOOKS

if TYPE_CHECKING:
    from intonaco.infra.compute.tables import TableEngine
    from intonaco.infra.compute.tasks import TaskEngine
    from intonaco.infra.storage.blobs import BlobStore
    from intonaco.infra.storage.catalog.catalog import Catalog
    from intonaco.infra.storage.guarantees import Guarantee
    from intonaco.infra.storage.keyvalue import KeyValueStore
    from intonaco.infra.storage.streams import Stream
    from intonaco.infra.storage.tables import TableStore

__all__ = ["SETTINGS_FILE", "Workspace"]

SETTINGS_FILE = "intonaco.toml"


@define(eq=False)
class Workspace:
    """Frozen settings and the stores and engines that they name, each opened when first used.

    Open it once per process, and close it, or use it as a context manager; platforms share it.
    """

    root: Path
    settings: Settings
    plugins: Plugins = field(repr=False)
    _needs: "list[tuple[str, Mapping[str, Collection[Guarantee]]]]" = field(factory=list, init=False, repr=False)
    _opened: dict[str, Any] = field(factory=dict, init=False, repr=False)
    _closing: ExitStack = field(factory=ExitStack, init=False, repr=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    @classmethod
    def open(cls, root: Path | str | None = None, *, overrides: Mapping[str, Any] | None = None, plugins: Plugins | None = None) -> Self:
        """Open the workspace of a folder: its `intonaco.toml`, or the embedded defaults under `.intonaco/`.

        Raises
        ------
        SettingsError
            A setting is unknown or not allowed.
        PluginError
            A plugin that the settings require cannot be loaded.
        """
        folder = Path(root or os.environ.get("INTONACO_WORKSPACE") or Path.cwd()).absolute()
        if not folder.is_dir():
            raise SettingsError(f"{folder} is not a folder", hint="intonaco init makes a workspace")
        # Threads of OpenMP that wait by spinning take the cores of those that work: on two busy cores a fit of boosted trees
        # took 14 s of CPU so, and 2 s without. Libraries read this when they are loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        settings = read_settings(Settings, folder / SETTINGS_FILE, overrides=overrides)
        found = plugins or Plugins.discover(disabled=settings.plugins.disabled, required=settings.plugins.required)
        return cls(folder, settings, found)

    @property
    def home(self) -> Path:
        """The folder for what belongs to this machine alone: logs, sockets, caches."""
        return self.root / ".intonaco"

    @property
    def blobs(self) -> "BlobStore":
        opened: BlobStore = self._store("blobs")
        return opened

    @property
    def tables(self) -> "TableStore":
        opened: TableStore = self._store("tables")
        return opened

    @property
    def keyvalue(self) -> "KeyValueStore":
        opened: KeyValueStore = self._store("keyvalue")
        return opened

    @property
    def stream(self) -> "Stream":
        opened: Stream = self._store("stream")
        return opened

    @property
    def catalog(self) -> "Catalog":
        opened: Catalog = self._once("catalog", self._open_catalog)
        return opened

    @property
    def tasks(self) -> "TaskEngine":
        opened: TaskEngine = self._once("tasks", lambda: self._engine("task_engines", self.settings.engines.tasks, "task engine"))
        return opened

    @property
    def engine(self) -> "TableEngine":
        opened: TableEngine = self._once("engine", lambda: self._engine("table_engines", self.settings.engines.tables, "table engine"))
        return opened

    def url(self, store: str) -> StoreUrl:
        """The URL of one of the settings' stores, a relative path made absolute."""
        return self.absolute(StoreUrl.parse(getattr(self.settings.stores, store)))

    def absolute(self, url: StoreUrl) -> StoreUrl:
        """The URL with a path of this workspace's folder, if it has a relative path and no host."""
        return url if url.host or not url.path else evolve(url, path=str(self.root / url.path))

    def open_store(self, name: str, url: StoreUrl | str) -> Any:
        """A store of the kind of a setting behind any URL, opened for the caller, who closes it; of `catalog`, its database."""
        hook, what = HOOKS[name]
        parsed = url if isinstance(url, StoreUrl) else StoreUrl.parse(url)
        return self.plugins.load(hook, parsed.scheme, what).open(parsed)

    def require(self, who: str, needs: "Mapping[str, Collection[Guarantee]]") -> None:
        """Let stores be refused that do not keep what `who` needs of them, by the name of the setting.

        A store that is named, and one that is not embedded, is asked at once if it can be reached, any other when it is
        first used. Of a store that is not named, all that its primitive promises is needed.

        Raises
        ------
        SettingsError
            A store lacks something that is needed; the message says what, the hint what could give it.
        """
        unknown = sorted(set(needs) - set(HOOKS))
        if unknown:
            raise DefinitionError(f"{who} needs something of {unknown[0]!r}, which is no store", hint=f"there are {', '.join(HOOKS)}")
        self._needs.append((who, needs))
        for name in HOOKS:
            if name in self._opened:
                self._check(name, self._opened[name])
            elif name in needs or self._is_outside(name):
                self._try_open(name)

    def require_for_platform(self) -> None:
        """Ask stores, as `require` does, for what the platform needs that the settings name, if they name one."""
        for who, needs in self._of_platform():
            self.require(who, needs)

    def platform(self) -> Any:
        """The class of the platform that the settings name; SettingsError lists those that there are."""
        known, name = platforms(), self.settings.platform
        if name not in known:
            told = f"the setting 'platform' names {name!r}, which is not installed" if name else "the setting 'platform' names none"
            raise SettingsError(told, hint=f"there are {', '.join(sorted(known))}", field="platform")
        return load_path(known[name])

    def _try_open(self, name: str) -> None:
        try:
            getattr(self, name)
        except UnavailableError:
            pass  # it may come back before it is used, and is asked then

    def manifest(self) -> dict[str, Any]:
        """What this workspace is made of: plugins with versions in hook order, stores and engines, without secrets."""
        stores = {each.name: str(StoreUrl.parse(getattr(self.settings.stores, each.name))) for each in fields(StoreSettings)}
        engines = {"tasks": self.settings.engines.tasks, "tables": self.settings.engines.tables}
        return {"plugins": self.plugins.manifest(), "stores": stores, "engines": engines, "project": self.settings.project}

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """What belongs to this workspace under a name: made as a context manager when first asked for, closed with the workspace."""
        return self._once(name, make)

    def close(self) -> None:
        """Close what was opened; a second call does nothing."""
        with self._lock:
            self._opened.clear()
            self._closing.pop_all().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _store(self, name: str) -> Any:
        def opened() -> Any:
            from intonaco.infra.storage.moving.movable import movable

            url = self.url(name)
            return self._checked(name, movable(self.open_store(name, url), f"stores.{name} ({url})", partial(self.open_store, name)))

        return self._once(name, opened)

    def _checked(self, name: str, store: Any) -> Any:
        try:
            self._check(name, store)
        except BaseException:
            store.close()
            raise
        return store

    def _check(self, name: str, store: Any) -> None:
        from intonaco.infra.storage.guarantees import check_guarantees

        asked = store.database if name == "catalog" else store
        lacks = asked.lacks()
        for who, needs in [*self._of_platform(), *self._needs] or [("the workspace", {})]:
            check_guarantees(f"stores.{name} ({self.url(name)})", lacks, needs.get(name, asked.promises - asked.waived()), who)

    def _of_platform(self) -> "list[tuple[str, Mapping[str, Collection[Guarantee]]]]":
        """What the platform needs that the settings name."""
        name = self.settings.platform
        return [(f"the platform {name!r}", self.platform().needs)] if name else []

    def _is_outside(self, name: str) -> bool:
        offer = self.plugins.offers(HOOKS[name][0]).get(self.url(name).scheme)
        return offer is not None and offer.plugin != "infra"

    def _engine(self, hook: str, name: str, what: str) -> Any:
        return self.plugins.load(hook, name, what).open(self)

    def _open_catalog(self) -> Any:
        from intonaco.infra.storage.catalog.catalog import Catalog

        rooms = [load_path(offer.path) for offer in self.plugins.offers("catalog_rooms").values()]
        return self._checked("catalog", Catalog.open(self.url("catalog"), rooms, self.plugins))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._opened:
            with self._lock:
                if name not in self._opened:
                    self._opened[name] = self._closing.enter_context(make())
        return self._opened[name]
