"""Whether the source on disk is still that of the code which runs."""

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from intonaco.core.errors import ConflictError

__all__ = ["check_unchanged"]


def check_unchanged(module: str, path: Path, text: str) -> None:
    """Raise ConflictError if a loaded module's file was changed since, so that its source would tell of code that does not run."""
    loaded = sys.modules.get(module)
    if loaded is None or path.stat().st_mtime < _started(os.getpid()):
        return
    written = {code.co_qualname: code for code in _codes(compile(text, str(path), "exec", dont_inherit=True))}
    for function in _functions(loaded, str(path)):
        if function.__qualname__ not in written or not _same(function.__code__, written[function.__qualname__]):
            what = f"{path} was changed after {module} was imported: {function.__qualname__} differs"
            raise ConflictError(what, hint="start a new process, or reload the module")


@cache
def _started(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time())


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: ModuleType, path: str) -> Iterator[FunctionType]:
    """The functions of a module and the methods of its classes, those that a step holds too."""
    for value in list(vars(module).values()):
        members = (
            list(vars(value).values())
            if isinstance(value, type) and value.__module__ == module.__name__
            else [getattr(value, "function", value)]
        )
        for member in members:
            if isinstance(member, FunctionType) and member.__code__.co_filename == path:
                yield member


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two functions do the same, wherever in the file they stand."""
    facts = ("co_code", "co_names", "co_varnames", "co_freevars")
    if any(getattr(one, fact) != getattr(other, fact) for fact in facts) or len(one.co_consts) != len(other.co_consts):
        return False
    pairs = zip(one.co_consts, other.co_consts, strict=True)
    return all(_same(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else _equal(a, b) for a, b in pairs)


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and (one == other or repr(one) == repr(other))  # NaN differs from itself
