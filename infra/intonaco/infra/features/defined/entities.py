"""Entities: what features are about."""

from attrs import field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import Schema
from intonaco.infra.features.defined.given import as_schema, named

__all__ = ["Entity"]

_KEY_TYPES = ("str", "bytes", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "timestamp")


@frozen
class Entity:
    """What features are about: a name and the columns that identify one.

    Parameters
    ----------
    keys
        Names to types, in order: `{"origin": "str", "dest": "str"}`.
    """

    name: str = field(validator=named("entity"))
    keys: Schema = field(converter=as_schema)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not len(self.keys):
            raise DefinitionError(f"entity {self.name!r} has no keys", hint='keys={"airport": "str"}', field=self.name)
        for key in self.keys:
            if key.dtype not in _KEY_TYPES or key.shape:
                hint = f"a key is a scalar of {', '.join(_KEY_TYPES)}"
                raise DefinitionError(f"entity {self.name!r}: the key {key.name!r} is {key.dtype}", hint=hint, field=key.name)
