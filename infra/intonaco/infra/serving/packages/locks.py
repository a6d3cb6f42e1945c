"""Locks: the versions of libraries with which a package was made."""

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from intonaco.core.errors import RefusedError

__all__ = ["PYTHON", "check_version", "locked"]

#: The interpreter's name in a lock.
PYTHON = "python"


def locked(distributions: Iterable[str]) -> dict[str, str]:
    """The versions, here and now, of these distributions and of the interpreter."""
    return {name: _version(name) for name in (*distributions, PYTHON)}


def check_version(name: str, wanted: str, what: str) -> None:
    """Raise RefusedError where a distribution has another major or minor version here; patches keep formats and results."""
    found = _version(name)
    if _minor(wanted) != _minor(found):
        hint = f"pip install '{name}=={_minor(wanted)}.*', or train again"
        raise RefusedError(f"{what} was made with {name} {wanted}; here is {found}", hint=hint, field=name)


def _version(name: str) -> str:
    if name == PYTHON:
        return ".".join(str(part) for part in sys.version_info[:3])
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise RefusedError(f"the distribution {name!r} is not installed", hint=f"pip install {name}", field=name) from error


def _minor(text: str) -> str:
    return ".".join(text.split(".")[:2])
