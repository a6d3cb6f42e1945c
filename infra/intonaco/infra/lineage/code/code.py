"""The code behind a step: its own source and, through names, that of all project code that it can reach.

Third-party code counts by the version of its distribution, and so does no module beyond a boundary: what is kept and how it is
recorded does not change a result.
"""

import inspect
import sys
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from attrs import define, field, frozen

from intonaco.core.discovery import load_path
from intonaco.core.errors import DefinitionError
from intonaco.infra.lineage.code.projectcode import is_project
from intonaco.infra.lineage.code.sources import Source, source_of
from intonaco.infra.lineage.code.symbols import Symbol

__all__ = ["BOUNDARIES", "Code", "code_of", "path_of"]

_LINEAGE = ("artifacts", "formats", "runs", "steps", "keys", "records", "code", "environment", "registry", "tuner")
#: Modules (and all below them) whose code is not part of a step's: they keep a contract that is tested for itself.
BOUNDARIES = (
    *(f"intonaco.core.{name}" for name in ("errors", "plugins", "references", "settings", "telemetry", "urls")),
    *(f"intonaco.infra.{name}" for name in ("storage", "workspace", "testing")),
    *(f"intonaco.infra.lineage.{name}" for name in _LINEAGE),
)


@frozen
class Code:
    """What can change a step's result in code.

    Parameters
    ----------
    symbols
        `module:name` of each function, class and constant of project code, to the digest of its source.
    libraries
        Top-level modules of third-party code.
    """

    symbols: dict[str, str]
    libraries: tuple[str, ...]


def path_of(what: Callable[..., Any] | type) -> str:
    """The import path `module:name` of a function or class at the top of a module; a script counts by its file's name.

    Raises
    ------
    DefinitionError
        It is defined inside a function or a class, or is no function.
    """
    module, name = getattr(what, "__module__", None), getattr(what, "__qualname__", "")
    if not module or not name or not name.isidentifier():
        raise DefinitionError(f"{name or what!r} cannot be named from outside", hint="define it at the top of a module")
    return f"{_public(module)}:{name}"


def _public(module: str) -> str:
    if module != "__main__":
        return module
    main = load_path(module)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    return spec.name if spec is not None else inspect.getmodulename(file) or module if file else module


def code_of(roots: Iterable[Callable[..., Any] | type | str]) -> Code:
    """The code of functions and classes (or their import paths) with all project code that they name, directly or not.

    Names are followed through imports, annotations, base classes, decorators and constants, without running anything; what
    is found only while running (through a plugin, a string, `getattr`) has to be named as a root of its own.
    """
    walk = _Walk()
    for root in roots:
        walk.add_root(*_place(root), named=isinstance(root, str))
    walk.finish()
    symbols = {f"{_public(symbol.module)}:{symbol.name}": symbol.digest for symbol in walk.seen.values()}
    return Code(dict(sorted(symbols.items())), tuple(sorted(walk.libraries)))


def _place(root: Callable[..., Any] | type | str) -> tuple[str, str]:
    if isinstance(root, str):
        module, _, name = root.partition(":")
        return module, name
    path_of(root)
    function = inspect.unwrap(root) if isinstance(root, FunctionType) else root
    return function.__module__, function.__qualname__


@define
class _Walk:
    seen: dict[tuple[str, str], Symbol] = field(factory=dict)
    libraries: set[str] = field(factory=set)
    waiting: list[Symbol] = field(factory=list)

    def add_root(self, module: str, name: str, *, named: bool) -> None:
        """Begin here; what is only named by its import path may be compiled, and then counts by its version."""
        source = source_of(module)
        if source is None and (named or not is_project(module)):
            self._add_library(module)
        elif source is None or name.partition(".")[0] not in source.symbols:
            raise DefinitionError(
                f"the source of {module}:{name} cannot be found", hint="define it at the top of a file, not through exec or a factory"
            )
        else:
            self._keep(source.symbols[name.partition(".")[0]])

    def finish(self) -> None:
        while self.waiting:
            symbol = self.waiting.pop()
            source = source_of(symbol.module)
            assert source is not None
            for chain in symbol.chains:
                self._follow(source, symbol, chain)

    def _add_library(self, module: str) -> None:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names:
            self.libraries.add(top)

    def _take(self, symbol: Symbol) -> None:
        if not _beyond(symbol.module):
            self._keep(symbol)

    def _keep(self, symbol: Symbol) -> None:
        if (symbol.module, symbol.name) not in self.seen:
            self.seen[symbol.module, symbol.name] = symbol
            self.waiting.append(symbol)

    def _follow(self, source: Source, symbol: Symbol, chain: tuple[str, ...]) -> None:
        head, *rest = chain
        origin = symbol.imports.get(head) or source.imports.get(head)
        if origin is not None:
            self._resolve(*origin, rest, set())
        elif head in source.symbols:
            self._take(source.symbols[head])
        else:
            for star in source.stars:
                self._resolve(star, head, rest, set())

    def _resolve(self, module: str, name: str, rest: list[str], tried: set[tuple[str, str]]) -> None:
        """Follow `module.name.rest` to a symbol; each part may be a module, a symbol or a name that a module imports."""
        if _beyond(module) or (module, name) in tried:
            return
        tried.add((module, name))
        if not is_project(module):
            self._add_library(module)
            return
        source = source_of(module)
        if not name:
            self._resolve_module(module, source, rest, tried)
        elif source is not None and name in source.symbols:
            self._take(source.symbols[name])
        elif source is not None and name in source.imports:
            self._resolve(*source.imports[name], rest, tried)
        else:
            self._resolve_below(module, name, rest, source, tried)

    def _resolve_module(self, module: str, source: Source | None, rest: list[str], tried: set[tuple[str, str]]) -> None:
        if rest:
            self._resolve(module, rest[0], rest[1:], tried)
        elif source is not None:  # the module itself is handed on, so that any of its names may be used
            for symbol in source.symbols.values():
                self._take(symbol)

    def _resolve_below(self, module: str, name: str, rest: list[str], source: Source | None, tried: set[tuple[str, str]]) -> None:
        if source is not None and "__getattr__" in source.symbols:
            self._take(source.symbols["__getattr__"])
        for star in source.stars if source is not None else ():
            self._resolve(star, name, rest, tried)
        if name.isidentifier() and (module == "intonaco" or source_of(f"{module}.{name}") is not None):
            self._resolve(f"{module}.{name}", "", rest, tried)


def _beyond(module: str) -> bool:
    return any(module == boundary or module.startswith(f"{boundary}.") for boundary in BOUNDARIES)
