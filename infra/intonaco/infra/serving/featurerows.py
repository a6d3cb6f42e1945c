"""Rows of keys as people have them, and the features that a read answers."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from intonaco.core.columns import Column
from intonaco.core.errors import SchemaError
from intonaco.infra.features.answer import NO_AGE, Answer
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.status import Status
from intonaco.infra.lineage.records import moment
from intonaco.infra.serving.plainrows import columns_of_rows
from intonaco.infra.serving.tensors import listed

__all__ = ["key_columns", "read_answer"]

_STATUS = [status.name for status in Status]


def key_columns(plan: ReadPlan, rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The rows as the inputs of a plan; a key may be null, but each row must name it."""
    keys = dict.fromkeys(name for view in plan.views for name, _ in view.keys)
    for number, row in enumerate(rows):
        for key in keys:
            if key not in row and not set(row) - set(plan.inputs.names):
                hint = f"the keys of set {plan.name!r} are {', '.join(keys)}; write null for one that is not known"
                raise SchemaError(f"row {number} lacks the key {key!r} ({plan.inputs[key].dtype})", hint=hint, field=key)
    return columns_of_rows(plan.inputs, rows)


def read_answer(name: str, keys: Sequence[Mapping[str, Any]], at_us: int, answer: Answer, *, offline: bool) -> dict[str, Any]:
    """A read as it is told, over HTTP and on the command line alike."""
    return {
        "set": name,
        "at": moment(at_us).isoformat().replace("+00:00", "Z"),
        "from": "offline" if offline else "online",
        "degraded": list(answer.degraded),
        "rows": _rows(keys, answer),
    }


def _rows(given: Sequence[Mapping[str, Any]], answer: Answer) -> list[dict[str, Any]]:
    """For each row what was given, and of each feature its value, status and age in seconds; None where it has no age."""
    values = {name: listed(column) for name, column in answer.columns.items()}
    statuses = {name: codes.tolist() for name, codes in answer.statuses.items()}
    ages = {name: held.tolist() for name, held in answer.ages.items()}

    def cell(name: str, row: int) -> dict[str, Any]:
        age_us = ages[name][row] if name in ages else NO_AGE
        age_s = None if age_us == NO_AGE else age_us / 1e6
        return {"value": _shown(values[name][row]), "status": _STATUS[statuses[name][row]], "age_s": age_s}

    return [{"keys": dict(row), "features": {name: cell(name, number) for name in values}} for number, row in enumerate(given)]


def _shown(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
