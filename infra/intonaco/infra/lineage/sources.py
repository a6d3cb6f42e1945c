"""The source of project code, taken apart into the names that each module binds, without importing it."""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from intonaco.core.discovery import PLATFORM_GROUP, PLUGIN_GROUP, entry_points
from intonaco.infra.lineage.freshness import check_unchanged

__all__ = ["Source", "Symbol", "is_project", "source_of"]

#: Where a name comes from: a module, and a name in it, or "" for the module itself.
Origin = tuple[str, str]


@define(eq=False)
class Symbol:
    """A name of a module and the statements that bind it."""

    module: str
    name: str
    statements: list[ast.stmt] = field(factory=list, repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the statements do: comments, docstrings and layout do not count."""
        hashed = hashlib.sha256()
        for statement in self.statements:
            hashed.update(ast.dump(_Undocumented().visit(statement)).encode())
        return hashed.hexdigest()

    @cached_property
    def chains(self) -> frozenset[tuple[str, ...]]:
        """What it refers to, as dotted names taken apart."""
        found = _References()
        for statement in self.statements:
            found.visit(statement)
        return frozenset(found.chains)

    @cached_property
    def imports(self) -> dict[str, Origin]:
        """Names that are imported inside it, in a function's body for one."""
        package = self.module.rpartition(".")[0]
        nodes = (node for statement in self.statements for node in ast.walk(statement))
        return {name: origin for node in nodes for name, origin in _imported(node, package)}


class _Undocumented(ast.NodeTransformer):
    """Takes docstrings away."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def _without_docstring(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)


class _References(ast.NodeVisitor):
    """Collects the dotted names that are read, those in annotations that are text too."""

    def __init__(self) -> None:
        self.chains: set[tuple[str, ...]] = set()

    def visit_Name(self, node: ast.Name) -> None:
        self.chains.add((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = _chain(node)
        if chain:
            self.chains.add(chain)
        else:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        self._annotation(node.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._annotation(node.returns)
        self.generic_visit(node)

    def _annotation(self, node: ast.expr | None) -> None:
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                self._text(part.value)
        if node is not None:
            self.visit(node)

    def _text(self, text: str) -> None:
        try:
            self.visit(ast.parse(text, mode="eval").body)
        except SyntaxError:
            return  # the text of a Literal, not a type


def _chain(node: ast.expr) -> tuple[str, ...]:
    """`a.b.c` taken apart; empty if it does not start at a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, Origin]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, (alias.name, "")) if alias.asname else (alias.name.partition(".")[0], (alias.name.partition(".")[0], ""))
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, (module, alias.name)


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
            for statement in _flat(ast.parse(text).body):
                source._add(statement, inside, fresh)
        return source

    def _add(self, statement: ast.stmt, package: str, fresh: set[str]) -> None:
        for name, origin in _imported(statement, package):
            if name == "*":
                self.stars.append(origin[0])
            else:
                self.imports[name] = origin
        for name in _bound(statement):
            symbol = self.symbols.get(name)
            if symbol is None or (name not in fresh and not _changes(statement)):
                symbol = self.symbols[name] = Symbol(self.module, name)
            fresh.add(name)
            symbol.statements.append(statement)


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under an `if`, `try` or `with` too."""
    for statement in body:
        if isinstance(statement, ast.If | ast.Try | ast.With):
            inner = [statement.body, getattr(statement, "orelse", []), getattr(statement, "finalbody", [])]
            inner += [handler.body for handler in getattr(statement, "handlers", [])]
            yield from (each for part in inner for each in _flat(part))
        else:
            yield statement


def _bound(statement: ast.stmt) -> set[str]:
    """The names of a module that a statement binds, or whose value it changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Expr):
        call = statement.value
        return set(_chain(call.func)[:1]) if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else set()
    return {name for target in _targets(statement) for name in _stored(target)}


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, ast.AnnAssign | ast.AugAssign):
        return [statement.target]
    if isinstance(statement, ast.For | ast.While):
        inner = [target for part in statement.body for target in _targets(part)]
        return [statement.target, *inner] if isinstance(statement, ast.For) else inner
    return []


def _stored(target: ast.expr) -> set[str]:
    """The names of the module that are bound or changed by assigning to a target: `a`, `a.b`, `a[0]`, `(a, b)`."""
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _stored(part)}
    while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        target = target.value
    return {target.id} if isinstance(target, ast.Name) else set()


def _changes(statement: ast.stmt) -> bool:
    """Whether it changes what a name holds, without binding it anew."""
    return isinstance(statement, ast.Expr | ast.AugAssign | ast.For | ast.While)


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
