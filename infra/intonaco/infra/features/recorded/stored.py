"""Definitions as plain values, and back: how the catalog keeps them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from intonaco.core.errors import CorruptError, SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.compute.batchchecks import ALL_KINDS
from intonaco.infra.features.defined.aggregates import Feature
from intonaco.infra.features.defined.entities import Entity
from intonaco.infra.features.defined.functions import RequestFunction
from intonaco.infra.features.defined.joins import JoinSource
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.features.defined.sets import FeatureSet, RequestColumn
from intonaco.infra.features.defined.sources import QuerySource, Source, StreamSource, TableSource
from intonaco.infra.features.defined.views import FeatureView, Use
from intonaco.infra.storage.checks import check_from_json, check_to_json
from intonaco.infra.storage.quality.expectations import Expectation

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
    shared = {name: getattr(view, name) for name in ("name", "valid_for", "delay", "owner", "description", "tags")}
    return {
        **shared,
        "entity": _entity(view.entity),
        "source": _source(view.source),
        "features": [msgspec.to_builtins(each) for each in view.features],
        **({"expectations": [_expectation(each) for each in view.expectations]} if view.expectations else {}),
    }


def _read_view(stored: Mapping[str, Any]) -> FeatureView:
    parts = {
        "entity": _read_entity(stored["entity"]),
        "source": _read_source(stored["source"]),
        "features": msgspec.convert(stored["features"], list[Feature]),
        "expectations": [_read_expectation(each) for each in stored.get("expectations", ())],
    }
    return FeatureView(**{**stored, **parts})


def _expectation(given: Expectation) -> dict[str, Any]:
    return {"mode": given.mode, **check_to_json(given.check, ALL_KINDS)}


def _read_expectation(stored: Mapping[str, Any]) -> Expectation:
    return Expectation(check_from_json({name: value for name, value in stored.items() if name != "mode"}, ALL_KINDS), stored["mode"])


def _source(source: Source) -> dict[str, Any]:
    """The source, with the word for its kind; without one it is a table."""
    if isinstance(source, JoinSource):
        return {"kind": "join", "events_of": _source(source.events_of), "uses": [_use(use) for use in source.uses]}
    kind, extra = next((kind, extra) for kind, (each, extra) in _SOURCES.items() if isinstance(source, each))
    shared = {name: getattr(source, name) for name in ("time", "created", *extra)}
    return {**({"kind": kind} if kind != "table" else {}), **shared, "columns": source.columns.to_json()}


def _read_source(stored: Mapping[str, Any]) -> Source:
    kind, rest = stored.get("kind", "table"), {name: value for name, value in stored.items() if name != "kind"}
    if kind == "join":
        return JoinSource(_read_source(rest["events_of"]), [_read_use(use) for use in rest["uses"]])
    made: Callable[..., Source] = _SOURCES[kind][0]
    return made(**{**rest, "columns": Schema.from_json(rest["columns"])})


_SOURCES: Mapping[str, tuple[type[Source], tuple[str, ...]]] = {
    "table": (TableSource, ("table",)),
    "stream": (StreamSource, ("topic", "partitions")),
    "query": (QuerySource, ("table", "select", "where")),
}


def _use(use: Use) -> dict[str, Any]:
    renamed = {"rename": use.rename} if use.rename else {}
    return {"view": _view(use.view), "names": use.names, "keys": use.keys, "prefix": use.prefix, **renamed}


def _read_use(stored: Mapping[str, Any]) -> Use:
    return Use(**{**stored, "view": _read_view(stored["view"])})


def _set(given: FeatureSet) -> dict[str, Any]:
    uses = [_use(use) for use in given.features]
    rest = {name: msgspec.to_builtins(getattr(given, name)) for name in ("name", "request", "functions", "owner", "description", "tags")}
    return {**rest, "features": uses}


def _read_set(stored: Mapping[str, Any]) -> FeatureSet:
    parts = {
        "features": [_read_use(use) for use in stored["features"]],
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
