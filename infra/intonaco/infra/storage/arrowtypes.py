"""Which Arrow type holds which field of a schema, and which field an Arrow column declares."""

import json
from typing import Any

import pyarrow as pa
from attrs import evolve

from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.fields import decimal_digits
from intonaco.core.schema import Field, Schema

__all__ = ["PRIVATE", "SCALARS", "arrow_field", "arrow_schema", "arrow_type", "is_private", "scalar_type", "schema_of"]

#: The Arrow type of one value; `scalar_type` knows decimals too.
SCALARS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "str": pa.string(),
    "bytes": pa.binary(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}
_DTYPES = {arrow: name for name, arrow in SCALARS.items() if name != "json"} | {
    pa.large_string(): "str",
    pa.string_view(): "str",
    pa.large_binary(): "bytes",
    pa.binary_view(): "bytes",
}
#: The tag of a field that holds personal data.
PRIVATE = "private"
_DECLARED = b"intonaco.field"
_HINTS = (
    (pa.types.is_timestamp, "cast it to timestamp('us', tz='UTC')"),
    (pa.types.is_date, "cast it to timestamp('us', tz='UTC')"),
    (pa.types.is_decimal, "cast it to decimal128 of at most 38 digits, none of them before the units"),
    (pa.types.is_null, "cast it to the type that its values will have"),
    (pa.types.is_struct, "make each of its fields a column"),
    (pa.types.is_float16, "cast it to float32"),
)


def scalar_type(dtype: str) -> pa.DataType:
    """The Arrow type of one value."""
    digits = decimal_digits(dtype)
    return SCALARS[dtype] if digits is None else pa.decimal128(*digits)


def arrow_type(field: Field) -> pa.DataType:
    """The one Arrow type in which a field's column is kept and given back."""
    scalar = scalar_type(field.dtype)
    if field.categories:
        return pa.dictionary(pa.int32(), pa.string())
    if not field.shape:
        return scalar
    if field.shape[0] == -1:
        return pa.list_(arrow_type(evolve(field, shape=field.shape[1:])))
    return pa.list_(scalar, field.shape[0]) if len(field.shape) == 1 else pa.fixed_shape_tensor(scalar, field.shape)


def arrow_field(field: Field) -> pa.Field:
    """The Arrow field, which carries in its metadata what its type cannot say."""
    stored = {key: value for key, value in Schema((field,)).to_json()[0].items() if key not in ("name", "nullable")}
    return pa.field(field.name, arrow_type(field), nullable=field.nullable, metadata={_DECLARED: json.dumps(stored)})


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of tables of this schema."""
    return pa.schema([arrow_field(each) for each in schema])


def schema_of(data: pa.Table | pa.Schema) -> Schema:
    """The schema that Arrow columns declare, by their metadata where it fits their type, else by their type.

    A dictionary column of a table has the values of its dictionary as its categories.

    Raises
    ------
    SchemaError
        A type has no place in a schema, such as nanoseconds or a time without zone: the message names the column.
    """
    arrow = data if isinstance(data, pa.Schema) else data.schema
    fields = []
    for index, each in enumerate(arrow):
        found = _declared(each) or _derived(each)
        if pa.types.is_dictionary(each.type) and not found.categories and isinstance(data, pa.Table):
            found = evolve(found, categories=_categories(data.column(index)))
        fields.append(found)
    return Schema(tuple(fields))


def is_private(column: pa.Field) -> bool:
    """Whether the column is declared to hold personal data, which no message shows."""
    declared = _declared(column)
    return declared is not None and PRIVATE in declared.tags


def _declared(column: pa.Field) -> Field | None:
    text = (column.metadata or {}).get(_DECLARED)
    if text is None:
        return None
    try:
        stored = json.loads(text)
        found = Field(column.name, stored.pop("dtype"), **stored, nullable=column.nullable)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidError) as error:
        raise SchemaError(f"the declaration of column {column.name!r} cannot be read: {error}", field=column.name) from error
    return found if arrow_type(found) == column.type else None


def _derived(column: pa.Field) -> Field:
    dtype, shape = _taken_apart(column, column.type)
    return Field(column.name, dtype, nullable=column.nullable, shape=shape)


def _taken_apart(column: pa.Field, kind: pa.DataType) -> tuple[str, tuple[int, ...]]:
    if isinstance(kind, pa.FixedShapeTensorType) and sorted(kind.permutation or ()) == list(kind.permutation or ()):
        return _taken_apart(column, kind.value_type)[0], tuple(kind.shape)
    if pa.types.is_fixed_size_list(kind):
        dtype, inner = _taken_apart(column, kind.value_type)
        return dtype, (kind.list_size, *_constant(column, inner))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        dtype, inner = _taken_apart(column, kind.value_type)
        return dtype, (-1, *_constant(column, inner))
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        if kind not in _DTYPES or _DTYPES[kind] != "str":
            raise _unknown(column, column.type)
    if pa.types.is_decimal(kind) and kind.precision <= 38 and 0 <= kind.scale <= kind.precision:
        return f"decimal({kind.precision},{kind.scale})", ()
    if kind not in _DTYPES:
        raise _unknown(column, kind)
    return _DTYPES[kind], ()


def _constant(column: pa.Field, shape: tuple[int, ...]) -> tuple[int, ...]:
    if -1 in shape:
        raise SchemaError(f"column {column.name!r} is {column.type}: only the first axis may vary", field=column.name)
    return shape


def _unknown(column: pa.Field, kind: pa.DataType) -> SchemaError:
    hint = next((hint for fits, hint in _HINTS if fits(kind)), f"known: {', '.join(SCALARS)}")
    return SchemaError(f"column {column.name!r} is {kind}, which cannot be kept exactly", hint=hint, field=column.name)


def _categories(column: pa.ChunkedArray) -> tuple[str, ...]:
    unified = column.unify_dictionaries()
    values: list[Any] = unified.chunk(0).dictionary.to_pylist() if unified.num_chunks else []
    return tuple(value for value in values if value is not None)
