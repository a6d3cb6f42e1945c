"""The catalog's record of definitions: what is applied, in which version, who reads it, and what applying would change."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sql
from attrs import evolve, frozen

from intonaco.core.errors import MissingError
from intonaco.core.references import Reference
from intonaco.core.schema import suggestion
from intonaco.infra.features.defined.meaning import Definition, digest, kind_of
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.recorded.aliases import aliases_of, check_alias, move_alias, named_by_aliases
from intonaco.infra.features.recorded.applied import Applied, Recorded, newest, versions_by_meaning
from intonaco.infra.features.recorded.changes import Changes, expanded, refuse_breaks
from intonaco.infra.features.recorded.readers import Reader, definitions_reading, models_reading, uses_of, views_of_model, views_of_models
from intonaco.infra.features.recorded.renames import record_rename, stored_names
from intonaco.infra.features.recorded.steps import Step
from intonaco.infra.features.tables import DEFINITIONS
from intonaco.infra.storage.catalog.catalog import Catalog

__all__ = ["Applied", "Registry", "Step"]

TOPIC = "features"
#: Numbers of versions; a database holds none beyond.
_MOST = 2**31 - 1


@frozen
class Registry:
    """The definitions of one project."""

    catalog: Catalog
    project: str

    def plan(self, definitions: Iterable[Definition], *, complete: bool = False) -> list[Step]:
        """What `apply` would do, what definitions stand on first; nothing is changed.

        Parameters
        ----------
        complete
            Whether these are all that the project declares; only then can one be gone, or renamed.
        """
        with self.catalog.read() as connection:
            return Changes.of(connection, self.project, definitions, complete).steps()

    def apply(self, definitions: Iterable[Definition], *, complete: bool = False, force: bool = False) -> list[Step]:
        """Record definitions, all or none, and tell what was done.

        Raises
        ------
        RefusedError
            A set, a view or a version of a model that is not applied with them reads a feature that goes away; not with `force`.
        """
        with self.catalog.transaction() as connection:
            changes = Changes.of(connection, self.project, definitions, complete)
            steps = changes.steps()
            if not force:
                refuse_breaks(steps)
            self._record(connection, changes, steps)
        return steps

    def find(self, kind: str, name: str, version: int | str | None = None) -> Applied | None:
        """A version of a definition, by number or alias, or the newest; None if there is none.

        `name` may hold it: `eta@3`, or an alias as in `eta@stable`.
        """
        name, version = _versioned(name, version)
        with self.catalog.read() as connection:
            number = aliases_of(connection, self.project, kind, name).get(version, 0) if isinstance(version, str) else version
            if number is not None and number > _MOST:
                return None
            if number is None:
                found = next(newest(connection, self.project, kind, [name]), None)
                return None if found is None else found.read()
            query = sql.select(DEFINITIONS).where(*self._of(kind), DEFINITIONS.c.name == name, DEFINITIONS.c.version == number)
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else Recorded.of(row).read()

    def get(self, kind: str, name: str, version: int | str | None = None) -> Applied:
        """As `find`; MissingError if there is none."""
        bare, wanted = _versioned(name, version)
        found = self.find(kind, bare, wanted)
        if found is None:
            with self.catalog.read() as connection:
                known = connection.scalars(sql.select(DEFINITIONS.c.name).where(*self._of(kind)).distinct()).all()
                text = bare if wanted is None else f"{bare}@{wanted}"
                other = suggestion(bare, known) if known else "add it to DEFINITIONS, then intonaco features apply"
                hint = other if bare not in known else self._versions(connection, kind, bare)
            fault = f"no feature {kind} {text!r} in project {self.project!r}"
            if kind == "set" and bare not in known and self.find("view", bare) is not None:
                fault, hint = f"{fault}: {bare!r} is a view, which is read through a set", self._sets_of(bare)
            raise MissingError(fault, hint=hint, field=bare)
        return found

    def search(self, text: str = "", *, kind: str = "", tag: str = "", owner: str = "", used_by: str = "") -> list[Applied]:
        """The newest versions whose name, description or body holds the text; by kind and name.

        Parameters
        ----------
        tag
            Of the definition, or of one of its features or columns.
        used_by
            Only what this reads: a set (`eta`, `set:eta`) or a model (`model:eta@3`).
        """
        with self.catalog.read() as connection:
            found = [each.read() for each in newest(connection, self.project, kind) if _matches(each, text, owner)]
            used = self._used_by(connection, used_by) if used_by else None
        found = [each for each in found if not tag or tag in tags_of(each.definition)]
        return found if used is None else [each for each in found if (each.kind, each.name) in used]

    def uses(self, view: str, feature: str = "") -> list[Reader]:
        """Who reads a view, or one of its features: sets and views in their newest version, then versions of models."""
        with self.catalog.read() as connection:
            applied = [each.read() for each in newest(connection, self.project) if each.key[0] in ("view", "set")]
            read = definitions_reading(self.project, view, feature, [(each.definition, each.version) for each in applied])
            return [*read, *models_reading(connection, self.project, view, feature)]

    def use_counts(self) -> dict[tuple[str, str], int]:
        """How many read each view, by kind and name: sets and views in their newest version, and versions of models."""
        with self.catalog.read() as connection:
            applied = [each.read().definition for each in newest(connection, self.project) if each.key[0] in ("view", "set")]
            models = views_of_models(connection, self.project)
        read = [{use.view.name for use in uses_of(each)} for each in applied]
        return dict(Counter(("view", name) for names in [*read, *models] for name in names))

    def set_alias(self, kind: str, name: str, alias: str, version: int | None, *, by: str = "") -> None:
        """Move an alias of a definition to a version, or remove it with None; the history of moves is kept."""
        check_alias(alias)
        if version is not None:
            self.get(kind, name, version)
        with self.catalog.transaction() as connection:
            move_alias(connection, self.project, kind, name, alias, version or 0, by)
            self.catalog.record_change(connection, TOPIC, f"{kind}:{self.project}/{name}@{alias}")

    def aliases(self, kind: str, name: str) -> dict[str, int]:
        """The aliases of a definition and the versions that they name."""
        with self.catalog.read() as connection:
            return aliases_of(connection, self.project, kind, name)

    def references(self, kind: str) -> dict[str, tuple[str, int]]:
        """All that names a definition of a kind (`eta`, `eta@3`, `eta@stable`), each with name and version."""
        query = sql.select(DEFINITIONS.c.name, DEFINITIONS.c.version).where(*self._of(kind))
        with self.catalog.read() as connection:
            versions = [(name, version) for name, version in connection.execute(query.order_by(*query.selected_columns))]
            aliases = named_by_aliases(connection, self.project, kind)
        numbered = {f"{name}@{version}": (name, version) for name, version in versions}
        named = {f"{name}@{alias}": (name, version) for (name, alias), version in aliases.items()}
        bare = {name: (name, version) for name, version in versions}  # of each name the last, which is the newest
        return {**bare, **numbered, **named}

    def version_of(self, view: FeatureView) -> int:
        """The version under which a view of this meaning is applied.

        Raises
        ------
        MissingError
            It is not applied as it stands.
        """
        return self.versions_of([view])[view.name]

    def versions_of(self, views: Iterable[FeatureView]) -> dict[str, int]:
        """The versions under which views are applied, by name; MissingError if one is not applied as it stands."""
        wanted = {view.name: digest(view) for view in views}
        with self.catalog.read() as connection:
            found = versions_by_meaning(connection, self.project, "view", wanted)
        for name, meaning in wanted.items():
            if (name, meaning) not in found:
                raise MissingError(f"feature view {name!r} is not applied as it stands", hint="FeatureStore.apply records it", field=name)
        return {name: found[name, meaning] for name, meaning in wanted.items()}

    def stored(self, view: FeatureView, version: int) -> tuple[FeatureView, int]:
        """The view under the name and version under which what belongs to it is stored: others only if it was renamed."""
        return self._stored([(view, version)])[0]

    def stored_views(self, views: Iterable[FeatureView]) -> dict[str, tuple[FeatureView, int]]:
        """As `stored`, for views that are applied as they stand; by the names that they are applied under."""
        each = list(views)
        versions = self.versions_of(each)
        return dict(zip(versions, self._stored([(view, versions[view.name]) for view in each]), strict=True))

    def _stored(self, views: list[tuple[FeatureView, int]]) -> list[tuple[FeatureView, int]]:
        with self.catalog.read() as connection:
            renamed = stored_names(connection, self.project, [view.name for view, _ in views])
        if not renamed:
            return views
        kept = [(view, renamed.get((view.name, version), (view.name, version))) for view, version in views]
        return [(evolve(view, name=name), version) for view, (name, version) in kept]

    def _of(self, kind: str) -> tuple[sql.ColumnElement[bool], ...]:
        return DEFINITIONS.c.project == self.project, DEFINITIONS.c.kind == kind

    def _versions(self, connection: sql.Connection, kind: str, name: str) -> str:
        last = connection.scalar(sql.select(sql.func.max(DEFINITIONS.c.version)).where(*self._of(kind), DEFINITIONS.c.name == name))
        aliases = ", ".join(aliases_of(connection, self.project, kind, name)) or "none"
        return f"its versions are 1 to {last}, its aliases: {aliases}"

    def _sets_of(self, view: str) -> str:
        """The sets through which a view is read, as a hint."""
        sets = [each.reference for each in self.uses(view) if each.reference.startswith("set:")]
        names = ", ".join(Reference.parse(each).name for each in sets)
        return f"read one of the sets that use it: {names}" if sets else f"apply a set of it: FeatureSet(name=..., features=[{view}])"

    def _used_by(self, connection: sql.Connection, reader: str) -> set[tuple[str, str]]:
        """Kinds and names of the definitions that a set or a model stands on."""
        reference = Reference.parse(reader, project=self.project)
        if reference.kind == "model":
            names = views_of_model(connection, reference)
            views = [each.read().definition for each in newest(connection, self.project, "view", names)]
        else:
            version = int(reference.version) if reference.version.isdigit() else reference.version or None
            views = [self.get(reference.kind or "set", reference.name, version).definition]
        return {_key(each) for each in expanded(views)} - {("set", reference.name)}

    def _record(self, connection: sql.Connection, changes: Changes, steps: list[Step]) -> None:
        rows: list[dict[str, Any]] = []
        for step, wanted in zip(steps, changes.wanted, strict=False):  # those that are gone stand behind
            if step.action == "same":
                continue
            if step.action == "describe":
                own = (*self._of(step.kind), DEFINITIONS.c.name == step.name, DEFINITIONS.c.version == step.version)
                connection.execute(DEFINITIONS.delete().where(*own))
            if step.was:
                record_rename(connection, self.project, step.name, step.version, step.was)
            rows.append(wanted.row(self.project, step.version))
            self.catalog.record_change(connection, TOPIC, f"{step.kind}:{self.project}/{step.name}@{step.version}")
        if rows:
            connection.execute(DEFINITIONS.insert(), rows)


def _versioned(name: str, version: int | str | None) -> tuple[str, int | str | None]:
    bare, _, given = name.partition("@")
    return bare, version if not given else int(given) if given.isdigit() else given


def tags_of(definition: Definition) -> set[str]:
    """The tags of a definition, of its features, and of the columns that it asks for."""
    own = set(getattr(definition, "tags", ()))
    if isinstance(definition, FeatureView):
        return own.union(*(feature.tags for feature in definition.features))
    if isinstance(definition, FeatureSet):
        return own.union(*(each.tags for schema in (definition.outputs(), definition.inputs()) for each in schema))
    return own


def _key(definition: Definition) -> tuple[str, str]:
    return kind_of(definition), definition.name


def _matches(recorded: Recorded, text: str, owner: str) -> bool:
    return (not owner or owner == recorded.row["owner"]) and text.lower() in recorded.row["body"].lower()
