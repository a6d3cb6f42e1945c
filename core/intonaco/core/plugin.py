"""One plugin: what it is called, what it clashes with, and among which others it runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from intonaco.core.errors import DefinitionError

__all__ = ["Plugin", "as_plugin", "clash", "predecessors"]


@frozen(kw_only=True)
class Plugin:
    """A loaded plugin: its name, where it comes from, and its module.

    The module may say `runs_before = ("name",)` and `runs_after = ("name",)` to order its hooks among the others'; a name
    that is not loaded is passed over.
    """

    name: str
    distribution: str
    version: str
    module: Any = field(repr=False)

    def neighbours(self, side: str) -> tuple[str, ...]:
        """What the module says under `runs_before` or `runs_after`."""
        said = getattr(self.module, side, ())
        return (said,) if isinstance(said, str) else tuple(said)


def as_plugin(module: Any, name: str, distribution: str = "given by hand") -> Plugin:
    """A module or object with hook implementations as a plugin, for tests and notebooks."""
    if not name:
        raise DefinitionError("a plugin needs a name")
    return Plugin(name=name, distribution=distribution, version="", module=module)


def clash(plugin: Plugin, others: Iterable[Plugin]) -> str:
    """What another plugin already holds, its name or its module; empty if nothing."""
    for other in others:
        if other.name == plugin.name:
            return f"claims the plugin name {plugin.name!r}, which {other.distribution} already holds"
        if other.module is plugin.module:
            return f"names the module of the plugin {other.name!r}, which {other.distribution} already holds"
    return ""


def predecessors(by_name: Mapping[str, Plugin]) -> dict[str, set[str]]:
    """Of each plugin, those that run before it."""
    graph = {name: {other for other in plugin.neighbours("runs_after") if other in by_name} for name, plugin in by_name.items()}
    for name, plugin in by_name.items():
        for other in plugin.neighbours("runs_before"):
            if other in by_name:
                graph[other].add(name)
    return graph
