"""Which names of its module a statement binds, or changes what they hold."""

import ast
from collections.abc import Iterator

from intonaco.infra.lineage.code.symbols import chain_of

__all__ = ["bound", "changes", "flat"]


def flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those under an `if`, `try` or `with` too."""
    for statement in body:
        if isinstance(statement, ast.If | ast.Try | ast.With):
            inner = [statement.body, getattr(statement, "orelse", []), getattr(statement, "finalbody", [])]
            inner += [handler.body for handler in getattr(statement, "handlers", [])]
            yield from (each for part in inner for each in flat(part))
        else:
            yield statement


def bound(statement: ast.stmt) -> set[str]:
    """The names of a module that a statement binds, or whose value it changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Expr):
        call = statement.value
        return set(chain_of(call.func)[:1]) if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else set()
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


def changes(statement: ast.stmt) -> bool:
    """Whether it changes what a name holds, without binding it anew."""
    return isinstance(statement, ast.Expr | ast.AugAssign | ast.For | ast.While)
