"""What applying definitions would do, worked out against what is applied."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sql
from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError, RefusedError
from intonaco.infra.features.defined.meaning import Definition, digest, kind_of
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.recorded.applied import Recorded, newest, row_of, versions_by_meaning
from intonaco.infra.features.recorded.readers import definitions_reading, models_reading
from intonaco.infra.features.recorded.renames import renamed_away
from intonaco.infra.features.recorded.steps import Action, Step, difference, dropped
from intonaco.infra.features.recorded.stored import encode

__all__ = ["Changes", "expanded", "refuse_breaks"]

_KINDS = ("entity", "view", "set", "labels")


@frozen(eq=False)
class Wanted:
    """A definition to be applied, with what is recorded of it; each is made once."""

    definition: Definition
    kind: str
    meaning: str
    body: str

    @classmethod
    def of(cls, definition: Definition) -> "Wanted":
        """The definition with its digest and body."""
        return cls(definition, kind_of(definition), digest(definition), encode(definition))

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.definition.name

    def row(self, project: str, version: int) -> dict[str, object]:
        """The row that records it."""
        return row_of(project, self.kind, version, self.definition, self.meaning, self.body)


@frozen(eq=False)
class Changes:
    """Definitions to be applied to a project, beside those that are.

    Parameters
    ----------
    complete
        Whether these are all that the project declares: only then is one that is applied and not among them gone, or renamed.
    """

    connection: sql.Connection = field(repr=False)
    project: str
    wanted: Sequence[Wanted]
    applied: Mapping[tuple[str, str], Recorded]
    complete: bool

    @classmethod
    def of(cls, connection: sql.Connection, project: str, definitions: Iterable[Definition], complete: bool) -> "Changes":
        """What is applied of these names, or all if they are complete."""
        wanted = [Wanted.of(each) for each in expanded(definitions)]
        names = None if complete else {each.definition.name for each in wanted}
        applied = {each.key: each for each in newest(connection, project, names=names)}
        return cls(connection, project, wanted, applied, complete)

    def steps(self) -> list[Step]:
        """A step for each wanted definition, in their order, then those that are gone."""
        steps = [self._step(each) for each in self.wanted]
        views = [each.definition if isinstance(each.definition, FeatureView) else None for each in self.wanted]
        placed = [step if view is None else evolve(step, table=view.source.table) for step, view in zip(steps, views, strict=True)]
        return placed + self._gone()

    def _step(self, wanted: Wanted) -> Step:
        kind, name = wanted.key
        recorded = self.applied.get(wanted.key)
        if recorded is None:
            was = self._renamed(wanted)
            if was is not None:
                stored = f"{was.row['name']}@{was.version}"
                return Step(kind=kind, name=name, action="rename", version=1, was=stored, detail=f"was {stored}")
            return Step(kind=kind, name=name, action="add", version=1)
        if recorded.row["body"] == wanted.body:
            return Step(kind=kind, name=name, action="same", version=recorded.version)
        old = recorded.read().definition
        detail = difference(old, wanted.definition)
        if recorded.row["meaning"] == wanted.meaning:
            described: Action = "same" if old == wanted.definition else "describe"
            return Step(kind=kind, name=name, action=described, version=recorded.version, detail=detail)
        step = Step(kind=kind, name=name, action="change", version=recorded.version + 1, detail=detail or "its meaning changes")
        back = self._back(wanted)
        if back is not None:
            step = evolve(step, was=f"{name}@{back}", detail=f"{step.detail}: back to version {back}, whose store it reads")
        return evolve(step, breaks=self._breaks(old, wanted.definition))

    def _back(self, wanted: Wanted) -> int | None:
        """The older version of a view that meant the same."""
        if wanted.kind != "view":
            return None
        return versions_by_meaning(self.connection, self.project, "view", [wanted.definition.name]).get(
            (wanted.definition.name, wanted.meaning)
        )

    def _renamed(self, wanted: Wanted) -> Recorded | None:
        """An applied view of the same meaning that is not declared any more."""
        if not self.complete or wanted.kind != "view":
            return None
        same = [each for each in self.applied.values() if each.row["kind"] == "view" and each.row["meaning"] == wanted.meaning]
        return next((each for each in same if each.key not in self._declared()), None)

    def _gone(self) -> list[Step]:
        if not self.complete:
            return []
        kept = {("view", name) for name in renamed_away(self.connection, self.project)} | self._declared()
        kept |= {("view", was.row["name"]) for each in self.wanted if each.key not in self.applied and (was := self._renamed(each))}
        gone = [each for each in self.applied.values() if each.key not in kept]
        detail = "not declared any more; nothing is deleted"
        return [Step(kind=each.key[0], name=each.key[1], action="gone", version=each.version, detail=detail) for each in gone]

    def _declared(self) -> set[tuple[str, str]]:
        return {each.key for each in self.wanted}

    def _breaks(self, old: Definition, new: Definition) -> tuple[str, ...]:
        """Who reads what the new version of a view drops; sets and views that are applied with it say themselves what they read."""
        if not (isinstance(old, FeatureView) and isinstance(new, FeatureView)):
            return ()
        lost = dropped(old, new)
        if not lost:
            return ()
        others = self.applied.values() if self.complete else newest(self.connection, self.project)
        outside = [each for each in others if each.key[0] in ("view", "set") and each.key not in self._declared()]
        read = [(each.read().definition, each.version) for each in outside]
        found = [
            f"{reader.reference} reads {name}"
            for name in lost
            for reader in (
                *definitions_reading(self.project, old.name, name, read),
                *models_reading(self.connection, self.project, old.name, name),
            )
        ]
        return tuple(dict.fromkeys(found))


def refuse_breaks(steps: Iterable[Step]) -> None:
    """Raise RefusedError if a step breaks who reads a feature."""
    for step in steps:
        if step.breaks:
            more = f", and {len(step.breaks) - 1} more" if len(step.breaks) > 1 else ""
            raise RefusedError(
                f"{step.kind} {step.name!r} would break who reads it: {step.breaks[0]}{more}",
                hint="keep the feature, name the changed view anew, or apply(..., force=True): readers stay on the version before",
                field=step.name,
            )


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
            if kept is not each and kept != each:
                hint = "give one another name, or define it in one module and import it in the others"
                raise DefinitionError(f"two different definitions of the feature {kind_of(each)} {each.name!r}", hint=hint, field=each.name)
    return sorted(found.values(), key=lambda each: _KINDS.index(kind_of(each)))


def _below(definition: Definition) -> list[Definition]:
    if isinstance(definition, FeatureView):
        return [*(each for use in definition.source.uses for each in (*_below(use.view), use.view)), definition.entity]
    if isinstance(definition, FeatureSet):
        return [each for view in definition.views for each in (*_below(view), view)]
    return []
