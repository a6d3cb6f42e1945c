"""Settings: frozen attrs classes, filled from a TOML file, the environment and arguments, in that order."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import attrs
import msgspec

from intonaco.core.errors import IntonacoError, SettingsError
from intonaco.core.schema import suggestion

__all__ = ["read_settings"]

S = TypeVar("S")
_PLACE = re.compile(r" - at `\$\.?(?P<key>[^`]*)`$")


def read_settings(
    cls: type[S], path: Path | None = None, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> S:
    """An instance of `cls`; what is not set has the default of its class.

    Parameters
    ----------
    path
        The TOML file; None, or a file that is not there, sets nothing.
    environ
        Variables; `INTONACO_STORES__KEYVALUE` sets `stores.keyvalue`. The process's own by default.
    overrides
        Dotted keys to values, as given by arguments.

    Raises
    ------
    SettingsError
        A key is unknown or its value is not allowed: the message names the key, where it was set, and what is allowed.
    """
    merged: dict[str, Any] = {}
    for source, values in _sources(cls, path, os.environ if environ is None else environ, overrides or {}):
        _check_keys(cls, values, source)
        _convert(cls, values, source)
        _merge(merged, values)
    return _convert(cls, merged, "the settings")


def _sources(cls: type, path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    sources = [(str(path), _read_file(path))] if path is not None and path.exists() else []
    for name, text in environ.items():
        if name.startswith("INTONACO_") and "__" in name:
            keys = name.removeprefix("INTONACO_").lower().split("__")
            sources.append((f"the variable {name}", _nested(keys, _from_text(cls, keys, text, f"the variable {name}"))))
    sources += [("the arguments", _nested(key.split("."), value)) for key, value in overrides.items()]
    return sources


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


def _from_text(cls: type, keys: list[str], text: str, source: str) -> Any:
    """The text of a variable as the type that its key has; a list is comma-separated."""
    kind: Any = cls
    for key in keys:
        kind = get_type_hints(kind).get(key) if attrs.has(kind) else None
        if kind is None:
            return text
    if getattr(kind, "__origin__", None) in (tuple, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{'.'.join(keys)} in {source} is {text!r}: {error}", field=".".join(keys)) from error


def _check_keys(cls: type, values: Mapping[str, Any], source: str, above: str = "") -> None:
    hints = get_type_hints(cls)
    for key, value in values.items():
        dotted = f"{above}{key}"
        if key not in hints:
            raise SettingsError(f"unknown setting {dotted!r} in {source}", hint=suggestion(key, hints), field=dotted)
        if attrs.has(hints[key]) and isinstance(value, Mapping):
            _check_keys(hints[key], value, source, f"{dotted}.")


def _convert(cls: type[S], values: Mapping[str, Any], source: str) -> S:
    try:
        return msgspec.convert(values, cls)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        key = place["key"] if place else ""
        allowed = _PLACE.sub("", str(error))
        raise SettingsError(
            f"setting {key!r} in {source} is {_at(values, key)!r}: {allowed}", hint=_fault_hint(error), field=key
        ) from error


def _fault_hint(error: Exception) -> str:
    """The hint of the error that a validator raised, if one did."""
    cause = error.__cause__
    return cause.hint if isinstance(cause, IntonacoError) else ""


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value
