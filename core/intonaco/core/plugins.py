"""Finding plugins, ordering them, and asking them what they offer.

A distribution names a light module under the entry-point group `intonaco` (its plugin), modules of hook specifications
under `intonaco.hooks`, and platforms under `intonaco.platforms`. A plugin that cannot be loaded is reported and left out.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import define, field, frozen

from intonaco.core.errors import IntonacoError, NotRegisteredError, PluginError
from intonaco.core.schema import suggestion

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Failure", "Offer", "Plugin", "Plugins", "hookimpl", "hookspec", "load_path"]

PLUGIN_GROUP = "intonaco"
HOOKS_GROUP = "intonaco.hooks"
PLATFORM_GROUP = "intonaco.platforms"

hookspec = pluggy.HookspecMarker("intonaco")
hookimpl = pluggy.HookimplMarker("intonaco")


@frozen(kw_only=True)
class Plugin:
    """A loaded plugin: its name, where it comes from, and its module.

    The module may say `runs_before = ("name",)` and `runs_after = ("name",)` to order its hooks among the others'.
    """

    name: str
    distribution: str
    version: str
    module: Any = field(repr=False)


@frozen(kw_only=True)
class Failure:
    """A plugin or an offer that was left out, and why."""

    name: str
    distribution: str
    reason: str


@frozen(kw_only=True)
class Offer:
    """What a provider hook offers under a name: an import path, and the plugin that offers it."""

    name: str
    path: str
    plugin: str
    distribution: str


def load_path(path: str) -> Any:
    """The object behind an import path `package.module:name`.

    Raises
    ------
    PluginError
        The module cannot be imported or lacks the name.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name) if name else import_module(module)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{path!r} cannot be loaded: {error}") from error


