"""Predictions: what an endpoint answered, as columns, wherever they come from."""

from collections import Counter
from typing import Self

import numpy as np
import pyarrow as pa
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, rows_of, take
from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.timeline import as_us_array
from intonaco.infra.storage.arrow import from_arrow

__all__ = ["Predictions"]

#: What the ledger keeps beside the given columns, under names of its own.
_ABOUT = ("prediction_id", "prediction_row", "predicted_at", "model_version", "ledger_offset")
_FEATURE, _STATUS, _OUTPUT = "feature.", "status.", "output."


@frozen(kw_only=True, eq=False)
class Predictions:
    """Rows of the ledger.

    Parameters
    ----------
    at_us : shape (rows,)
        The moments as of which was predicted.
    columns
        Keys, request columns and the features that the model saw.
    outputs
        What was answered.
    versions : shape (rows,)
        The number of the model version that answered.
    model
        The name of the model; the endpoint's, if empty.
    """

    endpoint: str
    at_us: NDArray[np.int64]
    columns: Columns
    outputs: Columns
    versions: NDArray[np.int64] = field()
    model: str = ""

    @versions.default
    def _no_versions(self) -> NDArray[np.int64]:
        return np.zeros(len(self.at_us), dtype=np.int64)

    def __attrs_post_init__(self) -> None:
        if self.columns or self.outputs:
            rows = rows_of({**self.columns, **self.outputs}, f"the predictions of {self.endpoint!r}")
            if rows != len(self.at_us) or rows != len(self.versions):
                raise SchemaError(f"{rows} predictions of {self.endpoint!r} have {len(self.at_us)} times and {len(self.versions)} versions")

    @classmethod
    def of_ledger(cls, endpoint: str, table: pa.Table, model: str = "") -> Self:
        """The predictions of a table that `Ledger.read` gave."""
        held = from_arrow(table)
        given = {name: column for name, column in held.items() if name not in _ABOUT and not name.startswith((_FEATURE, _STATUS, _OUTPUT))}
        moments, versions = held["predicted_at"], held["model_version"]
        return cls(
            endpoint=endpoint,
            at_us=as_us_array(moments),
            columns={**given, **_named(_FEATURE, held)},
            outputs=_named(_OUTPUT, held),
            versions=np.asarray(versions),
            model=model,
        )

    def __len__(self) -> int:
        return len(self.at_us)

    def version(self, rows: NDArray[np.intp] | None = None) -> str:
        """The version that answered most of these rows, or of all: `eta@3`; empty if there is none."""
        numbers = Counter((self.versions if rows is None else self.versions[rows]).tolist())
        number = max(numbers, key=lambda each: (numbers[each], each), default=0)
        return f"{self.model or self.endpoint}@{number}" if number else ""

    def output(self, name: str) -> Column:
        """The output of a name, or the only one that there is."""
        if name in self.outputs:
            return self.outputs[name]
        if len(self.outputs) == 1:
            return next(iter(self.outputs.values()))
        raise SchemaError(f"endpoint {self.endpoint!r} answers no {name!r}", hint=suggestion(name, self.outputs), field=name)

    def between(self, since_us: int | None, until_us: int | None) -> "Predictions":
        """Those from `since_us` on and before `until_us`."""
        rows = np.ones(len(self), dtype=np.bool_)
        if since_us is not None:
            rows &= self.at_us >= since_us
        if until_us is not None:
            rows &= self.at_us < until_us
        return self if rows.all() else self._taken(np.flatnonzero(rows))

    def _taken(self, rows: NDArray[np.intp]) -> "Predictions":
        return Predictions(
            endpoint=self.endpoint,
            at_us=self.at_us[rows],
            columns=take(self.columns, rows),
            outputs=take(self.outputs, rows),
            versions=self.versions[rows],
            model=self.model,
        )


def _named(prefix: str, columns: Columns) -> dict[str, Column]:
    return {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}
