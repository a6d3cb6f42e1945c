"""Definitions of features: plain frozen objects that a module holds and `FeatureStore.apply` records."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError, InvalidError
from intonaco.core.references import check_name
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.compute.timeline import duration
from intonaco.infra.features.aggregates import Feature
from intonaco.infra.features.given import as_schema, words

__all__ = ["Entity", "FeatureView", "TableSource", "Use"]

_KEY_TYPES = ("str", "bytes", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "timestamp")


def _named(what: str) -> Any:
    def check(_: object, __: Any, value: str) -> None:
        try:
            check_name(value, what)
        except InvalidError as error:
            raise DefinitionError(error.message, hint=error.hint, field=what) from None

    return check


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


@frozen
class Entity:
    """What features are about: a name and the columns that identify one.

    Parameters
    ----------
    keys
        Names to types, in order: `{"origin": "str", "dest": "str"}`.
    """

    name: str = field(validator=_named("entity"))
    keys: Schema = field(converter=as_schema)
    description: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not len(self.keys):
            raise DefinitionError(f"entity {self.name!r} has no keys", hint='keys={"airport": "str"}', field=self.name)
        for key in self.keys:
            if key.dtype not in _KEY_TYPES or key.shape:
                hint = f"a key is a scalar of {', '.join(_KEY_TYPES)}"
                raise DefinitionError(f"entity {self.name!r}: the key {key.name!r} is {key.dtype}", hint=hint, field=key.name)


@frozen
class TableSource:
    """A table of events: each row happened at a time.

    Parameters
    ----------
    table
        Name of the table in the project.
    time
        Its column of event times, a timestamp.
    created
        Its column that says when a row became known; of two rows of one entity and time the later known one holds.
    columns
        Names to types of the columns that features use, keys and times left out or not.
    """

    table: str = field(validator=_named("table"))
    columns: Schema = field(converter=as_schema)
    time: str = field(kw_only=True)
    created: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name in (self.time, self.created):
            if name is not None and name in self.columns and self.columns[name].dtype != "timestamp":
                kind = self.columns[name].dtype
                raise DefinitionError(f"source {self.table!r}: the time column {name!r} is {kind}, expected timestamp", field=name)


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
    """

    name: str = field(validator=_named("feature view"))
    entity: Entity
    source: TableSource
    features: tuple[Feature, ...] = field(converter=_features)
    valid_for: int | None = field(default=None, converter=_optional_duration)
    delay: int = field(default=0, converter=duration)
    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=(), converter=words)

    def __attrs_post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "features", tuple(self._typed(feature) for feature in self.features))

    def _check(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            fault = f"names the feature {twice[0]!r} twice" if twice else "has no features"
            raise DefinitionError(f"feature view {self.name!r} {fault}", field=self.name)
        if self.delay < 0 or (self.valid_for is not None and self.valid_for <= 0):
            raise DefinitionError(f"feature view {self.name!r}: delay is at least 0, valid_for more than 0", field=self.name)
        if self.source.table.startswith(f"features.{self.name}."):
            raise DefinitionError(f"feature view {self.name!r} reads itself", hint="name the table of its events", field=self.name)
        for key in self.entity.keys:
            if key.name in self.source.columns and _family(self.source.columns[key.name].dtype) != _family(key.dtype):
                given = self.source.columns[key.name].dtype
                raise DefinitionError(
                    f"feature view {self.name!r}: the key {key.name!r} is {given} in {self.source.table!r}, expected {key.dtype}",
                    field=key.name,
                )

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
        return feature.of_type(self.source.columns[feature.column].dtype)

    @property
    def windows(self) -> tuple[Feature, ...]:
        """The features that are window aggregates."""
        return tuple(feature for feature in self.features if feature.kind != "column")

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns as of the moment."""
        return tuple(feature for feature in self.features if feature.kind == "column")

    def using(self, *names: str, keys: Mapping[str, str] | None = None, prefix: str = "") -> "Use":
        """Some features of this view, or the same under other keys: `airport.using(keys={"airport": "origin"}, prefix="origin_")`."""
        return Use(view=self, names=names or tuple(feature.name for feature in self.features), keys=keys or {}, prefix=prefix)

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
    """

    view: FeatureView
    names: tuple[str, ...] = field(converter=words)
    keys: Mapping[str, str] = field(factory=dict, converter=_renamed)
    prefix: str = ""

    def __attrs_post_init__(self) -> None:
        known = [feature.name for feature in self.view.features]
        for name in self.names:
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

    @property
    def key_columns(self) -> tuple[Field, ...]:
        """The request columns that hold the keys, in the order of the entity's keys."""
        return tuple(evolve(key, name=self.keys.get(key.name, key.name), nullable=True) for key in self.view.entity.keys)


def _family(dtype: str) -> str:
    return "int" if dtype.startswith(("int", "uint")) else dtype
