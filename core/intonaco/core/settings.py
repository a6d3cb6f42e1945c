"""Settings: frozen attrs classes, filled from a TOML file, the environment and arguments, in that order."""

import enum
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import attrs
import msgspec

from intonaco.core.errors import IntonacoError, SettingsError
from intonaco.core.fields import suggestion
from intonaco.core.urls import without_secrets

__all__ = ["read_settings"]

S = TypeVar("S")
_PLACE = re.compile(r" - at `\$\.?(?P<key>[^`]*)`$")
_TOML_WORDS = {
    "`object`": "a table",
    "`array`": "a list",
    "`str`": "text",
    "`bool`": "true or false",
    "`int`": "a whole number",
    "`float`": "a number",
}


def read_settings(
    cls: type[S], path: Path | None = None, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> S:
    """An instance of `cls`; what is not set has the default of its class.

    Parameters
    ----------
    path
        The TOML file; None, or a file that is not there, sets nothing.
    environ
        Variables; `INTONACO_STORES__KEYVALUE` sets `stores.keyvalue`, and commas part the members of a list. The process's own by default.
    overrides
        Dotted keys to values, as given by arguments.

    Raises
    ------
    SettingsError
        A key is unknown or its value is not allowed: the message names the key, where it was set, and what is allowed.
    """
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, values in _sources(cls, path, os.environ if environ is None else environ, overrides or {}):
        _check_keys(cls, values, source)
        _merge(merged, values)
        origins.update(dict.fromkeys(_dotted(values), source))
    try:
        return msgspec.convert(merged, cls)
    except msgspec.ValidationError as error:
        raise _explained(error, cls, merged, origins) from error


def _sources(
    cls: type, path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if path is not None and path.exists():
        yield str(path), _read_file(path)
    for name in sorted(environ):
        keys = name.removeprefix("INTONACO_").lower().split("__")
        if name.startswith("INTONACO_") and (len(keys) > 1 or keys[0] in get_type_hints(cls)):
            yield f"the variable {name}", _nested(keys, _from_text(_kind(cls, keys), environ[name]))
    for key, value in overrides.items():
        yield "the arguments", _nested(key.split("."), value)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{above}{key}.")


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _kind(cls: type, keys: list[str]) -> Any:
    """The type of a setting; None if there is no such setting."""
    kind: Any = cls
    for key in keys:
        kind = get_type_hints(kind).get(key) if attrs.has(kind) else None
    return kind


def _from_text(kind: Any, text: str) -> Any:
    """The text of a variable as a value of this type; the text itself where it cannot be one."""
    value: Any = text
    if get_origin(kind) in (tuple, list):
        value = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return value if kind is None else msgspec.to_builtins(msgspec.convert(value, kind, strict=False))
    except msgspec.ValidationError:
        return value


def _check_keys(cls: type, values: Mapping[str, Any], source: str, above: str = "") -> None:
    hints = get_type_hints(cls)
    for key, value in values.items():
        if key not in hints:
            raise SettingsError(f"unknown setting '{above}{key}' in {source}", hint=suggestion(key, hints), field=f"{above}{key}")
        if attrs.has(hints[key]) and isinstance(value, Mapping):
            _check_keys(hints[key], value, source, f"{above}{key}.")


def _explained(error: msgspec.ValidationError, cls: type, values: Mapping[str, Any], origins: Mapping[str, str]) -> SettingsError:
    """The error in the words of whoever wrote the setting."""
    place = _PLACE.search(str(error))
    keys = place["key"].split(".") if place and place["key"] else []
    keys += _refused_by_validator(_kind(cls, keys), _at(values, keys))
    dotted = ".".join(keys)
    cause = error.__cause__
    reason = cause.message if isinstance(cause, IntonacoError) else _in_toml(_PLACE.sub("", str(error)))
    hint = cause.hint if isinstance(cause, IntonacoError) else _allowed(_kind(cls, keys))
    value = _shown(cls, keys, _at(values, keys))
    return SettingsError(f"setting {dotted!r} in {_origin(dotted, origins)}{value}: {reason}", hint=hint, field=dotted)


def _refused_by_validator(kind: Any, values: Any) -> list[str]:
    """The field of a table whose validator refuses its value: msgspec names the table alone."""
    if not (attrs.has(kind) and isinstance(values, Mapping)):
        return []
    hints = get_type_hints(kind)
    for each in attrs.fields(kind):
        if each.validator is not None and each.name in values:
            try:
                each.validator(None, each, msgspec.convert(values[each.name], hints[each.name]))
            except (ValueError, TypeError):
                return [each.name]
    return []


def _in_toml(reason: str) -> str:
    for word, plain in _TOML_WORDS.items():
        reason = reason.replace(word, plain)
    return reason


def _allowed(kind: Any) -> str:
    """All values of a setting that has but a few."""
    if get_origin(kind) is Literal:
        return f"allowed: {', '.join(map(str, get_args(kind)))}"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"allowed: {', '.join(str(member.value) for member in kind)}"
    return ""


def _at(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _shown(cls: type, keys: list[str], value: Any) -> str:
    """What was given, unless it is a secret or a whole table."""
    if value is None or isinstance(value, Mapping):
        return ""
    table = _kind(cls, keys[:-1])
    secret = attrs.has(table) and not all(each.repr for each in attrs.fields(table) if each.name == keys[-1])
    return " is not allowed" if secret else f" is {without_secrets(repr(value))}"


def _origin(dotted: str, origins: Mapping[str, str]) -> str:
    """Where a key was set; of a missing one, where its table was."""
    dotted = dotted.partition("[")[0]
    while dotted and dotted not in origins:
        dotted = dotted.rpartition(".")[0]
    return origins.get(dotted, "the settings")
