"""What the modules that the settings name define: entities, views and sets to apply, and labels."""

import sys
from collections.abc import Iterable
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen

from intonaco.core.errors import DefinitionError, MissingError, SettingsError
from intonaco.core.schema import suggestion
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, Labels
from intonaco.infra.features.meaning import Definition
from intonaco.infra.workspace import SETTINGS_FILE, Workspace

__all__ = ["Declared", "declared"]


@frozen
class Declared:
    """Definitions in the order of their modules, and labels, which are not applied but looked up by name."""

    definitions: tuple[Definition, ...]
    labels: tuple[Labels, ...]

    def labels_named(self, name: str) -> Labels:
        """The labels of this name; MissingError lists those that there are."""
        known = {each.name: each for each in self.labels}
        if name not in known:
            raise MissingError(f"no module of definitions has labels named {name!r}", hint=suggestion(name, known), field=name)
        return known[name]


def declared(workspace: Workspace) -> Declared:
    """All that stands in `DEFINITIONS` of the modules that the setting `definitions` names, found in the workspace's folder first.

    Raises
    ------
    SettingsError
        The settings name no module.
    DefinitionError
        A module cannot be imported, or offers something else.
    """
    names = workspace.settings.definitions
    if not names:
        hint = 'write definitions = ["definitions"] and a module definitions.py that sets DEFINITIONS; intonaco init makes both'
        raise SettingsError(f"{workspace.root / SETTINGS_FILE} names no module of definitions", hint=hint, field="definitions")
    found = [each for name in names for each in _offered(_module(workspace.root, name), name)]
    definitions = tuple(each for each in found if not isinstance(each, Labels))
    return Declared(definitions, tuple(each for each in found if isinstance(each, Labels)))


def _module(root: Path, name: str) -> ModuleType:
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    invalidate_caches()
    _forget_stranger(root, name)
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        fault = f"module {name!r}, which the setting 'definitions' names, cannot be imported: {type(error).__name__}: {error}"
        hint = f"mend the module, or leave it out of 'definitions' in {root / SETTINGS_FILE}; modules are looked for in {root} first"
        raise DefinitionError(fault, hint=hint, field=name) from error


def _forget_stranger(root: Path, name: str) -> None:
    """Another folder's module of this name, imported before, does not stand for the one of this folder."""
    path = root.joinpath(*name.split("."))
    here = next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)
    loaded = sys.modules.get(name)
    if here is not None and loaded is not None and getattr(loaded, "__file__", None) != str(here):
        del sys.modules[name]


def _offered(module: ModuleType, name: str) -> Iterable[Any]:
    given = getattr(module, "DEFINITIONS", None)
    if not isinstance(given, list | tuple):
        what = "has no DEFINITIONS" if given is None else f"has DEFINITIONS that are {type(given).__name__}"
        raise DefinitionError(f"module {name!r} {what}", hint="set DEFINITIONS to a list of entities, views, sets and labels", field=name)
    for each in given:
        if not isinstance(each, Entity | FeatureView | FeatureSet | Labels):
            hint = "an Entity, FeatureView, FeatureSet or Labels is expected"
            raise DefinitionError(f"DEFINITIONS of module {name!r} hold {each!r:.80}", hint=hint, field=name)
    return given
