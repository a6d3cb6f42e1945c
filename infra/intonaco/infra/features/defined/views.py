"""Feature views: features of one entity from one source, and what a set or another source takes of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import Field, suggestion
from intonaco.infra.compute.timeline import duration, duration_text
from intonaco.infra.features.defined.aggregates import Feature
from intonaco.infra.features.defined.entities import Entity
from intonaco.infra.features.defined.given import family, named, words
from intonaco.infra.features.defined.sources import Source, TableSource
from intonaco.infra.storage.quality.expectations import Expectation, as_expectations

__all__ = ["Entity", "FeatureView", "TableSource", "Use"]


def _optional_duration(given: str | int | timedelta | None) -> int | None:
    return None if given is None else duration(given)


def _renamed(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


def _features(given: Iterable[Any]) -> tuple[Feature, ...]:
    """Features, from any nesting of them."""
    found: list[Feature] = []
    for each in given:
        found += [each] if isinstance(each, Feature) else _features(each)
    return tuple(found)


@frozen(kw_only=True)
class FeatureView:
    """Features of one entity from one source.

    Parameters
    ----------
    features
        Of `columns`, `mean`, `count` and their like; lists of windows are flattened.
    valid_for
        A value older than this is expired; None keeps it for ever.
    delay
        How long after its event time an event is known; it is not used before.
    expectations
        What is expected of its events where they come in; a check alone is one that refuses. They are not part of its meaning.
    """

    name: str = field(validator=named("feature view"))
    entity: Entity
    source: Source
    features: tuple[Feature, ...] = field(converter=_features)
    valid_for: int | None = field(default=None, converter=_optional_duration)
    delay: int = field(default=0, converter=duration)
    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=(), converter=words)
    expectations: tuple[Expectation, ...] = field(default=(), converter=as_expectations)

    def __attrs_post_init__(self) -> None:
        self._check()
        self._check_expectations()
        object.__setattr__(self, "features", tuple(self._typed(feature) for feature in self.features))

    def _check(self) -> None:
        names = [feature.name for feature in self.features]
        wrong = next((name for name in names if not name or not name.isprintable() or set(name) & set("[]")), None)
        if wrong is not None:
            raise DefinitionError(f"feature view {self.name!r}: {wrong!r} cannot name a feature", hint="leave out [ and ]", field=wrong)
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            fault = f"names the feature {twice[0]!r} twice" if twice else "has no features"
            hint = "give one another name: name=..." if twice else "such as features=[count(over='1h')]"
            raise DefinitionError(f"feature view {self.name!r} {fault}", hint=hint, field=self.name)
        if self.delay < 0 or (self.valid_for is not None and self.valid_for <= 0):
            fault = f"feature view {self.name!r}: delay is at least 0, valid_for more than 0"
            raise DefinitionError(fault, hint="leave out valid_for to keep values for ever", field=self.name)
        self._check_valid_for()
        self._check_chain(self.source, (self.name,))
        self.source.check(self.entity.keys, f"feature view {self.name!r}")
        for key in self.entity.keys:
            if key.name in self.source.columns and family(self.source.columns[key.name].dtype) != family(key.dtype):
                given = self.source.columns[key.name].dtype
                raise DefinitionError(
                    f"feature view {self.name!r}: the key {key.name!r} is {given} in {self.source.table!r}, expected {key.dtype}",
                    hint="declare both alike, as the table has it",
                    field=key.name,
                )

    def _check_valid_for(self) -> None:
        """Refuse a feature that would outlive its view: all of a view's values expire with its newest event."""
        for feature in self.features:
            own_us = None if feature.source_dtype else feature.valid_for_us  # one that was typed is read back as it was applied
            if self.valid_for is not None and own_us is not None and own_us > self.valid_for:
                own, whole = duration_text(own_us), duration_text(self.valid_for)
                fault = f"feature view {self.name!r}: {feature.name!r} is valid for {own}, its view for {whole}"
                hint = "give the view the longest, and features that age sooner their own"
                raise DefinitionError(fault, hint=hint, field=feature.name)

    def _check_expectations(self) -> None:
        known = dict.fromkeys([*self.used, *self.source.columns.names])
        for name in self.expected:
            if name not in known:
                fault = f"feature view {self.name!r} expects something of {name!r}, which the source {self.source.table!r} lacks"
                raise DefinitionError(fault, hint=suggestion(name, known), field=name)

    def _check_chain(self, source: Source, path: tuple[str, ...]) -> None:
        """Refuse a view that stands on itself: on the tables that are made of it, or on another view that does."""
        below = next((use.view for use in source.uses if use.view.name == self.name), None)
        if below is not None or source.table.startswith(f"features.{self.name}."):
            chain = " reads ".join(repr(name) for name in (*path, self.name))
            hint = "name the table of its events, and other views"
            raise DefinitionError(f"feature view {self.name!r} reads itself: {chain}", hint=hint, field=self.name)
        for use in source.uses:
            self._check_chain(use.view.source, (*path, use.view.name))

    def _typed(self, feature: Feature) -> Feature:
        """The feature with the type of its source column."""
        if not feature.column:
            return feature
        if feature.column not in self.source.columns:
            hint = suggestion(feature.column, self.source.columns.names)
            raise DefinitionError(
                f"feature view {self.name!r}: {feature.name!r} uses {feature.column!r}, which the source {self.source.table!r} lacks",
                hint=hint,
                field=feature.column,
            )
        column = self.source.columns[feature.column]
        typed = feature.of_type(column.dtype)
        return evolve(typed, tags=tuple(dict.fromkeys([*feature.tags, *column.tags]))) if column.tags else typed

    @property
    def windows(self) -> tuple[Feature, ...]:
        """The features that are window aggregates."""
        return tuple(feature for feature in self.features if feature.kind != "column")

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns as of the moment."""
        return tuple(feature for feature in self.features if feature.kind == "column")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables in the project that its events are made of: its own first, then those of joined views."""
        return tuple(dict.fromkeys([self.source.table, *(table for use in self.source.uses for table in use.view.tables)]))

    @property
    def used(self) -> tuple[str, ...]:
        """The columns of its events: keys, times, and what features are made of."""
        created = [self.source.created] if self.source.created else []
        made = [feature.column for feature in self.features if feature.column]
        return tuple(dict.fromkeys([*self.entity.keys.names, self.source.time, *created, *made]))

    @property
    def expected(self) -> tuple[str, ...]:
        """The columns of its events that expectations name."""
        return tuple(dict.fromkeys(name for each in self.expectations for name in each.check.names))

    def meaning(self) -> dict[str, Any]:
        """Plain values that change if and only if what is stored for the view may change."""
        features = sorted((feature.meaning() for feature in self.features), key=msgspec.json.encode)
        keys = [(key.name, key.dtype) for key in self.entity.keys]
        source = self.source.meaning(self.used)
        return {"keys": keys, "source": source, "features": features, "delay": self.delay, "valid_for": self.valid_for}

    def using(self, *names: str, keys: Mapping[str, str] | None = None, prefix: str = "", rename: Mapping[str, str] | None = None) -> "Use":
        """Some features of this view, or the same under other keys: `airport.using(keys={"airport": "origin"}, prefix="origin_")`.

        `rename` gives single features other names: `airport.using("temp", rename={"temp": "degrees"})`.
        """
        taken = names or tuple(feature.name for feature in self.features)
        return Use(view=self, names=taken, keys=keys or {}, prefix=prefix, rename=rename or {})

    def __getitem__(self, names: str | Sequence[str]) -> "Use":
        return self.using(*((names,) if isinstance(names, str) else names))


