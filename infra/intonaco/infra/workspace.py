"""The workspace: frozen settings and what they open, once per process."""

import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import define, evolve, field, fields, frozen

from intonaco.core.errors import DefinitionError, InvalidError, SettingsError, UnavailableError
from intonaco.core.plugins import Plugins, load_path
from intonaco.core.references import DEFAULT_PROJECT, check_name
from intonaco.core.settings import read_settings
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.stores import HOOKS

if TYPE_CHECKING:
    from intonaco.infra.compute.tables import TableEngine
    from intonaco.infra.compute.tasks import TaskEngine
    from intonaco.infra.storage.blobs import BlobStore
    from intonaco.infra.storage.catalog import Catalog
    from intonaco.infra.storage.guarantees import Guarantee
    from intonaco.infra.storage.keyvalue import KeyValueStore
    from intonaco.infra.storage.streams import Stream
    from intonaco.infra.storage.tables import TableStore

__all__ = ["SETTINGS_FILE", "Settings", "Workspace"]

SETTINGS_FILE = "intonaco.toml"


def _store_url(_: object, attribute: Any, value: str) -> None:
    StoreUrl.parse(value)


def _at_least(least: float) -> Callable[[object, Any, float], None]:
    def check(_: object, attribute: Any, value: float) -> None:
        if value < least:
            raise InvalidError(f"{attribute.name} is {value}; it must be at least {least}")

    return check


@frozen(kw_only=True)
class StoreSettings:
    """Where state is kept; a relative path is one of the workspace's folder."""

    blobs: str = field(default="file:.intonaco/blobs", validator=_store_url)
    tables: str = field(default="file:.intonaco/tables", validator=_store_url)
    keyvalue: str = field(default="lmdb:.intonaco/online", validator=_store_url)
    stream: str = field(default="sqlite:.intonaco/streams.db", validator=_store_url)
    catalog: str = field(default="sqlite:.intonaco/catalog.db", validator=_store_url)


@frozen(kw_only=True)
class EngineSettings:
    """What does the work, and with how many processes and threads."""

    tasks: str = "local"
    tables: str = "polars"
    workers: int = field(default=2, validator=_at_least(1))
    threads: int = field(default=2, validator=_at_least(1))


@frozen(kw_only=True)
class PluginSettings:
    """Plugins to leave out, and plugins without which nothing is to run."""

    disabled: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@frozen(kw_only=True)
class ServingSettings:
    """The built-in server; an address beyond loopback needs a token.

    Parameters
    ----------
    grpc_port
        Of gRPC, at the same host; 0 takes a free one, -1 leaves gRPC off. It needs the extra `grpc` of intonaco-infra.
    features_s
        How long a read of features may take, within the deadline.
    degrade
        Whether a request is answered with defaults when the store of features does not answer, and says so; else it gets 503.
    """

    host: str = "127.0.0.1"
    port: int = field(default=8080, validator=_at_least(0))
    grpc_port: int = field(default=-1, validator=_at_least(-1))
    token: str = field(default="", repr=False)
    deadline_s: float = field(default=10.0, validator=_at_least(0.001))
    features_s: float = field(default=0.5, validator=_at_least(0.001))
    degrade: bool = True
    body_limit_bytes: int = field(default=16 * 1024 * 1024, validator=_at_least(1024))
    queue_limit: int = field(default=1024, validator=_at_least(1))
    memory_limit_mb: int = field(default=2048, validator=_at_least(64))
    ledger_limit_bytes: int = field(default=256 * 1024 * 1024, validator=_at_least(1024))
    trust_code: bool = False


@frozen(kw_only=True)
class FeatureSettings:
    """Reading features; so many rows a second are kept of what is read online, to measure consistency, none if 0."""

    logged_rows_per_s: float = field(default=10.0, validator=_at_least(0))


@frozen(kw_only=True)
class Settings:
    """All that `intonaco.toml` can say."""

    project: str = field(default=DEFAULT_PROJECT, validator=lambda _, __, value: check_name(value, "project") and None)
    definitions: tuple[str, ...] = ()
    stores: StoreSettings = StoreSettings()
    engines: EngineSettings = EngineSettings()
    plugins: PluginSettings = PluginSettings()
    features: FeatureSettings = FeatureSettings()
    serving: ServingSettings = ServingSettings()
    extensions: Mapping[str, Mapping[str, Any]] = field(factory=dict)


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
            from intonaco.infra.storage.movable import movable

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
        for who, needs in self._needs or [("the workspace", {})]:
            check_guarantees(f"stores.{name} ({self.url(name)})", lacks, needs.get(name, asked.promises - asked.waived()), who)

    def _is_outside(self, name: str) -> bool:
        offer = self.plugins.offers(HOOKS[name][0]).get(self.url(name).scheme)
        return offer is not None and offer.plugin != "infra"

    def _engine(self, hook: str, name: str, what: str) -> Any:
        return self.plugins.load(hook, name, what).open(self)

    def _open_catalog(self) -> Any:
        from intonaco.infra.storage.catalog import Catalog

        rooms = [load_path(offer.path) for offer in self.plugins.offers("catalog_rooms").values()]
        return self._checked("catalog", Catalog.open(self.url("catalog"), rooms, self.plugins))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._opened:
            with self._lock:
                if name not in self._opened:
                    self._opened[name] = self._closing.enter_context(make())
        return self._opened[name]
