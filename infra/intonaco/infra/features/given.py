"""What people write in definitions, as the values that definitions keep."""

from collections.abc import Iterable, Mapping

from intonaco.core.schema import Field, Schema

__all__ = ["as_schema", "words"]


def as_schema(given: Schema | Mapping[str, str] | Iterable[Field]) -> Schema:
    """A schema from a schema, names to types, or fields."""
    if isinstance(given, Schema):
        return given
    return Schema.of(**given) if isinstance(given, Mapping) else Schema(tuple(given))


def words(given: Iterable[str]) -> tuple[str, ...]:
    """A tuple of words; one word is a tuple of one."""
    return (given,) if isinstance(given, str) else tuple(given)