@frozen(kw_only=True)
class Use:
    """What a feature set takes from a view.

    Parameters
    ----------
    keys
        Keys of the entity to the request columns that hold them, where they differ.
    prefix
        Before each name, so that one view can be used twice.
    rename
        Features of the view to the names that they have here, the prefix left out.
    """

    view: FeatureView
    names: tuple[str, ...] = field(converter=words)
    keys: Mapping[str, str] = field(factory=dict, converter=_renamed)
    prefix: str = ""
    rename: Mapping[str, str] = field(factory=dict, converter=_renamed)

    def __attrs_post_init__(self) -> None:
        known = [feature.name for feature in self.view.features]
        for name in (*self.names, *self.rename):
            if name not in known:
                raise DefinitionError(f"feature view {self.view.name!r} has no feature {name!r}", hint=suggestion(name, known), field=name)
        for key in self.keys:
            if key not in self.view.entity.keys:
                hint = suggestion(key, self.view.entity.keys.names)
                raise DefinitionError(f"entity {self.view.entity.name!r} has no key {key!r}", hint=hint, field=key)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features taken, in order, under the names of the view."""
        by_name = {feature.name: feature for feature in self.view.features}
        return tuple(by_name[name] for name in self.names)

    def name_of(self, feature: str) -> str:
        """What a feature of the view is called here."""
        return self.rename.get(feature, self.prefix + feature)

    @property
    def key_columns(self) -> tuple[Field, ...]:
        """The request columns that hold the keys, in the order of the entity's keys."""
        return tuple(evolve(key, name=self.keys.get(key.name, key.name), nullable=True) for key in self.view.entity.keys)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The features as columns of an answer, in order."""
        return tuple(self._field(feature) for feature in self.features)

    def meaning(self) -> dict[str, Any]:
        """Plain values that change if and only if what is read may change."""
        features = [(self.name_of(feature.name), feature.meaning(), *_answering(feature)) for feature in self.features]
        return {"view": self.view.meaning(), "keys": [key.name for key in self.key_columns], "features": features}

    def _field(self, feature: Feature) -> Field:
        shape = (-1,) if feature.kind == "last_k" else ()
        extra: Mapping[str, Any] = {"description": feature.description, "tags": feature.tags, "shape": shape}
        return Field(self.name_of(feature.name), feature.dtype, nullable=feature.default is None and not shape, **extra)


def _answering(feature: Feature) -> tuple[Any, ...]:
    """What decides an answer beside what is stored; what is not declared is left out, so that old digests stay."""
    return (feature.default,) if feature.valid_for_us is None else (feature.default, feature.valid_for_us)
