"""Finding plugins, ordering them, and asking them what they offer.

A distribution names a light module under the entry-point group `intonaco` (its plugin), modules of hook specifications
under `intonaco.hooks`, and platforms under `intonaco.platforms`. A plugin that cannot be loaded is reported and left out.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import define, field, frozen

from intonaco.core.discovery import HOOKS_GROUP, PLUGIN_GROUP, distribution, entry_points, extras, load_path, platforms
from intonaco.core.errors import NotRegisteredError, PluginError
from intonaco.core.fields import nearest, suggestion
from intonaco.core.plugin import Plugin, as_plugin, clash, predecessors

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Failure", "Offer", "Plugin", "Plugins", "as_plugin", "hookimpl", "hookspec", "load_path", "platforms"]

hookspec = pluggy.HookspecMarker("intonaco")
hookimpl = pluggy.HookimplMarker("intonaco")


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
        points = entry_points(HOOKS_GROUP, PLUGIN_GROUP)
        plugins._add_specifications(points[HOOKS_GROUP])
        plugins._add_found(points[PLUGIN_GROUP], frozenset(disabled))
        plugins._check_required(required)
        return plugins

    def add(self, *found: Plugin) -> None:
        """Register plugins behind those already loaded, ordered among themselves by `runs_before` and `runs_after`."""
        kept = self.loaded + self._without_faults(found)
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
                    self._report(plugin, f"{hook} {offer.name!r} is already offered by {kept.plugin} ({kept.distribution}), which stays")
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
            registered = ", ".join(sorted(table)) or "none"
            raise NotRegisteredError(f"no {what} named {name!r}; registered: {registered}", hint=self._hint(name, table), field=name)
        offer = table[name]
        try:
            return load_path(offer.path)
        except PluginError as error:
            message = f"the {what} {name!r} of {offer.distribution} cannot be loaded: {error.message}"
            raise PluginError(message, hint=f"pip install {offer.distribution}", field=name) from error

    def manifest(self) -> list[dict[str, str]]:
        """Name, distribution and version of every plugin, in hook order."""
        return [{"name": each.name, "distribution": each.distribution, "version": each.version} for each in self.loaded]

    def _add_specifications(self, points: Iterable["EntryPoint"]) -> None:
        for point in points:
            module = self._load_point(point)
            try:
                if module is not None:
                    self.manager.add_hookspecs(module)
            except ValueError as error:  # it holds none, or one that another module has specified
                self._report_point(point, f"its hooks cannot be added: {error}")

    def _add_found(self, points: Iterable["EntryPoint"], disabled: frozenset[str]) -> None:
        found = []
        for point in points:
            module = None if point.name in disabled else self._load_point(point)
            if module is not None:
                version = point.dist.version if point.dist else ""
                found.append(Plugin(name=point.name, distribution=distribution(point), version=version, module=module))
        self.add(*found)

    def _load_point(self, point: "EntryPoint") -> Any:
        try:
            return point.load()
        except Exception as error:  # a foreign module may raise anything while it is imported
            self._report_point(point, f"cannot be imported: {type(error).__name__}: {error}")
            return None

    def _check_required(self, required: Iterable[str]) -> None:
        names = {plugin.name for plugin in self.loaded}
        for name in required:
            if name not in names:
                reason = self._why_left_out(name)
                hint = "" if reason else suggestion(name, names)
                raise PluginError(f"the settings require the plugin {name!r}: {reason or 'it is not installed'}", hint=hint, field=name)

    def _without_faults(self, found: Iterable[Plugin]) -> list[Plugin]:
        kept: list[Plugin] = []
        for plugin in found:
            fault = clash(plugin, self.loaded + kept) or self._registration_fault(plugin)
            if fault:
                self._report(plugin, fault)
            else:
                kept.append(plugin)
        return kept

    def _registration_fault(self, plugin: Plugin) -> str:
        """Why the plugin's order or hooks cannot be used, tried and undone; empty if they can."""
        try:
            plugin.neighbours("runs_before"), plugin.neighbours("runs_after")
            self.manager.register(plugin.module, name=plugin.name)
            self.manager.check_pending()
        except (pluggy.PluginValidationError, TypeError, ValueError) as error:
            return " ".join(str(error).split())
        finally:
            if self.manager.get_plugin(plugin.name) is not None:
                self.manager.unregister(name=plugin.name)
        return ""

    def _ordered(self, plugins: Iterable[Plugin]) -> list[Plugin]:
        """In the order that `runs_before` and `runs_after` ask for; by name where they say nothing."""
        by_name = {plugin.name: plugin for plugin in sorted(plugins, key=lambda each: each.name)}
        try:
            return [by_name[name] for name in TopologicalSorter(predecessors(by_name)).static_order()]
        except CycleError as error:
            circle = error.args[1]
            reason = f"runs_before and runs_after form a circle: {' → '.join(circle)}; the order is by name"
            self._report(by_name[min(circle)], reason)
            return list(by_name.values())

    def _offers_of(self, plugin: Plugin, hook: str) -> list[Offer]:
        function = getattr(plugin.module, hook, None)
        if function is None or not hasattr(function, "intonaco_impl"):
            return []
        try:
            table: Mapping[str, str] = function()
            pairs = [(name, path) for name, path in table.items()]
        except Exception as error:  # a foreign function may raise anything
            self._report(plugin, f"{hook} fails: {type(error).__name__}: {error}")
            return []
        return [
            Offer(name=name, path=path, plugin=plugin.name, distribution=plugin.distribution)
            for name, path in pairs
            if self._is_offer(plugin, hook, name, path)
        ]

    def _is_offer(self, plugin: Plugin, hook: str, name: object, path: object) -> bool:
        good = isinstance(name, str) and isinstance(path, str)
        if not good:
            self._report(plugin, f"{hook} offers {name!r}: {path!r}; names and import paths must be text")
        return good

    def _hint(self, name: str, known: Iterable[str]) -> str:
        """Why the plugin of that name is left out, else the package that would add it, else the nearest known name."""
        reason = self._why_left_out(name)
        if reason:
            return f"the plugin {name!r} is left out: {reason}"
        # An extension is named for what it adds, or for how that begins: postgres for postgresql.
        adds = next((extra for extra in sorted(set(extras("intonaco")) - {"dev", "docs"}) if name.startswith(extra)), "")
        return f"pip install intonaco-{adds} adds {name!r}" if adds else nearest(name, known)

    def _why_left_out(self, name: str) -> str:
        loaded = {plugin.name for plugin in self.loaded}
        reasons = [f"{each.distribution} {each.reason}" for each in self.failures if each.name == name and name not in loaded]
        return reasons[0] if reasons else ""

    def _report_point(self, point: "EntryPoint", reason: str) -> None:
        self._add_failure(Failure(name=point.name, distribution=distribution(point), reason=reason))

    def _report(self, plugin: Plugin, reason: str) -> None:
        self._add_failure(Failure(name=plugin.name, distribution=plugin.distribution, reason=reason))

    def _add_failure(self, failure: Failure) -> None:
        if failure not in self.failures:
            self.failures.append(failure)
