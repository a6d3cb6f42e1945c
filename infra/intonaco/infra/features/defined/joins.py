"""Chained views: events enriched with features of other views, so that features of features can be defined."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.features.defined.sources import Source
from intonaco.infra.features.defined.views import FeatureView, Use

__all__ = ["JoinSource"]


def _uses(given: FeatureView | Use | Iterable[FeatureView | Use]) -> tuple[Use, ...]:
    each = [given] if isinstance(given, FeatureView | Use) else given
    return tuple(one.using() if isinstance(one, FeatureView) else one for one in each)


@frozen
class JoinSource(Source):
    """Events of a source, each with features of other views as of the moment at which it happened.

    The rule of time is the one of every read: an event sees what was usable at its own time, and never itself.
    A feature without a value is null, or its default.

    Parameters
    ----------
    events_of
        The source of the events.
    uses
        Views, or parts of them, whose keys the events hold: `airport.using(keys={"airport": "origin"}, prefix="origin_")`.
    """

    events_of: Source
    uses: tuple[Use, ...] = field(converter=_uses)

    @classmethod
    def of_view(cls, view: FeatureView, *names: str) -> "JoinSource":
        """The events of a view, each with features of that view as of just before it."""
        return cls(view.source, (view.using(*names),))

    def __attrs_post_init__(self) -> None:
        names = [*self.events_of.columns.names, *self.joined.names]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None or not self.uses:
            fault = f"names the column {twice!r} twice" if twice else "joins no view"
            raise DefinitionError(f"source {self.table!r} {fault}", hint="view.using(prefix='origin_')", field=twice or "uses")
        listed = next((each.name for each in self.joined if each.shape), None)
        if listed is not None:
            raise DefinitionError(
                f"source {self.table!r}: {listed!r} holds several values for each event", hint="join one of its values", field=listed
            )

    @property
    def table(self) -> str:  # type: ignore[override]
        """The table of the events; those of the joined views are read as well."""
        return self.events_of.table

    @property
    def time(self) -> str:  # type: ignore[override]
        """The column of event times."""
        return self.events_of.time

    @property
    def created(self) -> str | None:  # type: ignore[override]
        """The column that says when an event became known."""
        return self.events_of.created

    @property
    def joined(self) -> Schema:
        """The columns that come from other views."""
        return Schema(tuple(evolve(each, nullable=True) for use in self.uses for each in use.fields))

    @property
    def columns(self) -> Schema:  # type: ignore[override]
        """The columns of the events and those that are joined to them."""
        return Schema((*self.events_of.columns, *self.joined))

    def check(self, keys: Schema, where: str) -> None:
        known = {*keys.names, *self.events_of.columns.names}
        for use in self.uses:
            for key in use.key_columns:
                if key.name not in known:
                    fault = f"{where}: the events of {self.table!r} have no column {key.name!r}, a key of view {use.view.name!r}"
                    raise DefinitionError(fault, hint=suggestion(key.name, known), field=key.name)
        self.events_of.check(keys, where)

    def needs(self, used: Iterable[str]) -> list[str]:
        own = [name for name in used if name not in self.joined]
        keys = [key.name for use in self.joining(used) for key in use.key_columns]
        return self.events_of.needs([*own, self.time, *keys])

    def joining(self, used: Iterable[str]) -> tuple[Use, ...]:
        """Of the joined views' features those that are used."""
        wanted = set(used)
        taken = [(use, tuple(name for name in use.names if use.name_of(name) in wanted)) for use in self.uses]
        return tuple(evolve(use, names=names) for use, names in taken if names)

    def meaning(self, used: Iterable[str]) -> dict[str, Any]:
        wanted = list(used)
        own = [name for name in wanted if name not in self.joined]
        return {**self.events_of.meaning(own), "joined": [use.meaning() for use in self.joining(wanted)]}
