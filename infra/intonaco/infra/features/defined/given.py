"""What people write in definitions, as the values that definitions keep."""

from collections.abc import Iterable, Mapping
from typing import Any

from intonaco.core.errors import DefinitionError, InvalidError
from intonaco.core.references import check_name
from intonaco.core.schema import Field, Schema

__all__ = ["as_schema", "family", "named", "words"]


def named(what: str) -> Any:
    """A validator of names: DefinitionError for one that cannot name such a thing."""

    def check(_: object, __: Any, value: str) -> None:
        try:
            check_name(value, what)
        except InvalidError as error:
            raise DefinitionError(error.message, hint=error.hint, field=what) from None

    return check


def as_schema(given: Schema | Mapping[str, str] | Iterable[Field]) -> Schema:
    """A schema from a schema, names to types, or fields."""
    if isinstance(given, Schema):
        return given
    return Schema.of(**given) if isinstance(given, Mapping) else Schema(tuple(given))


def words(given: Iterable[str]) -> tuple[str, ...]:
    """A tuple of words; one word is a tuple of one."""
    return (given,) if isinstance(given, str) else tuple(given)


def family(dtype: str) -> str:
    """The types whose values are the same numbers or texts in another width: integers, floats, or the one type itself."""
    return "int" if dtype.startswith(("int", "uint")) else "float" if dtype.startswith("float") else dtype
