"""What the modules that the settings name define: entities, views, sets and labels, to be applied."""

import sys
from collections.abc import Iterable
from importlib import import_module, invalidate_caches
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from intonaco.core.errors import DefinitionError, SettingsError
from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.workspace import SETTINGS_FILE, Workspace

__all__ = ["declared"]


def declared(workspace: Workspace) -> list[Definition]:
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
    return [each for name in names for each in _offered(_module(workspace.root, name), name)]


def _module(root: Path, name: str) -> ModuleType:
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    invalidate_caches()
    _forget(root, name)
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        cause = f"{_line(error, root)}{type(error).__name__}: {_said(error)}"
        fault = f"module {name!r}, which the setting 'definitions' names, cannot be imported: {cause}"
        hint = f"mend the module, or leave it out of 'definitions' in {root / SETTINGS_FILE}; modules are looked for in {root} first"
        raise DefinitionError(fault, hint=hint, field=name) from error


def _line(error: BaseException, root: Path) -> str:
    """Where in the workspace's own code it went wrong: `definitions.py line 7: `; empty if it never came to it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(Path(error.filename), root)} line {error.lineno}: "
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    own = [(path, number) for path, number in frames if path.is_relative_to(root)]
    return f"{_shown(own[-1][0], root)} line {own[-1][1]}: " if own else ""


def _shown(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _said(error: BaseException) -> str:
    """The error's own words, in one line, without the place that a syntax error repeats."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(text.split())


def _forget(root: Path, name: str) -> None:
    """A module of this folder is read anew: it may have changed, and one imported before may be another folder's."""
    path = root.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        sys.modules.pop(name, None)


def _offered(module: ModuleType, name: str) -> Iterable[Definition]:
    given = getattr(module, "DEFINITIONS", None)
    if not isinstance(given, list | tuple):
        what = "has no DEFINITIONS" if given is None else f"has DEFINITIONS that are {type(given).__name__}"
        raise DefinitionError(f"module {name!r} {what}", hint="set DEFINITIONS to a list of entities, views, sets and labels", field=name)
    for each in given:
        if not isinstance(each, Definition):
            hint = "an Entity, FeatureView, FeatureSet or Labels is expected"
            raise DefinitionError(f"DEFINITIONS of module {name!r} hold {each!r:.80}", hint=hint, field=name)
    return given
