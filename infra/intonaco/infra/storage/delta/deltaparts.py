"""Parts of Delta tables: rows as Parquet that Delta's own types describe, and back as our schema's."""

from math import prod

import pyarrow as pa
import pyarrow.parquet as pq
from attrs import evolve

from intonaco.core.errors import CorruptError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import conform
from intonaco.infra.storage.arrowtypes import scalar_type

__all__ = ["check_delta_names", "delta_schema", "read_rows", "rows_as_parquet"]

# Delta knows no unsigned numbers: each is kept in the next type that holds all its values.
_WIDER = {"uint8": "int16", "uint16": "int32", "uint32": "int64"}
_UINT64 = pa.decimal128(20, 0)
_DELTA = {
    "bool": "boolean",
    "int8": "byte",
    "int16": "short",
    "int32": "integer",
    "int64": "long",
    "uint64": "decimal(20,0)",
    "float32": "float",
    "float64": "double",
    "str": "string",
    "bytes": "binary",
    "json": "string",
    "timestamp": "timestamp",
}


def check_delta_names(schema: Schema, table: str) -> None:
    """Raise SchemaError for names that readers of Delta tables cannot hold."""
    if not schema.fields:
        raise SchemaError(f"table {table} needs at least one column")
    seen: dict[str, str] = {}
    for name in schema.names:
        other = seen.setdefault(name.lower(), name)
        if not name or other != name:
            fault = f"the columns {other!r} and {name!r} differ only in case" if name else "a column has no name"
            raise SchemaError(f"table {table}: {fault}, which readers of Delta tables refuse", field=name)


def delta_schema(schema: Schema) -> dict[str, object]:
    """Delta's own description of the Parquet files."""
    fields = [{"name": each.name, "type": _delta_type(each), "nullable": each.nullable, "metadata": {}} for each in schema]
    return {"type": "struct", "fields": fields}


def _delta_type(field: Field) -> object:
    if not field.shape:
        return _DELTA.get(_WIDER.get(field.dtype, field.dtype), field.dtype)  # a decimal is called the same
    inner = evolve(field, shape=field.shape[1:] if field.shape[0] == -1 else ())
    return {"type": "array", "elementType": _delta_type(inner), "containsNull": True}


def _stored_type(field: Field) -> pa.DataType:
    if field.shape:
        return pa.list_(_stored_type(evolve(field, shape=field.shape[1:] if field.shape[0] == -1 else ())))
    return _UINT64 if field.dtype == "uint64" else scalar_type(_WIDER.get(field.dtype, field.dtype))


def rows_as_parquet(rows: pa.Table, schema: Schema) -> memoryview:
    """The bytes of a Parquet file, each page with a checksum."""
    columns = [_plain(column).cast(_stored_type(field)) for column, field in zip(rows.columns, schema, strict=True)]
    stored = pa.schema([pa.field(each.name, _stored_type(each), nullable=each.nullable) for each in schema])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=stored), sink, compression="zstd", write_page_checksum=True, store_schema=False)
    return memoryview(sink.getvalue())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)


def read_rows(source: pa.NativeFile | str, schema: Schema, name: str) -> pa.Table:
    """The rows of a part, of the schema's columns; CorruptError if the file is not one."""
    texts = [each.name for each in schema if each.categories]
    try:
        file = pq.ParquetFile(source, read_dictionary=texts, page_checksum_verification=True)
        found = file.read(columns=list(schema.names))
        columns = [_cast(found[each.name], each) for each in schema]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise CorruptError(f"part {name!r} cannot be read: {error}", hint="intonaco fsck lists what is damaged") from error
    return conform(pa.Table.from_arrays(columns, names=list(schema.names)), schema)


def _cast(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    if field.categories:
        return column
    if not field.shape:
        return column.cast(scalar_type(field.dtype))
    return column.cast(_logical(field))


def _logical(field: Field) -> pa.DataType:
    """The list type of a field, without the names that an extension type would add."""
    if not field.shape:
        return scalar_type(field.dtype)
    if field.shape[0] == -1:
        return pa.list_(_logical(evolve(field, shape=field.shape[1:])))
    return pa.list_(scalar_type(field.dtype), prod(field.shape))
