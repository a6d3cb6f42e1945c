"""Outcomes: what really happened, joined to predictions, and what is still to come."""

from datetime import timedelta
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, present
from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.timeline import NEVER, as_us_array, duration
from intonaco.infra.features.defined.labels import Labels

__all__ = ["Outcome", "Outcomes", "join_outcomes"]

_LATEST = 2**63 - 1


class Outcome(IntEnum):
    """What is known of a prediction's outcome.

    `known`: its label is final. `pending`: it is still to come. `absent`: it will not come, because the label's value is
    null (a cancelled flight) or nothing came within the time to wait.
    """

    known = 0
    pending = 1
    absent = 2


@frozen(kw_only=True, eq=False)
class Outcomes:
    """One outcome for each prediction, row for row.

    Parameters
    ----------
    values
        The labels' values; without meaning in rows that are not known.
    states : shape (rows,), uint8
        `Outcome` codes.
    label_rows : shape (rows,)
        Which row of the labels it is; -1 where there is none.
    """

    values: Column
    states: NDArray[np.uint8]
    label_rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.states)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the outcome is known; shape (rows,)."""
        return np.asarray(self.states == Outcome.known)

    @property
    def pending(self) -> NDArray[np.bool_]:
        """Where it is still to come; shape (rows,)."""
        return np.asarray(self.states == Outcome.pending)


def join_outcomes(
    predictions: Columns,
    at_us: NDArray[np.int64],
    labels: Columns,
    definition: Labels,
    *,
    until_us: int = _LATEST,
    wait: str | int | timedelta | None = None,
) -> Outcomes:
    """The outcome of each prediction: of the labels with its keys, the first that became final at or after the prediction.

    Parameters
    ----------
    predictions
        Holds the columns `definition.keys`.
    at_us : shape (rows,)
        The moments as of which was predicted.
    labels
        The rows of the labels' table, in any order; of two with the same keys and time the later row counts.
    until_us
        The moment as of which is joined: labels that become final after it are not known yet.
    wait
        A prediction that has no label after this long will have none; None waits for ever.

    Raises
    ------
    SchemaError
        A column is missing, or a key has another type on the two sides.
    """
    _check_columns(predictions, definition.keys, "the predictions")
    _check_columns(labels, (*definition.keys, definition.value, definition.final), f"the labels {definition.name!r}")
    times = _final_us(labels, definition)
    wanted, offered = _key_codes(predictions, labels, definition.keys)
    rows = _first_after(wanted, at_us, offered, times, np.flatnonzero((times != NEVER) & (times <= until_us) & (offered >= 0)))
    values = labels[definition.value]
    valued = np.append(present(values), False)
    states = np.where(rows < 0, Outcome.pending, np.where(valued[rows], Outcome.known, Outcome.absent)).astype(np.uint8)
    if wait is not None:
        states[(rows < 0) & (at_us < until_us - duration(wait))] = Outcome.absent
    return Outcomes(values=_taken(values, rows), states=states, label_rows=rows)


def _check_columns(columns: Columns, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in columns:
            raise SchemaError(f"{where} have no column {name!r}", hint=suggestion(name, columns), field=name)


def _final_us(labels: Columns, definition: Labels) -> NDArray[np.int64]:
    """When each label is known for good; a thing that will have none and has no such time, when it was to be predicted."""
    times = _times(labels[definition.final])
    if definition.at and definition.at in labels:
        nothing = (times == NEVER) & ~present(labels[definition.value])
        times[nothing] = _times(labels[definition.at])[nothing]
    return times


def _times(column: Column) -> NDArray[np.int64]:
    values = column.values if isinstance(column, Masked | Ragged) else column
    return np.where(present(column), as_us_array(values), NEVER)


def _key_codes(predictions: Columns, labels: Columns, keys: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same number for the same keys on both sides; -1 for labels whose keys no prediction has."""
    rows = len(predictions[keys[0]])
    codes = np.zeros(rows + len(labels[keys[0]]), dtype=np.int64)
    for name in keys:
        column = _encoded(name, predictions[name], labels[name])
        codes = _dense(codes * (int(column.max(initial=0)) + 1) + column)
    wanted, offered = codes[:rows], codes[rows:]
    asked = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.bool_)
    asked[wanted] = True
    return wanted, np.where(asked[offered], offered, -1)


def _encoded(name: str, left: Column, right: Column) -> NDArray[np.int64]:
    sides = [pa.array(_plain(side), mask=~present(side)) for side in (left, right)]
    kind = _common(*(side.type for side in sides))
    if kind is None:
        raise SchemaError(f"the key {name!r} is {sides[0].type} in the predictions and {sides[1].type} in the labels", field=name)
    encoded = pc.dictionary_encode(pa.concat_arrays([side.cast(kind) for side in sides]), null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _common(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """A type for keys of both; None if they cannot be equal. No rows, and nulls alone, go with any type."""
    if left == right or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    return pa.int64() if pa.types.is_integer(left) and pa.types.is_integer(right) else None


def _plain(column: Column) -> NDArray[np.generic]:
    return column.values if isinstance(column, Masked | Ragged) else column


def _dense(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers from 0 without gaps, so that the next product of them stays small."""
    return np.asarray(pc.dictionary_encode(pa.array(codes)).indices.to_numpy(), dtype=np.int64)


def _first_after(
    wanted: NDArray[np.int64], at_us: NDArray[np.int64], offered: NDArray[np.int64], times: NDArray[np.int64], usable: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Of each prediction the row of the first usable label of its key at or after its moment; -1 if there is none."""
    keys = np.concatenate([wanted, offered[usable]])
    moments = np.concatenate([at_us, times[usable]])
    sides = np.repeat([0, 1], [len(wanted), len(usable)])  # a prediction stands before the labels of its own moment
    newest_first = np.concatenate([np.zeros(len(wanted), dtype=np.int64), -usable])
    order = np.lexsort((newest_first, sides, moments, keys))
    is_label = sides[order] == 1
    places = np.where(is_label, np.arange(len(order)), len(order))
    following = np.minimum.accumulate(places[::-1])[::-1]  # the next label behind each place, of whatever key
    found = np.append(order, -1)[following]
    same = (found >= 0) & (keys[found] == keys[order])
    answered = same & ~is_label
    rows = np.full(len(wanted), -1, dtype=np.intp)
    rows[order[answered]] = usable[found[answered] - len(wanted)]
    return rows


def _taken(column: Column, rows: NDArray[np.intp]) -> Column:
    """The values of these rows; any value stands where there is no row."""
    if isinstance(column, Ragged):
        raise SchemaError("a label of rows of different lengths cannot be joined to predictions")
    if isinstance(column, Masked):
        return Masked(_taken_array(column.values, rows), np.where(rows < 0, True, np.append(column.missing, True)[rows]))
    return _taken_array(column, rows)


def _taken_array(values: NDArray[np.generic], rows: NDArray[np.intp]) -> NDArray[np.generic]:
    if len(values):
        return values[np.maximum(rows, 0)]
    return np.zeros((len(rows), *values.shape[1:]), dtype=values.dtype)
