"""How examples are kept as an artifact."""

from typing import Any

import msgspec

from intonaco.core.columns import Column
from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.lineage import arrow
from intonaco.infra.lineage.formats import Format

__all__ = ["ExamplesFormat"]

_ABOUT = b"examples"
_PARTS = ("columns", "segments", "statuses")


class ExamplesFormat(Format):
    """Examples as one Arrow IPC file, whose metadata hold the schema, the labels and the read plan."""

    kind = "examples"

    def encode(self, value: Examples) -> bytes:
        held: dict[str, Column] = {f"{part}/{name}": column for part in _PARTS for name, column in getattr(value, part).items()}
        if value.at_us is not None:
            held["at_us"] = value.at_us
        plan = None if value.plan is None else value.plan.to_json()
        about = {"schema": value.schema.to_json(), "labels": value.labels, "plan": plan, "source": value.source}
        table = arrow.columns_to_table(held)
        return arrow.write(table.replace_schema_metadata({_ABOUT: msgspec.json.encode(about, order="sorted")}))

    def decode(self, data: bytes) -> Examples:
        table = arrow.read(data)
        try:
            about = msgspec.json.decode((table.schema.metadata or {})[_ABOUT])
        except (KeyError, msgspec.DecodeError) as error:
            raise CorruptError("stored examples do not say what they are") from error
        held = arrow.table_to_columns(table)
        return Examples(
            schema=Schema.from_json(about["schema"]),
            labels=tuple(about["labels"]),
            plan=None if about["plan"] is None else ReadPlan.from_json(about["plan"]),
            source=about["source"],
            at_us=held.get("at_us"),
            **{part: _part(held, part) for part in _PARTS},
        )


def _part(held: dict[str, Column], part: str) -> Any:
    return {name.removeprefix(f"{part}/"): column for name, column in held.items() if name.startswith(f"{part}/")}
