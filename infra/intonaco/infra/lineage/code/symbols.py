"""The names that a module binds, what the statements behind them refer to, and a digest of what they do."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cached_property

from attrs import define, field

__all__ = ["Origin", "Symbol", "chain_of", "imported"]

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
        return {name: origin for node in nodes for name, origin in imported(node, package)}


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
        chain = chain_of(node)
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


def chain_of(node: ast.expr) -> tuple[str, ...]:
    """`a.b.c` taken apart; empty if it does not start at a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def imported(node: ast.AST, package: str) -> Iterator[tuple[str, Origin]]:
    """The names that an import inside a package binds, each with where it comes from."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, (alias.name, "")) if alias.asname else (alias.name.partition(".")[0], (alias.name.partition(".")[0], ""))
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, (module, alias.name)
