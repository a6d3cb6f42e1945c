"""Why a step was run again: which parts of its key differ from an earlier call's."""

from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sql
from attrs import frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.runs.memos import Memos
from intonaco.infra.lineage.runs.records import StepRecord
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.tables import STEPS
from intonaco.infra.workspace import Workspace

__all__ = ["Difference", "differences", "previous", "why"]

#: What a part of a key is called when it differs.
_WHAT = {
    "function": "function",
    "version": "version",
    "arguments": "argument",
    "seeds": "seed",
    "code": "code",
    "distributions": "distribution",
    "python": "python",
}


@frozen(kw_only=True)
class Difference:
    """One part of a key that differs; an empty `before` or `after` says that it was not there.

    Parameters
    ----------
    what
        `input` is an argument that is an artifact.
    name
        Of the argument, the function or constant (`module:name`) or the distribution.
    """

    what: Literal["function", "version", "argument", "input", "seed", "code", "distribution", "python"]
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.what == "code":
            verb = "is new" if not self.before else "is gone" if not self.after else "changed"
            return f"the code of {self.name} {verb}"
        return f"{self.what} {self.name}: {self.before or 'none'} → {self.after or 'none'}"


def why(workspace: Workspace, step: StepRecord, before: StepRecord | None = None) -> list[Difference]:
    """Which parts of a step's key differ from those of an earlier call, by default the latest one of the same function.

    Empty if the keys are the same, or if the function was never called before.

    Raises
    ------
    MissingError
        One of the two did not finish, so that the parts of its key are not known.
    """
    before = before or previous(workspace, step)
    if before is None or before.key == step.key:
        return []
    memos = Memos(Artifacts(workspace, step.project))
    return differences(memos.get(before.key).parts, memos.get(step.key).parts)


def previous(workspace: Workspace, step: StepRecord) -> StepRecord | None:
    """The latest finished call of the same function before this one, in any run of the project; None if there is none."""
    started_us = round(step.started_at.timestamp() * 1_000_000)
    query = sql.select(STEPS.c.run, STEPS.c.number).where(
        STEPS.c.project == step.project,
        STEPS.c.function == step.function,
        STEPS.c.status == "finished",
        STEPS.c.started_us < started_us,
    )
    with workspace.catalog.read() as connection:
        row = connection.execute(query.order_by(STEPS.c.started_us.desc()).limit(1)).first()
    if row is None:
        return None
    return next(each for each in Runs(workspace, step.project).steps(row.run) if each.number == row.number)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Which parts of two keys differ, in the order in which one would look: inputs and arguments first, code, then the rest.

    Raises
    ------
    InvalidError
        The parts are not those of keys.
    """
    if set(before) != set(after):
        raise InvalidError("the keys have different parts: they were made by different versions of Intonaco")
    order = ("function", "version", "arguments", "seeds", "code", "distributions", "python")
    return [each for part in order for each in _differences(part, before[part], after[part])]


def _differences(part: str, before: Any, after: Any) -> list[Difference]:
    if not isinstance(before, Mapping):
        before, after = {part: before}, {part: after}
    names = [name for name in {**before, **after} if before.get(name, _ABSENT) != after.get(name, _ABSENT)]
    return [
        Difference(what=_what(part, before, after, name), name=name, before=_shown(before, name), after=_shown(after, name))
        for name in names
    ]


_ABSENT = object()


def _what(part: str, before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Any:
    kept = any(isinstance(side.get(name), dict) and "$artifact" in side[name] for side in (before, after))
    return "input" if kept else _WHAT[part]


def _shown(side: Mapping[str, Any], name: str) -> str:
    if name not in side:
        return ""
    tree = side[name]
    if isinstance(tree, dict) and "$artifact" in tree:
        return f"{tree['$artifact'][0]} {tree['$artifact'][1][:12]}"
    return tree if isinstance(tree, str) and tree else values.dumps(tree)[:200]
