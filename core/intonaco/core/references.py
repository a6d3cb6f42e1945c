"""References: `kind:project/name[partition]@version`, shortened where clear."""

import re
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from intonaco.core.errors import InvalidError

__all__ = ["DEFAULT_PROJECT", "Reference", "check_name"]

DEFAULT_PROJECT = "default"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_REFERENCE = re.compile(
    r"(?:(?P<kind>[a-z_]+):)?(?:(?P<project>[^/@\[\]:]+)/)?(?P<name>[^/@\[\]:]+)(?:\[(?P<partition>[^\[\]]+)\])?(?:@(?P<version>[^@/\[\]:]+))?"
)


def check_name(name: str, what: str) -> str:
    """Return `name` if it can name a thing in a store, a path and a URL alike.

    Raises
    ------
    InvalidError
        It holds other characters than letters, digits, `_`, `.` and `-`, starts with `.` or `-`, or is longer than 128.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidError(
            f"{name!r} is no name" if what == "name" else f"{name!r} cannot name a {what}",
            hint="use up to 128 letters, digits, '_', '.' and '-', starting with a letter, a digit or '_'",
            field=what,
        )
    return name


def _without(forbidden: str) -> Callable[[object, Any, str], None]:
    def check(_: object, attribute: Any, value: str) -> None:
        if set(value) & set(forbidden) or not value.isprintable():
            raise InvalidError(
                f"{value!r} cannot be the {attribute.name} of a reference", hint=f"leave out {' '.join(forbidden)}", field=attribute.name
            )

    return check


@frozen
class Reference:
    """Names one thing: a model, a version, a table, a feature set.

    `version` is a number, an alias or a digest; empty means the newest.

    Examples
    --------
    >>> Reference.parse("eta@3", kind="model")
    Reference(kind='model', name='eta', project='default', partition='', version='3')
    >>> str(Reference.parse("model:maps/eta[JFK]@champion"))
    'model:maps/eta[JFK]@champion'
    """

    kind: str
    name: str = field(validator=lambda _, __, value: check_name(value, "name") and None)
    project: str = field(default=DEFAULT_PROJECT, validator=lambda _, __, value: check_name(value, "project") and None)
    partition: str = field(default="", validator=_without("[]"))
    version: str = field(default="", validator=_without("@/[]:"))

    @classmethod
    def parse(cls, text: str, *, kind: str = "", project: str = DEFAULT_PROJECT) -> "Reference":
        """Read a reference; `kind` and `project` fill what it leaves out.

        Raises
        ------
        InvalidError
            It is not a reference, or names another kind than the one asked for.
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise InvalidError(f"{text!r} is not a reference", hint="write [kind:][project/]name[@version], such as eta@3")
        given = match["kind"] or kind
        if kind and given != kind:
            raise InvalidError(f"{text!r} names a {given}, not a {kind}")
        return cls(given, match["name"], match["project"] or project, match["partition"] or "", match["version"] or "")

    def __str__(self) -> str:
        kind = f"{self.kind}:" if self.kind else ""
        partition = f"[{self.partition}]" if self.partition else ""
        version = f"@{self.version}" if self.version else ""
        return f"{kind}{self.project}/{self.name}{partition}{version}"

    @property
    def short(self) -> str:
        """The reference without its kind and without the default project."""
        project = "" if self.project == DEFAULT_PROJECT else f"{self.project}/"
        return f"{project}{self.name}{f'[{self.partition}]' if self.partition else ''}{f'@{self.version}' if self.version else ''}"
