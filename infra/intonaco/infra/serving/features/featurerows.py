"""Rows of keys as people have them, and the features that a read answers."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from intonaco.core.columns import Column
from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.features.online.answer import NO_AGE, Answer
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.status import Status
from intonaco.infra.lineage.runs.records import moment
from intonaco.infra.serving.protocol.misfits import check_value
from intonaco.infra.serving.protocol.plainrows import columns_of_rows
from intonaco.infra.serving.protocol.tensors import Tensor, listed

__all__ = ["example_keys", "key_columns", "read_answer"]

_STATUS = [status.name for status in Status]
_EXAMPLES = {"str": "...", "bytes": "SkZL", "bool": True, "timestamp": 1388534400_000000}


def key_columns(plan: ReadPlan, rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The rows as the inputs of a plan; a key may be null, but each row must name it.

    Raises
    ------
    SchemaError
        There is no row, or one has an unknown name, lacks a key, or holds a value that is none of its input.
    """
    if not rows:
        raise SchemaError("there are no keys to read features of", hint=f"give at least one row: [{example_keys(plan)}]", field="keys")
    keys = _keys(plan)
    tensors = {each.name: Tensor(each) for each in plan.inputs}
    for number, row in enumerate(rows):
        _check_names(plan, keys, row, number)
        for name, value in row.items():
            check_value(tensors[name], value, f"row {number}: {f'key {name!r} of {keys[name]}' if name in keys else f'column {name!r}'}")
    return columns_of_rows(plan.inputs, rows)


def example_keys(plan: ReadPlan) -> str:
    """One row of keys as it could be given for a plan, in JSON."""
    keys = _keys(plan)
    wanted = [each for each in plan.inputs if each.name in keys or not each.nullable]
    return json.dumps({each.name: (each.categories or (_EXAMPLES.get(each.dtype, 1),))[0] for each in wanted})


def _keys(plan: ReadPlan) -> dict[str, str]:
    """The keys of a plan, with the view that each is first asked for by."""
    return {name: f"view {view.view!r}" for view in reversed(plan.views) for name, _ in view.keys}


def _check_names(plan: ReadPlan, keys: Mapping[str, str], row: Mapping[str, Any], number: int) -> None:
    for name in row:
        if name not in plan.inputs:
            fault = f"row {number}: set {plan.name!r} knows no key or column {name!r:.60}"
            raise SchemaError(fault, hint=suggestion(name, plan.inputs.names), field=name[:100])
    for key, view in keys.items():
        if key not in row:
            hint = f"such as {example_keys(plan)}; write null for a key that is not known"
            raise SchemaError(f"row {number} lacks the key {key!r} of {view} ({plan.inputs[key].dtype})", hint=hint, field=key)


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
    """The value as JSON has it: bytes as base64, and infinities by name, for null would say that there is no value."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
