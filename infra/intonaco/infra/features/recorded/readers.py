"""Who reads a view or a feature: feature sets, views that join it, and versions of models."""

from collections.abc import Iterable, Iterator

import sqlalchemy as sql
from attrs import frozen

from intonaco.core.references import Reference
from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView, Use
from intonaco.infra.features.recorded.renames import stored_names
from intonaco.infra.lineage.tables import USES

__all__ = ["Reader", "definitions_reading", "feature_reference", "models_reading", "uses_of", "views_of_model", "views_of_models"]


@frozen(kw_only=True)
class Reader:
    """What reads a view: a reference such as `set:maps/eta@2` or `model:maps/eta@3`, and which features of the view.

    `features` is empty for a model that was registered without telling them.
    """

    reference: str
    view: str
    features: tuple[str, ...]


def feature_reference(project: str, view: str, version: int, feature: str = "") -> str:
    """`view:project/name[feature]@version`, under which lineage keeps what a model's version reads."""
    return str(Reference("view", view, project, feature, str(version)))


def definitions_reading(project: str, view: str, feature: str, applied: Iterable[tuple[Definition, int]]) -> Iterator[Reader]:
    """Sets and joining views among the definitions, each with its version, that read a feature, or any of the view."""
    for definition, version in applied:
        uses = uses_of(definition)
        names = tuple(dict.fromkeys(name for use in uses if use.view.name == view for name in use.names))
        if names and (not feature or feature in names):
            kind = "set" if isinstance(definition, FeatureSet) else "view"
            yield Reader(reference=str(Reference(kind, definition.name, project, "", str(version))), view=view, features=names)


def models_reading(connection: sql.Connection, project: str, view: str, feature: str) -> list[Reader]:
    """The versions of models, of any project, that read a feature of any version of a view, or any of it."""
    stored = {name for name, _ in stored_names(connection, project, [view]).values()}
    prefixes = [str(Reference("view", name, project)) for name in sorted({view} | stored)]
    named = [USES.c.reference.startswith(f"{prefix}[", autoescape=True) for prefix in prefixes]
    query = sql.select(USES).where(sql.or_(USES.c.reference.in_(prefixes), *named))
    read: dict[str, list[str]] = {}
    for row in connection.execute(query.order_by(*(USES.c[name] for name in ("project", "model", "partition", "number")))).mappings():
        model = str(Reference("model", row["model"], row["project"], row["partition"], str(row["number"])))
        read.setdefault(model, []).extend(filter(None, [Reference.parse(row["reference"]).partition]))
    found = [Reader(reference=model, view=view, features=tuple(dict.fromkeys(names))) for model, names in read.items()]
    return [each for each in found if not feature or not each.features or feature in each.features]


def views_of_model(connection: sql.Connection, model: Reference) -> set[str]:
    """The names of the views that a version of a model reads, or any version of it."""
    wanted = {"project": model.project, "model": model.name, "partition": model.partition}
    query = sql.select(USES.c.reference).where(*(USES.c[name] == value for name, value in wanted.items()))
    if model.version.isdigit():
        query = query.where(USES.c.number == int(model.version))
    read = [Reference.parse(text) for text in connection.scalars(query.distinct())]
    return {each.name for each in read if each.kind == "view"}


def views_of_models(connection: sql.Connection, project: str) -> list[set[str]]:
    """For each version of a model the names of the views of a project that it reads."""
    columns = (USES.c.project, USES.c.model, USES.c.partition, USES.c.number)
    prefix = str(Reference("view", "x", project)).removesuffix("x")
    query = sql.select(*columns, USES.c.reference).where(USES.c.reference.startswith(prefix, autoescape=True)).distinct()
    found: dict[tuple[object, ...], set[str]] = {}
    for *model, reference in connection.execute(query):
        found.setdefault(tuple(model), set()).add(Reference.parse(reference).name)
    return list(found.values())


def uses_of(definition: Definition) -> tuple[Use, ...]:
    """What a set or a joining view takes from views."""
    if isinstance(definition, FeatureSet):
        return definition.features
    return definition.source.uses if isinstance(definition, FeatureView) else ()
