"""Definitions as plain values, and back: how the catalog keeps them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from intonaco.core.errors import CorruptError, SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.features.aggregates import Feature
from intonaco.infra.features.functions import RequestFunction
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.meaning import Definition
from intonaco.infra.features.sets import FeatureSet, RequestColumn
from intonaco.infra.features.views import Entity, FeatureView, TableSource, Use

__all__ = ["decode", "encode"]


def encode(definition: Definition) -> str:
    """The definition as JSON that `decode` reads."""
    return msgspec.json.encode(_plain(definition), order="deterministic").decode()


def decode(kind: str, body: str) -> Definition:
    """Read what `encode` wrote; CorruptError if it is something else."""
    try:
        return _READERS[kind](msgspec.json.decode(body))
    except (msgspec.DecodeError, KeyError, TypeError, SchemaError) as error:
        raise CorruptError(f"a recorded feature {kind} cannot be read: {error}") from error


def _plain(definition: Definition) -> dict[str, Any]:
    if isinstance(definition, Entity):
        return _entity(definition)
    if isinstance(definition, Labels):
        labels: dict[str, Any] = msgspec.to_builtins(definition)
        return labels
    return _view(definition) if isinstance(definition, FeatureView) else _set(definition)


def _entity(entity: Entity) -> dict[str, Any]:
    return {"name": entity.name, "keys": entity.keys.to_json(), "description": entity.description, "owner": entity.owner}


def _read_entity(stored: Mapping[str, Any]) -> Entity:
    return Entity(**{**stored, "keys": Schema.from_json(stored["keys"])})


def _view(view: FeatureView) -> dict[str, Any]:
    source = view.source
    columns = {"table": source.table, "columns": source.columns.to_json(), "time": source.time, "created": source.created}
    shared = {name: getattr(view, name) for name in ("name", "valid_for", "delay", "owner", "description", "tags")}
    return {**shared, "entity": _entity(view.entity), "source": columns, "features": [msgspec.to_builtins(each) for each in view.features]}


def _read_view(stored: Mapping[str, Any]) -> FeatureView:
    source = stored["source"]
    parts = {
        "entity": _read_entity(stored["entity"]),
        "source": TableSource(**{**source, "columns": Schema.from_json(source["columns"])}),
        "features": msgspec.convert(stored["features"], list[Feature]),
    }
    return FeatureView(**{**stored, **parts})


def _set(given: FeatureSet) -> dict[str, Any]:
    uses = [{"view": _view(use.view), "names": use.names, "keys": use.keys, "prefix": use.prefix} for use in given.features]
    rest = {name: msgspec.to_builtins(getattr(given, name)) for name in ("name", "request", "functions", "owner", "description", "tags")}
    return {**rest, "features": uses}


def _read_set(stored: Mapping[str, Any]) -> FeatureSet:
    parts = {
        "features": [Use(**{**use, "view": _read_view(use["view"])}) for use in stored["features"]],
        "request": msgspec.convert(stored["request"], list[RequestColumn]),
        "functions": msgspec.convert(stored["functions"], list[RequestFunction]),
    }
    return FeatureSet(**{**stored, **parts})


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Definition]] = {
    "entity": _read_entity,
    "view": _read_view,
    "set": _read_set,
    "labels": lambda stored: Labels(**stored),
}
