"""What the catalog knows of one definition, for `intonaco features show`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intonaco.core.errors import MissingError
from intonaco.core.references import Reference
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.compute.timeline import duration_text
from intonaco.infra.features.defined.aggregates import Feature
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import Entity, FeatureView
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.recorded.registry import Applied
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing.statistics import statistics
from intonaco.infra.platform.featurefacts import (
    certificate_fact,
    consistency_fact,
    expectation_facts,
    freshness,
    quality,
    sets_of,
    statistic_facts,
    used_by,
)
from intonaco.infra.platform.moments import iso

__all__ = ["page"]


def page(store: FeatureStore, name: str) -> dict[str, Any]:
    """A view, a set, an entity or labels, looked for in this order, as plain values.

    Raises
    ------
    MissingError
        Nothing of this name and version is applied.
    """
    found = _found(store, name)
    definition = found.definition
    facts = {"kind": found.kind, "name": found.name, "version": found.version, "applied_at": iso(found.applied_us)}
    told = {"owner": definition.owner, "description": definition.description, "tags": getattr(definition, "tags", ())}
    return {**facts, **told, **_body(store, definition, found.version)}


def _body(store: FeatureStore, definition: Definition, version: int) -> dict[str, Any]:
    if isinstance(definition, Entity):
        return {"keys": _keys(definition.keys), "features": []}
    if isinstance(definition, Labels):
        keys = [{"name": name} for name in definition.keys]
        columns = {name: getattr(definition, name) for name in ("value", "final", "at")}
        return {"keys": keys, "features": [], "source": f"table:{store.project}/{definition.table}", **columns}
    return _set(store, definition) if isinstance(definition, FeatureSet) else _view(store, definition, version)


def _found(store: FeatureStore, name: str) -> Applied:
    reference = Reference.parse(name, project=store.project)
    for kind in ("view", "set", "entity", "labels"):
        version = _version(store, kind, reference)
        found = store.registry.find(kind, reference.name, version) if version != 0 else None
        if found is not None:
            return found
    hint = suggestion(reference.name, {each.name for each in store.registry.search()})
    raise MissingError(f"nothing named {name!r} is applied in project {store.project!r}", hint=hint, field=name)


def _version(store: FeatureStore, kind: str, reference: Reference) -> int | None:
    """The version that a reference names by its number or an alias; None for the newest, 0 for none."""
    if not reference.version or reference.version.isdigit():
        return int(reference.version) if reference.version else None
    return store.registry.aliases(kind, reference.name).get(reference.version, 0)


def _keys(schema: Schema) -> list[dict[str, Any]]:
    return [{"name": key.name, "type": key.dtype} for key in schema]


def _set(store: FeatureStore, given: FeatureSet) -> dict[str, Any]:
    uses = {use.name_of(feature.name): use.view.name for use in given.features for feature in use.features}
    functions = {function.name: function.function for function in given.functions}
    rows = [
        {
            "feature": each.name,
            "type": each.dtype,
            "from": f"view {uses[each.name]}" if each.name in uses else functions.get(each.name, "request"),
            "tags": list(each.tags),
        }
        for each in given.outputs()
    ]
    return {"keys": _keys(given.inputs()), "features": rows, "consistency": consistency_fact(store, [given.name])}


def _view(store: FeatureStore, view: FeatureView, version: int) -> dict[str, Any]:
    stored, number = store.registry.stored(view, version)
    places = {
        place: Progress(store.workspace.catalog, store.project, stored.name, number, place).mark() for place in ("hops", "online", "push")
    }
    readers = used_by(store, view.name)
    told = {
        "entity": view.entity.name,
        "keys": _keys(view.entity.keys),
        "features": list(_features(view.features, readers)),
        "source": f"table:{store.project}/{view.source.table}",
        "time": view.source.time,
        "valid_for": None if view.valid_for is None else duration_text(view.valid_for),
        "delay": duration_text(view.delay),
        "watermark": iso(places["hops"].until_us),
        "online": "by pushes" if places["push"].sequence else iso(places["online"].until_us),
        **freshness(store, view),
        "used_by": [each["reference"] for each in readers],
        "readers": readers,
        "expectations": expectation_facts(store, view),
        "certificate": certificate_fact(store, stored.name, number),
        "consistency": consistency_fact(store, sets_of(store, view.name)),
        "statistics": statistic_facts(statistics(store.workspace.tables, store.project, stored.name, number)),
    }
    return {**told, "quality": quality(told)}


def _features(features: Iterable[Feature], readers: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """What is told of each feature; `uses` is how many sets, views and versions of models read it."""
    for each in features:
        uses = sum(each.name in reader["features"] or not reader["features"] for reader in readers)
        window = {"over": duration_text(each.over_us), "hop": duration_text(each.hop_us)} if each.over_us else {"over": None, "hop": None}
        told = {"feature": each.name, "kind": each.kind, "column": each.column, "type": each.dtype}
        yield {**told, **window, "default": each.default, "tags": list(each.tags), "uses": uses}
