"""The source of project code, taken apart into the names that each module binds, without importing it."""

import ast
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from intonaco.infra.lineage.code.bindings import bound, changes, flat
from intonaco.infra.lineage.code.freshness import check_unchanged
from intonaco.infra.lineage.code.projectcode import is_project
from intonaco.infra.lineage.code.symbols import Origin, Symbol, imported

__all__ = ["Source", "source_of"]


@define(eq=False)
class Source:
    """A module's source.

    Parameters
    ----------
    imports
        Names bound by imports at the top of the module.
    stars
        Modules whose every name is imported.
    """

    module: str
    symbols: dict[str, Symbol] = field(factory=dict, repr=False)
    imports: dict[str, Origin] = field(factory=dict, repr=False)
    stars: list[str] = field(factory=list)

    @classmethod
    def parse(cls, module: str, texts: Iterable[str], *, package: bool = False) -> "Source":
        """Take a module's text apart; a later text binds again what an earlier one bound."""
        source = cls(module)
        inside = module if package else module.rpartition(".")[0]
        for text in texts:
            fresh: set[str] = set()
            for statement in flat(ast.parse(text).body):
                source._add(statement, inside, fresh)
        return source

    def _add(self, statement: ast.stmt, package: str, fresh: set[str]) -> None:
        for name, origin in imported(statement, package):
            if name == "*":
                self.stars.append(origin[0])
            else:
                self.imports[name] = origin
        for name in bound(statement):
            symbol = self.symbols.get(name)
            if symbol is None or (name not in fresh and not changes(statement)):
                symbol = self.symbols[name] = Symbol(self.module, name)
            fresh.add(name)
            symbol.statements.append(statement)


@frozen(eq=False)
class _Parsed:
    path: Path
    spec: ModuleSpec | None
    stamp: tuple[int, int]
    source: Source


_parsed: dict[str, _Parsed] = {}


def source_of(module: str) -> Source | None:
    """The source of a module of project code; None if it is none, or has no source.

    A loaded module is read once, so that its source stays that of the code which runs; it is read again when it is reloaded.
    """
    if module == "__main__" and not hasattr(sys.modules[module], "__file__"):
        return _notebook()
    path, spec = _located(module)
    if path is None:
        return None
    kept = _parsed.get(module)
    status = path.stat()
    stamp = (status.st_mtime_ns, status.st_size)
    if kept is None or kept.path != path or kept.spec is not spec or (spec is None and kept.stamp != stamp):
        text = path.read_text(encoding="utf-8")
        check_unchanged(module, path, text)
        kept = _parsed[module] = _Parsed(path, spec, stamp, Source.parse(module, [text], package=path.name == "__init__.py"))
    return kept.source


def _located(module: str) -> tuple[Path | None, ModuleSpec | None]:
    """The file of a project module, and the specification under which it is loaded."""
    if module != "__main__" and not is_project(module):
        return None, None
    loaded = sys.modules.get(module)
    file: Any = getattr(loaded, "__file__", None) if loaded is not None else _find(module)
    path = Path(file) if file else None
    spec = getattr(loaded, "__spec__", None)
    return (path, spec) if path is not None and path.suffix == ".py" and path.is_file() else (None, spec)


def _find(module: str) -> str | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return spec.origin if spec is not None else None


def _notebook() -> Source:
    """What a notebook's cells define, the newest definition of a name first; cells that are not Python alone are left out."""
    cells = []
    for text in getattr(sys.modules["__main__"], "In", ()):
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        cells.append(text)
    return Source.parse("__main__", cells)
