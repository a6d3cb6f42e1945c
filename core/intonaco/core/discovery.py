"""Finding what distributions name in their metadata, and importing what is named by a path."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from intonaco.core.errors import PluginError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["HOOKS_GROUP", "PLATFORM_GROUP", "PLUGIN_GROUP", "distribution", "entry_points", "extras", "load_path", "platforms"]

PLUGIN_GROUP = "intonaco"
HOOKS_GROUP = "intonaco.hooks"
PLATFORM_GROUP = "intonaco.platforms"


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
    except Exception as error:  # a foreign module may raise anything while it is imported
        raise PluginError(f"{path!r} cannot be loaded: {type(error).__name__}: {error}") from error


def platforms() -> dict[str, str]:
    """Names of the installed platforms, to the import paths of their classes."""
    return {point.name: point.value for point in entry_points(PLATFORM_GROUP)[PLATFORM_GROUP]}


def entry_points(*groups: str) -> dict[str, list["EntryPoint"]]:
    """What installed distributions name under each of these groups, sorted by name, then by distribution."""
    from importlib import metadata

    found = metadata.entry_points()  # reads the metadata of every distribution: once for all groups
    return {group: sorted(found.select(group=group), key=lambda point: (point.name, distribution(point))) for group in groups}


def distribution(point: "EntryPoint") -> str:
    """The name of the distribution that an entry point comes from."""
    return point.dist.name if point.dist else "unknown"


def extras(name: str) -> Iterable[str]:
    """The extras of a distribution; none if it is not installed."""
    from importlib import metadata

    try:
        return metadata.metadata(name).get_all("Provides-Extra") or ()
    except metadata.PackageNotFoundError:
        return ()
