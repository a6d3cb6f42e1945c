"""What applying does to each definition, and how two versions of one differ."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from intonaco.core.errors import MissingError
from intonaco.infra.features.defined.entities import Entity
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.meaning import Definition, function_meaning
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.storage.tables import TableStore

__all__ = ["Action", "Step", "counted", "difference", "dropped"]

Action = Literal["add", "same", "describe", "rename", "change", "gone"]


@frozen(kw_only=True)
class Step:
    """What applying does to one definition.

    `add`: a first version. `same`: nothing. `describe`: names of features, defaults and descriptions in place. `rename`: what
    was stored under `was` is read under this name. `change`: a new version beside those that are online. `gone`: applied and
    not declared any more; nothing is deleted.

    Parameters
    ----------
    detail
        What changes.
    was
        The `name@version` under which is stored what a renamed view reads, or one that means again what an older version did.
    table
        Of a view: the table of its events.
    rows
        Of a view that is new or changed: rows of its table that are to be materialized; None where nothing is.
    breaks
        Who reads a feature that goes away, and stays on the version before.
    """

    kind: str
    name: str
    action: Action
    version: int
    detail: str = ""
    was: str = ""
    table: str = ""
    rows: int | None = None
    breaks: tuple[str, ...] = ()


def counted(steps: Sequence[Step], tables: TableStore, project: str) -> list[Step]:
    """The steps with the rows that new and changed views are to be materialized from; 0 of a table that is not there yet."""
    built = [step.table if step.action in ("add", "change") and not step.was else "" for step in steps]
    rows = {table: _rows(tables, f"{project}/{table}") for table in set(built) if table}
    return [evolve(step, rows=rows[table]) if table else step for step, table in zip(steps, built, strict=True)]


def _rows(tables: TableStore, table: str) -> int:
    try:
        return tables.snapshot(table).rows
    except MissingError:
        return 0


def difference(old: Definition, new: Definition) -> str:
    """What is added, dropped, renamed or changed, in words."""
    if isinstance(old, FeatureView) and isinstance(new, FeatureView):
        return ", ".join([*_of_features(old, new), *_of_settings(old, new, ("entity", "source", "valid_for", "delay"))])
    if isinstance(old, FeatureSet) and isinstance(new, FeatureSet):
        return ", ".join(_of_parts(_set_parts(old), _set_parts(new), {}))
    if isinstance(old, Labels) and isinstance(new, Labels):
        return ", ".join(_of_settings(old, new, ("table", "keys", "value", "final", "at")))
    return "changes its keys" if isinstance(old, Entity) and isinstance(new, Entity) and old.keys != new.keys else ""


def dropped(old: FeatureView, new: FeatureView) -> tuple[str, ...]:
    """The features of the old view that the new one does not have, under this or another name."""
    before, after = _view_parts(old), _view_parts(new)
    renamed = _renamed(before, after)
    return tuple(name for name in before if name not in after and name not in renamed)


def _of_features(old: FeatureView, new: FeatureView) -> list[str]:
    before, after = _view_parts(old), _view_parts(new)
    return _of_parts(before, after, _renamed(before, after))


def _of_parts(before: Mapping[str, Any], after: Mapping[str, Any], renamed: Mapping[str, str]) -> list[str]:
    parts = [f"renames {name} to {other}" for name, other in renamed.items()]
    parts += [f"adds {name}" for name in after if name not in before and name not in renamed.values()]
    parts += [f"drops {name}" for name in before if name not in after and name not in renamed]
    return parts + [f"changes {name}" for name in after if name in before and before[name] != after[name]]


def _of_settings(old: object, new: object, names: tuple[str, ...]) -> list[str]:
    return [f"changes its {name}" for name in names if getattr(old, name) != getattr(new, name)]


def _renamed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Features that are gone to new ones of the same meaning."""
    fresh = [name for name in after if name not in before]
    found: dict[str, str] = {}
    for name in before:
        other = next((each for each in fresh if after[each] == before[name] and each not in found.values()), None)
        if name not in after and other is not None:
            found[name] = other
    return found


def _view_parts(view: FeatureView) -> dict[str, Any]:
    return {feature.name: feature.meaning() for feature in view.features}


def _set_parts(given: FeatureSet) -> dict[str, Any]:
    """What each of a set's features is, whatever its view is called."""
    parts: dict[str, Any] = {}
    for use in given.features:
        own = use.meaning()
        shared = ({**own["view"], "features": ()}, own["keys"])
        parts |= {each[0]: (each[1:], shared) for each in own["features"]}
    parts |= {column.name: (column.dtype, column.is_feature) for column in given.request}
    return parts | {each.name: function_meaning(each) for each in given.functions}
