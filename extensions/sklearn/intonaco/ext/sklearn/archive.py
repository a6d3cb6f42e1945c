"""skops archives that are equal for equal models.

skops names members by the addresses of objects and stamps them with the clock; here they are numbered in the order in which the
schema first names them, sets are sorted, and times are left out.
"""

import io
import json
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

__all__ = ["canonical", "check_members"]

_SCHEMA = "schema.json"


def canonical(data: bytes) -> bytes:
    """The same archive with numbered identities and members, and without times."""
    with ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        _settle(schema)
        names = _number(schema)
        members = [(new, _settled(old, archive.read(old))) for old, new in names.items()]
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_STORED) as archive:
        for name, content in [(_SCHEMA, json.dumps(schema, separators=(",", ":")).encode()), *members]:
            archive.writestr(ZipInfo(name), content)
    return made.getvalue()


def check_members(data: bytes, limit_bytes: int) -> None:
    """Raise BadZipFile where an archive holds more than skops writes: members packed, doubled, in folders, or larger than it says."""
    with ZipFile(io.BytesIO(data)) as archive:
        names = [member.filename for member in archive.infolist()]
        if len(set(names)) < len(names) or any("/" in name or "\\" in name for name in names):
            raise BadZipFile("its members have names that skops does not give")
        if any(member.compress_type != ZIP_STORED for member in archive.infolist()):
            raise BadZipFile("its members are compressed")
        if sum(member.file_size for member in archive.infolist()) > limit_bytes:
            raise BadZipFile("its members are larger than the archive")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All nodes of a schema, in the order in which it is written."""
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for each in value.values():
            yield from _nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _settle(schema: Any) -> None:
    """Order the values of sets and the attributes of objects, and drop an address that scikit-learn keeps."""
    for node in _nodes(schema):
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=_without_identity)
        if node["__loader__"] == "ObjectNode" and node.get("content", {}).get("__loader__") == "DictNode":
            attributes = node["content"]["content"]
            node["content"]["content"] = dict(sorted(attributes.items()))
            if "_stop_words_id" in attributes:
                attributes["_stop_words_id"]["content"] = "null"


def _without_identity(value: Any) -> str:
    copy = json.loads(json.dumps(value))
    for node in _nodes(copy):
        node.pop("__id__", None)
        node.pop("file", None)
    return json.dumps(copy, sort_keys=True)


def _number(schema: Any) -> dict[str, str]:
    """Number identities and members by first appearance; the old names of members to the new ones."""
    identities: dict[int, int] = {}
    names: dict[str, str] = {}
    for node in _nodes(schema):
        if node["__loader__"] == "JsonNode":
            node.pop("__id__", None)  # whether equal atoms are one object is chance
        elif "__id__" in node:
            node["__id__"] = identities.setdefault(node["__id__"], len(identities) + 1)
        if "file" in node:
            ending = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names) + 1}.{ending}")
    return names


def _settled(name: str, content: bytes) -> bytes:
    """An array whose records have padding, with the padding zeroed: what stands there is chance."""
    if not name.endswith(".npy"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)  # zeros_like fills the fields alone
    for field in array.dtype.names:
        clean[field] = array[field]
    made = io.BytesIO()
    np.save(made, clean, allow_pickle=False)
    return made.getvalue()
