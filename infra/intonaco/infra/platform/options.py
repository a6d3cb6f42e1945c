"""Fields of a task as options of its command, and back."""

from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import attrs
import click

__all__ = ["of_fields", "with_fields"]

T = TypeVar("T")
#: In front of the names of parameters, so that no field is taken for another option.
_FIELD = "field_"


def with_fields(command: Callable[..., None], kind: type, taken: Collection[str]) -> Callable[..., None]:
    """The command with one option for each field of an attrs class; a field of a name that is taken becomes `--task-NAME`."""
    hints = get_type_hints(kind)
    for each in reversed(attrs.fields(kind)):
        option = each.name.replace("_", "-")
        name = f"--task-{option}" if option in taken else f"--{option}"
        command = click.option(name, f"{_FIELD}{each.name}", **_typed(hints[each.name]), **_default(each.default))(command)
    return command


def of_fields(kind: type[T], given: Mapping[str, Any]) -> T:
    """The value that the options of a command make.

    Raises
    ------
    InvalidError
        The class refuses them.
    """
    from intonaco.core.errors import IntonacoError, InvalidError

    hints = get_type_hints(kind)
    fields = {name.removeprefix(_FIELD): value for name, value in given.items() if name.startswith(_FIELD)}
    try:
        return kind(**{name: _value(hints[name], value) for name, value in fields.items()})
    except (TypeError, ValueError) as error:
        if isinstance(error, IntonacoError):
            raise
        raise InvalidError(f"{kind.__name__} refuses its options: {error}") from error


def _typed(hint: Any) -> dict[str, Any]:
    """What click needs to know to read a value of this type."""
    plain = _plain(hint)
    if get_origin(plain) is Literal:
        return {"type": click.Choice([str(value) for value in get_args(plain)])}
    if get_origin(plain) in (tuple, list):
        return {**_typed(get_args(plain)[0]), "multiple": True}
    return {"type": plain}


def _default(default: Any) -> dict[str, Any]:
    if default is attrs.NOTHING:
        return {"required": True}
    value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
    return {"default": value, "show_default": value is not None}


def _value(hint: Any, given: Any) -> Any:
    plain = _plain(hint)
    if get_origin(plain) is Literal:
        return next((value for value in get_args(plain) if str(value) == str(given)), given)
    if get_origin(plain) in (tuple, list):
        return get_origin(plain)(_value(get_args(plain)[0], each) for each in given)
    return given


def _plain(hint: Any) -> Any:
    """The type without `None`."""
    kinds = [each for each in get_args(hint) if each is not NoneType]
    return kinds[0] if len(kinds) == 1 and NoneType in get_args(hint) else hint