@define
class Plugins:
    """All plugins of a process, in the order in which their hooks run.

    Build with `discover`, or empty for tests and add with `add`. Reading is safe from any thread once built.
    """

    manager: pluggy.PluginManager = field(factory=lambda: pluggy.PluginManager("intonaco"), repr=False)
    loaded: list[Plugin] = field(factory=list)
    failures: list[Failure] = field(factory=list)

    @classmethod
    def discover(cls, *, disabled: Iterable[str] = (), required: Iterable[str] = ()) -> "Plugins":
        """Load every installed plugin.

        Raises
        ------
        PluginError
            A required plugin is not installed or cannot be loaded.
        """
        plugins = cls()
        plugins._add_specifications()
        plugins._add_found(frozenset(disabled))
        plugins._check_required(required)
        return plugins

    def add(self, *found: Plugin) -> None:
        """Register plugins behind those already loaded, ordered among themselves by `runs_before` and `runs_after`."""
        kept = self.loaded + self._without_duplicates(found)
        for plugin in self.loaded:
            self.manager.unregister(name=plugin.name)
        self.loaded = self._ordered(kept)
        for plugin in reversed(self.loaded):  # pluggy calls the last registered first
            self.manager.register(plugin.module, name=plugin.name)

    @property
    def hook(self) -> Any:
        """The hooks, to be called by the one typed function that each has."""
        return self.manager.hook

    def offers(self, hook: str) -> dict[str, Offer]:
        """All that plugins offer under a provider hook, by name; of two offers of a name the first plugin's holds."""
        table: dict[str, Offer] = {}
        for plugin in self.loaded:
            for offer in self._offers_of(plugin, hook):
                kept = table.setdefault(offer.name, offer)
                if kept.path != offer.path:
                    self._report(plugin.name, plugin.distribution, f"{hook} {offer.name!r} is already offered by {kept.plugin} ({kept.distribution}), which stays")
        return table

    def load(self, hook: str, name: str, what: str) -> Any:
        """Import what is offered under `name`; `what` is its kind, for the message.

        Raises
        ------
        NotRegisteredError
            Nothing of that name is offered; the message lists what is, and the package that would add it.
        PluginError
            It is offered, but cannot be imported.
        """
        table = self.offers(hook)
        if name not in table:
            raise NotRegisteredError(f"no {what} named {name!r}; registered: {', '.join(sorted(table)) or 'none'}", hint=_install_hint(name, table), field=name)
        offer = table[name]
        try:
            return load_path(offer.path)
        except PluginError as error:
            raise PluginError(f"the {what} {name!r} of {offer.distribution} cannot be loaded: {error.message}", hint=f"pip install {offer.distribution}") from error

    def manifest(self) -> list[dict[str, str]]:
        """Name, distribution and version of every plugin, in hook order."""
        return [{"name": each.name, "distribution": each.distribution, "version": each.version} for each in self.loaded]

    def _add_specifications(self) -> None:
        for point in _entry_points(HOOKS_GROUP):
            module = self._load_point(point)
            if module is not None:
                self.manager.add_hookspecs(module)

    def _add_found(self, disabled: frozenset[str]) -> None:
        found = []
        for point in _entry_points(PLUGIN_GROUP):
            module = None if point.name in disabled else self._load_point(point)
            if module is not None:
                found.append(Plugin(name=point.name, distribution=_distribution(point), version=point.dist.version if point.dist else "", module=module))
        self.add(*found)

    def _load_point(self, point: "EntryPoint") -> Any:
        try:
            return point.load()
        except Exception as error:  # a foreign module may raise anything while it is imported
            self._report(point.name, _distribution(point), f"cannot be imported: {type(error).__name__}: {error}")
            return None

    def _check_required(self, required: Iterable[str]) -> None:
        names = {plugin.name for plugin in self.loaded}
        for name in required:
            if name not in names:
                reasons = [failure.reason for failure in self.failures if failure.name == name]
                raise PluginError(f"the settings require the plugin {name!r}: {reasons[0] if reasons else 'it is not installed'}", hint=suggestion(name, names), field=name)

    def _without_duplicates(self, found: Iterable[Plugin]) -> list[Plugin]:
        held = {plugin.name: plugin.distribution for plugin in self.loaded}
        kept = []
        for plugin in found:
            if plugin.name in held:
                self._report(plugin.name, plugin.distribution, f"claims the plugin name {plugin.name!r}, which {held[plugin.name]} already holds")
            elif (fault := self._registration_fault(plugin)) is not None:
                self._report(plugin.name, plugin.distribution, fault)
            else:
                held[plugin.name] = plugin.distribution
                kept.append(plugin)
        return kept

    def _registration_fault(self, plugin: Plugin) -> str | None:
        """Why pluggy refuses the plugin's hooks, tried and undone."""
        try:
            self.manager.register(plugin.module, name=plugin.name)
            self.manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            fault = str(error).strip().replace("\n", " ")
        else:
            fault = None
        if self.manager.get_plugin(plugin.name) is not None:
            self.manager.unregister(name=plugin.name)
        return fault

    def _ordered(self, plugins: list[Plugin]) -> list[Plugin]:
        """In the order that `runs_before` and `runs_after` ask for; by name where they say nothing."""
        by_name = {plugin.name: plugin for plugin in sorted(plugins, key=lambda each: each.name)}
        graph: dict[str, set[str]] = {name: set() for name in by_name}
        for name, plugin in by_name.items():
            graph[name].update(other for other in getattr(plugin.module, "runs_after", ()) if other in by_name)
            for other in getattr(plugin.module, "runs_before", ()):
                if other in by_name:
                    graph[other].add(name)
        try:
            return [by_name[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            circle = error.args[1]
            self._report(circle[0], by_name[circle[0]].distribution, f"runs_before and runs_after form a circle: {' → '.join(circle)}; the order is by name")
            return list(by_name.values())

    def _offers_of(self, plugin: Plugin, hook: str) -> list[Offer]:
        function = getattr(plugin.module, hook, None)
        if function is None or not hasattr(function, "intonaco_impl"):
            return []
        try:
            table: Mapping[str, str] = function()
            return [Offer(name=name, path=path, plugin=plugin.name, distribution=plugin.distribution) for name, path in table.items()]
        except Exception as error:  # a foreign function may raise anything
            self._report(plugin.name, plugin.distribution, f"{hook} fails: {type(error).__name__}: {error}")
            return []

    def _report(self, name: str, distribution: str, reason: str) -> None:
        failure = Failure(name=name, distribution=distribution, reason=reason)
        if failure not in self.failures:
            self.failures.append(failure)


def platforms() -> dict[str, str]:
    """Names of the installed platforms, to the import paths of their classes."""
    return {point.name: point.value for point in _entry_points(PLATFORM_GROUP)}


def _entry_points(group: str) -> list["EntryPoint"]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=group), key=lambda point: (point.name, _distribution(point)))


def _distribution(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else "unknown"


def _install_hint(name: str, known: Iterable[str]) -> str:
    """The package that would add `name`, if the distribution `intonaco` knows one, else the nearest known name."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        extras = metadata("intonaco").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        extras = []
    return f"pip install intonaco-{name} adds {name!r}" if name in extras else suggestion(name, known)


def as_plugin(module: Any, name: str, distribution: str = "given by hand") -> Plugin:
    """A module or object with hook implementations as a plugin, for tests and notebooks."""
    if not isinstance(name, str) or not name:
        raise IntonacoError("a plugin needs a name")
    return Plugin(name=name, distribution=distribution, version="", module=module)
