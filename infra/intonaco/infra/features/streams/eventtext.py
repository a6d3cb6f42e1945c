"""Events of records as people read them: plain values of JSON, without personal data."""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from attrs import frozen

from intonaco.core.schema import Schema

__all__ = ["EventText"]

_HIDDEN = "***"
#: Under which a record says of which event it is a replay.
_REPLAY = "replay of"


@frozen
class EventText:
    """Reads records of a topic for people.

    Parameters
    ----------
    private
        Columns whose values nobody is shown.
    """

    schema: Schema
    private: Collection[str]

    def plain(self, record: bytes) -> tuple[Any, str]:
        """The event, or the list of events, of a record, and the event that it is a replay of; None where its bytes hold none."""
        try:
            return self._of_json(record) if record[:1] == b"{" else self._of_arrow(record)
        except (pa.ArrowException, OSError, ValueError, RecursionError):
            return None, ""

    def misfit(self, record: bytes, name: str) -> str:
        """What is wrong with the value of a column in a record of JSON; empty where that cannot be told."""
        try:
            given = json.loads(record)[name]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        if name not in self.schema:
            return ""
        value = _HIDDEN if name in self.private else json.dumps(given, ensure_ascii=False)
        dtype = self.schema[name].dtype
        expected = f"{dtype}: microseconds since 1970, or ISO 8601 with a timezone" if dtype == "timestamp" else dtype
        return f"{name!r} is {value if len(value) <= 60 else value[:57] + '...'}, expected {expected}"

    def _of_json(self, record: bytes) -> tuple[Any, str]:
        event = json.loads(record)
        replayed = str(event.pop(_REPLAY, ""))
        return self._hidden(event), replayed

    def _of_arrow(self, record: bytes) -> tuple[Any, str]:
        table = pa.ipc.open_stream(record).read_all()
        rows = [self._hidden(row) for row in table.to_pylist()]
        replayed = (table.schema.metadata or {}).get(_REPLAY.encode(), b"").decode()
        return rows[0] if len(rows) == 1 else rows, replayed

    def _hidden(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _HIDDEN if name in self.private and value is not None else _plain(value) for name, value in event.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value, "f")
    return [_plain(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
