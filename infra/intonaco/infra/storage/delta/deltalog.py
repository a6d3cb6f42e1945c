"""The log of a Delta table: one entry per version, each sealed by its own SHA-256 and chained to the one before.

An entry is lines of JSON as Delta's protocol has them. The last line is `commitInfo`, whose last key is the SHA-256 of all
bytes before it: so no byte of an entry can change unnoticed, and an emptied or shortened entry is not an entry.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.storage.delta.deltaparts import delta_schema
from intonaco.infra.storage.tables import Part

__all__ = ["Entry", "entry_name", "read_entry", "write_entry"]

_HINT = "intonaco fsck lists what is damaged"
_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\}\n\Z')
_PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
_SCHEMA_KEY = "intonaco.schema"


@frozen(kw_only=True)
class Entry:
    """One commit.

    Parameters
    ----------
    schema
        The table's from here on; None if it stays.
    replaces
        Whether the parts of earlier versions are no longer the table's.
    expired
        Earlier versions that cannot be read from here on.
    previous
        SHA-256 of the entry before; empty for the first.
    digest
        SHA-256 of this entry; empty until it is written.
    """

    version: int
    schema: Schema | None
    replaces: bool
    parts: tuple[Part, ...]
    token: str = ""
    at_us: int = 0
    expired: tuple[int, ...] = ()
    previous: str = ""
    digest: str = ""


def entry_name(table: str, version: int) -> str:
    """The blob of a version's entry."""
    return f"{table}/_delta_log/{version:020d}.json"


def write_entry(table: str, entry: Entry, removed: Sequence[Part]) -> bytes:
    """The bytes of an entry; `removed` are the parts that it takes out of the table."""
    at_ms = entry.at_us // 1000
    lines: list[dict[str, Any]] = [_PROTOCOL] if entry.version == 0 else []
    if entry.schema is not None:
        lines.append({"metaData": _metadata(table, entry.schema, at_ms)})
    lines += [{"remove": {"path": _local(table, part), "deletionTimestamp": at_ms, "dataChange": True}} for part in removed]
    lines += [{"add": _added(table, part, at_ms)} for part in entry.parts]
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    sealed = body + msgspec.json.encode({"commitInfo": _commit_info(entry, at_ms)}).removesuffix(b"}}")
    return sealed + b',"sha256":"' + hashlib.sha256(sealed).hexdigest().encode() + b'"}}\n'


def _commit_info(entry: Entry, at_ms: int) -> dict[str, Any]:
    mode = "Overwrite" if entry.replaces else "Append"
    return {
        "timestamp": at_ms,
        "operation": "WRITE",
        "operationParameters": {"mode": mode},
        "engineInfo": "intonaco",
        "version": entry.version,
        "token": entry.token,
        "at_us": entry.at_us,
        "expired": entry.expired,
        "previous": entry.previous,
    }


def _metadata(table: str, schema: Schema, at_ms: int) -> dict[str, Any]:
    return {
        "id": hashlib.sha256(table.encode()).hexdigest()[:32],
        "name": table,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": msgspec.json.encode(delta_schema(schema)).decode(),
        "partitionColumns": [],
        "configuration": {"delta.enableExpiredLogCleanup": "false", _SCHEMA_KEY: msgspec.json.encode(schema.to_json()).decode()},
        "createdTime": at_ms,
    }


def _added(table: str, part: Part, at_ms: int) -> dict[str, Any]:
    return {
        "path": _local(table, part),
        "partitionValues": {},
        "size": part.size_bytes,
        "modificationTime": at_ms,
        "dataChange": True,
        "stats": msgspec.json.encode({"numRecords": part.rows}).decode(),
        "tags": {"intonaco.sha256": part.sha256, "intonaco.values": part.values_sha256},
    }


def _local(table: str, part: Part) -> str:
    return part.name.removeprefix(f"{table}/")


def read_entry(table: str, version: int, data: bytes, previous: str) -> Entry:
    """Take an entry apart after its seal and its place in the chain were checked."""
    where = f"table {table}: the log entry {entry_name(table, version)!r}"
    seal = _SEAL.search(data)
    if seal is None or hashlib.sha256(data[: seal.start()]).hexdigest() != seal[1].decode():
        raise CorruptError(f"{where} is damaged: its {len(data)} bytes do not have the SHA-256 that they must", hint=_HINT)
    try:
        lines = [msgspec.json.decode(line) for line in data.splitlines()]
        entry = _taken_apart(table, lines, hashlib.sha256(data).hexdigest())
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{where} cannot be read: {error!r}", hint=_HINT) from error
    if entry.version != version or entry.previous != previous:
        raise CorruptError(f"{where} does not follow the entry before it: one of the two was altered", hint=_HINT)
    return entry


def _taken_apart(table: str, lines: list[dict[str, Any]], digest: str) -> Entry:
    info = lines[-1]["commitInfo"]
    schemas = [line["metaData"]["configuration"][_SCHEMA_KEY] for line in lines if "metaData" in line]
    return Entry(
        version=info["version"],
        schema=Schema.from_json(msgspec.json.decode(schemas[0])) if schemas else None,
        replaces=info["operationParameters"]["mode"] == "Overwrite",
        parts=tuple(_part(table, line["add"]) for line in lines if "add" in line),
        token=info["token"],
        at_us=info["at_us"],
        expired=tuple(info["expired"]),
        previous=info["previous"],
        digest=digest,
    )


def _part(table: str, add: dict[str, Any]) -> Part:
    return Part(
        name=f"{table}/{add['path']}",
        rows=msgspec.json.decode(add["stats"])["numRecords"],
        size_bytes=add["size"],
        sha256=add["tags"]["intonaco.sha256"],
        values_sha256=add["tags"]["intonaco.values"],
    )
