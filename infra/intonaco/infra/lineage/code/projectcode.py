"""Which modules are project code, whose source counts, and which are installed libraries, whose versions do."""

import sys
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from intonaco.core.discovery import PLATFORM_GROUP, PLUGIN_GROUP, entry_points

__all__ = ["is_project"]


def is_project(module: str) -> bool:
    """Whether a module is project code: ours, a plugin's, or anything that lies outside the installed packages."""
    return _is_project(module.partition(".")[0])


@cache
def _is_project(top: str) -> bool:
    if top in sys.stdlib_module_names:
        return False
    if top in _plugin_tops():
        return True
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return top in sys.modules  # `__main__` and modules made by hand
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and not any(Path(place).resolve().is_relative_to(folder) for place in places for folder in _installed())


@cache
def _plugin_tops() -> frozenset[str]:
    found = entry_points(PLUGIN_GROUP, PLATFORM_GROUP)
    return frozenset({"intonaco", *(point.value.partition(":")[0].partition(".")[0] for points in found.values() for point in points)})


@cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    folders = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*folders, *(Path(entry).resolve() for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")))
