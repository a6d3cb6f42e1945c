"""Requests for features: bodies decoded strictly, in one pass where nothing is wrong with them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from attrs import frozen
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from intonaco.core.columns import Column
from intonaco.core.errors import SchemaError
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.serving.features.featurerows import example_keys, key_columns
from intonaco.infra.serving.protocol.requests import microseconds
from intonaco.infra.serving.protocol.strictjson import parse
from intonaco.infra.serving.protocol.tensors import Tensor

__all__ = ["FeatureDecoder", "FeatureRequest"]

_KEYS = ("keys", "at", "offline")


@frozen(eq=False)
class FeatureRequest:
    """Rows of keys as given, the same as columns, and the moment as of which they are read."""

    keys: Sequence[Mapping[str, Any]]
    columns: dict[str, Column]
    at_us: int
    offline: bool

    @property
    def moments(self) -> NDArray[np.int64]:
        """The moment of each row."""
        return np.full(len(self.keys), self.at_us, dtype=np.int64)


@frozen(eq=False)
class FeatureDecoder:
    """Decodes `{"keys": ..., "at": ..., "offline": ...}` for one feature set.

    What types made for the set's inputs refuse is read again, slowly, to name what is wrong.
    """

    plan: ReadPlan
    tensors: tuple[Tensor, ...]
    decoder: "msgspec.json.Decoder[Any]"

    @classmethod
    def of(cls, plan: ReadPlan) -> "FeatureDecoder":
        """A decoder for the inputs of a plan."""
        tensors = tuple(Tensor(each) for each in plan.inputs)
        keys = {name for view in plan.views for name, _ in view.keys}
        row: Any = msgspec.defstruct(
            "Row",
            [_member(place, tensor, required=tensor.field.name in keys) for place, tensor in enumerate(tensors)],
            rename={f"input_{place}": tensor.field.name for place, tensor in enumerate(tensors)},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        fields: list[Any] = [("keys", row | list[row]), ("at", int | str | None | UnsetType, UNSET), ("offline", bool | UnsetType, UNSET)]
        body = msgspec.defstruct("Body", fields, forbid_unknown_fields=True, kw_only=True, gc=False)
        return cls(plan, tensors, msgspec.json.Decoder(body))

    def decode(self, body: bytes) -> FeatureRequest:
        """The request in a body.

        Raises
        ------
        SchemaError
            It is not a request for this set; the message and `field` name what is wrong.
        """
        try:
            wire = self.decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._slowly(body)
        rows = wire.keys if isinstance(wire.keys, list) else [wire.keys]
        given = [_given(row, self.tensors) for row in rows]
        # A key given twice shows as a colon too many, and so does a colon in a text: then the slow parser decides.
        if not rows or body.count(b":") != _colons(wire) + sum(map(len, given)):
            return self._slowly(body)
        at_us, offline = _moment(None if wire.at is UNSET else wire.at), wire.offline is True
        return FeatureRequest(given, self._columns(given), at_us, offline)

    def _columns(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
        columns = {}
        for tensor in self.tensors:
            values = [row.get(tensor.field.name) for row in rows]
            if tensor.check is not None:
                tensor.check(values)
            columns[tensor.field.name] = tensor.column(values)
        return columns

    def _slowly(self, body: bytes) -> FeatureRequest:
        given = parse(body)
        if not isinstance(given, dict) or "keys" not in given or set(given) - set(_KEYS):
            wrong = next((name for name in given if name not in _KEYS), "keys") if isinstance(given, dict) else "keys"
            raise SchemaError("the body is an object of keys, at and offline", hint=self._example(), field=wrong[:100])
        offline = given.get("offline", False)
        if not isinstance(offline, bool):
            raise SchemaError(f"offline is {offline!r:.40}, expected true or false", hint="without quotes", field="offline")
        rows = given["keys"] if isinstance(given["keys"], list) else [given["keys"]]
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise SchemaError(f"row {number} of keys is {row!r:.60}, expected an object", hint=self._example(), field="keys")
        at_us = _moment(given.get("at"))
        return FeatureRequest(rows, key_columns(self.plan, rows), at_us, offline)

    def _example(self) -> str:
        return f'{{"keys": [{example_keys(self.plan)}]}}'


def _member(place: int, tensor: Tensor, *, required: bool) -> Any:
    return (
        (f"input_{place}", tensor.quick) if required or not tensor.field.nullable else (f"input_{place}", tensor.quick | UnsetType, UNSET)
    )


def _given(row: Struct, tensors: Sequence[Tensor]) -> dict[str, Any]:
    """The inputs that the row names."""
    values = [(tensor.field.name, getattr(row, f"input_{place}")) for place, tensor in enumerate(tensors)]
    return {name: value for name, value in values if value is not UNSET}


def _colons(wire: Any) -> int:
    """How many colons a body has beside those of its rows."""
    at = 0 if wire.at is UNSET else 1 + (wire.at.count(":") if isinstance(wire.at, str) else 0)
    return 1 + at + (wire.offline is not UNSET)


def _moment(at: int | str | None) -> int:
    return time.time_ns() // 1000 if at is None else microseconds(at, "at")
