"""The catalog's record of definitions: what is applied, in which version, and what applying would change."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sql
from attrs import frozen

from intonaco.core.errors import DefinitionError, MissingError
from intonaco.core.schema import suggestion
from intonaco.infra.features.meaning import Definition, digest, kind_of
from intonaco.infra.features.sets import FeatureSet
from intonaco.infra.features.stored import decode, encode
from intonaco.infra.features.tables import DEFINITIONS
from intonaco.infra.features.views import FeatureView
from intonaco.infra.storage.catalog import Catalog
from intonaco.infra.storage.seals import seal, verify

__all__ = ["Applied", "Registry", "Step"]

TOPIC = "features"
_KINDS = ("entity", "view", "set", "labels")


@frozen(kw_only=True)
class Step:
    """What applying does to one definition.

    `add`: a first version. `same`: nothing. `describe`: names and descriptions in place. `change`: a new version beside
    those that are online; `detail` says what changes.
    """

    kind: str
    name: str
    action: Literal["add", "same", "describe", "change"]
    version: int
    detail: str = ""


@frozen(kw_only=True)
class Applied:
    """One version of a definition as recorded."""

    kind: str
    name: str
    version: int
    meaning: str
    definition: Definition
    applied_us: int


@frozen
class Registry:
    """The definitions of one project."""

    catalog: Catalog
    project: str

    def plan(self, definitions: Iterable[Definition]) -> list[Step]:
        """What `apply` would do, what definitions stand on first; nothing is changed."""
        with self.catalog.read() as connection:
            return [self._step(connection, each) for each in expanded(definitions)]

    def apply(self, definitions: Iterable[Definition]) -> list[Step]:
        """Record definitions, all or none, and tell what was done."""
        wanted = expanded(definitions)
        with self.catalog.transaction() as connection:
            steps = [self._step(connection, each) for each in wanted]
            for step, definition in zip(steps, wanted, strict=True):
                self._record(connection, step, definition)
        return steps

    def find(self, kind: str, name: str, version: int | None = None) -> Applied | None:
        """A version of a definition, or the newest; None if there is none."""
        with self.catalog.read() as connection:
            return self._newest(connection, kind, name, version)

    def get(self, kind: str, name: str, version: int | None = None) -> Applied:
        """A version of a definition, or the newest; MissingError if there is none."""
        found = self.find(kind, name, version)
        if found is None:
            with self.catalog.read() as connection:
                known = connection.scalars(sql.select(DEFINITIONS.c.name).where(*self._of(kind)).distinct()).all()
                text = f"{name}@{version}" if version else name
                raise MissingError(f"no feature {kind} {text!r} in project {self.project!r}", hint=suggestion(name, known), field=name)
        return found

    def search(self, text: str = "", *, kind: str = "", tag: str = "", owner: str = "") -> list[Applied]:
        """The newest versions whose name, description or body holds the text; by kind and name."""
        newest = sql.select(sql.func.max(DEFINITIONS.c.version)).where(*self._same_name()).scalar_subquery()
        alias = _OUTER
        query = sql.select(alias).where(alias.c.project == self.project, alias.c.version == newest)
        with self.catalog.read() as connection:
            found = [_applied(row) for row in connection.execute(query.order_by(alias.c.kind, alias.c.name)).mappings()]
        return [each for each in found if _matches(each, text, kind, tag, owner)]

    def version_of(self, view: FeatureView) -> int:
        """The version under which a view of this meaning is applied.

        Raises
        ------
        MissingError
            It is not applied as it stands.
        """
        query = sql.select(sql.func.max(DEFINITIONS.c.version)).where(
            *self._of("view"), DEFINITIONS.c.name == view.name, DEFINITIONS.c.meaning == digest(view)
        )
        with self.catalog.read() as connection:
            version = connection.scalar(query)
        if version is None:
            raise MissingError(
                f"feature view {view.name!r} is not applied as it stands", hint="FeatureStore.apply records it", field=view.name
            )
        return int(version)

    def _of(self, kind: str) -> tuple[sql.ColumnElement[bool], ...]:
        return DEFINITIONS.c.project == self.project, DEFINITIONS.c.kind == kind

    def _same_name(self) -> tuple[sql.ColumnElement[bool], ...]:
        return tuple(DEFINITIONS.c[name] == _OUTER.c[name] for name in ("project", "kind", "name"))

    def _newest(self, connection: sql.Connection, kind: str, name: str, version: int | None = None) -> Applied | None:
        query = sql.select(DEFINITIONS).where(*self._of(kind), DEFINITIONS.c.name == name)
        if version is not None:
            query = query.where(DEFINITIONS.c.version == version)
        row = connection.execute(query.order_by(DEFINITIONS.c.version.desc()).limit(1)).mappings().one_or_none()
        return None if row is None else _applied(row)

    def _step(self, connection: sql.Connection, definition: Definition) -> Step:
        kind = kind_of(definition)
        newest = self._newest(connection, kind, definition.name)
        if newest is None:
            return Step(kind=kind, name=definition.name, action="add", version=1)
        if newest.meaning != digest(definition):
            detail = _difference(newest.definition, definition)
            return Step(kind=kind, name=definition.name, action="change", version=newest.version + 1, detail=detail)
        action: Literal["same", "describe"] = "same" if newest.definition == definition else "describe"
        return Step(kind=kind, name=definition.name, action=action, version=newest.version)

    def _record(self, connection: sql.Connection, step: Step, definition: Definition) -> None:
        if step.action == "same":
            return
        key = {"project": self.project, "kind": step.kind, "name": step.name, "version": step.version}
        if step.action == "describe":
            connection.execute(DEFINITIONS.delete().where(*(DEFINITIONS.c[name] == value for name, value in key.items())))
        row = {**key, **_row(definition)}
        connection.execute(DEFINITIONS.insert().values(**row, seal=seal(row)))
        self.catalog.record_change(connection, TOPIC, f"{step.kind}:{self.project}/{step.name}@{step.version}")


_OUTER = DEFINITIONS.alias("newest")


def expanded(definitions: Iterable[Definition]) -> list[Definition]:
    """The definitions and all that they stand on, each once: entities, then views, sets and labels.

    Raises
    ------
    DefinitionError
        Two of a kind and name differ.
    """
    found: dict[tuple[str, str], Definition] = {}
    for definition in definitions:
        for each in (*_below(definition), definition):
            kept = found.setdefault((kind_of(each), each.name), each)
            if kept != each:
                raise DefinitionError(f"two different definitions of the feature {kind_of(each)} {each.name!r}", field=each.name)
    return sorted(found.values(), key=lambda each: _KINDS.index(kind_of(each)))


def _below(definition: Definition) -> Sequence[Definition]:
    if isinstance(definition, FeatureView):
        return (definition.entity,)
    if isinstance(definition, FeatureSet):
        return [each for view in definition.views for each in (view.entity, view)]
    return ()


def _row(definition: Definition) -> dict[str, Any]:
    tags = getattr(definition, "tags", ())
    return {
        "meaning": digest(definition),
        "body": encode(definition),
        "owner": definition.owner,
        "description": definition.description,
        "tags": msgspec.json.encode(tags).decode(),
        "applied_us": time.time_ns() // 1000,
    }


def _applied(row: Mapping[Any, Any]) -> Applied:
    verify(row, where="a recorded feature definition")
    shared = {name: row[name] for name in ("kind", "name", "version", "meaning", "applied_us")}
    return Applied(definition=decode(row["kind"], row["body"]), **shared)


def _matches(each: Applied, text: str, kind: str, tag: str, owner: str) -> bool:
    definition = each.definition
    tags = getattr(definition, "tags", ())
    words = encode(definition).lower()
    return (
        (not kind or kind == each.kind) and (not tag or tag in tags) and (not owner or owner == definition.owner) and text.lower() in words
    )


def _difference(old: Definition, new: Definition) -> str:
    """What is new, gone or changed among the features; which other setting differs."""
    if not (isinstance(old, FeatureView) and isinstance(new, FeatureView)):
        return "its meaning changes"
    before = {feature.name: feature.meaning() for feature in old.features}
    after = {feature.name: feature.meaning() for feature in new.features}
    parts = [f"adds {name}" for name in after if name not in before]
    parts += [f"breaks who reads {name}" for name in before if name not in after]
    parts += [f"changes {name}" for name in after if name in before and before[name] != after[name]]
    settings = ("entity", "source", "valid_for", "delay")
    parts += [f"changes its {name}" for name in settings if getattr(old, name) != getattr(new, name)]
    return ", ".join(parts)
