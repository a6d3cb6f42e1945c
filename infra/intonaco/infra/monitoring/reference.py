"""The reference: what the columns of the training examples looked like, small enough to go with a version."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import asdict, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, present
from intonaco.core.errors import MissingError, SchemaError
from intonaco.core.schema import suggestion

__all__ = ["ColumnReference", "Reference"]

#: Fine bins, at whose edges distribution functions are compared, and coarse ones, over which PSI is summed.
_FINE = 200
_COARSE = 10
_MOST_CATEGORIES = 50


def _array(given: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(given, dtype=np.int64)


def _numbers(given: Iterable[float]) -> tuple[float, ...]:
    return tuple(given)


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@frozen(kw_only=True, eq=False)
class ColumnReference:
    """One column of the reference.

    Parameters
    ----------
    edges
        Of a number: rising; bin i holds the values above `edges[i - 1]` and up to `edges[i]`, the last bin those above all.
    categories
        Of a category: the most frequent ones, a bin each; the last bin is for all others.
    tally : shape (bins,)
        Rows in each bin.
    nulls
        Rows without a value.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...] = field(default=(), converter=_numbers)
    categories: tuple[str, ...] = field(default=(), converter=_words)
    tally: NDArray[np.int64] = field(converter=_array)
    nulls: int = 0

    @property
    def n(self) -> int:
        """Rows with a value."""
        return int(self.tally.sum())

    @property
    def null_share(self) -> float:
        """The share of rows without a value."""
        rows = self.n + self.nulls
        return self.nulls / rows if rows else 0.0

    def codes(self, column: Column) -> NDArray[np.intp]:
        """The bin of each row; the number of bins where there is no value."""
        if _kind(column) != self.kind:
            raise SchemaError(f"column {self.name!r} is no {self.kind}, as it was in the reference", field=self.name)
        if self.kind == "number":
            values = _floats(column)
            codes = np.searchsorted(self.edges, values, side="left")
            codes[np.isnan(values)] = len(self.tally)
            return codes
        return _category_codes(column, self.categories)

    def coarse(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts in fine bins, shape (windows, bins), put together to about ten bins of equal shares of the reference."""
        if self.kind == "category" or len(self.edges) <= _COARSE:
            return counts
        ends = np.cumsum(self.tally)[:-1] / max(self.n, 1)
        cuts = np.unique(np.searchsorted(ends, np.arange(1, _COARSE) / _COARSE - 1e-12))
        starts = np.unique(np.concatenate([[0], cuts[cuts < len(ends)] + 1]))
        return np.add.reduceat(counts, starts, axis=1)


def _columns(given: Iterable[ColumnReference]) -> tuple[ColumnReference, ...]:
    return tuple(given)


@frozen(eq=False)
class Reference:
    """What the columns of the training examples looked like.

    Build it with `of`; it is an artifact, and plain JSON. Columns of numbers, bools and text of one value a row take part; bools count
    as text. Times, tensors, bytes and rows of different lengths do not.
    """

    columns: tuple[ColumnReference, ...] = field(converter=_columns)

    @classmethod
    def of(cls, columns: Columns, names: Iterable[str] = ()) -> Self:
        """Summarize rows; of these columns, or of all that can take part."""
        chosen = list(names) or [name for name, column in columns.items() if _kind(column)]
        return cls(tuple(_summary(name, columns[name]) for name in chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(each.name for each in self.columns)

    def __getitem__(self, name: str) -> ColumnReference:
        for each in self.columns:
            if each.name == name:
                return each
        raise MissingError(f"the reference has no column {name!r}", hint=suggestion(name, self.names), field=name)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return {"columns": [{**asdict(each), "tally": each.tally.tolist()} for each in self.columns]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(tuple(ColumnReference(**each) for each in stored["columns"]))


def _kind(column: Column) -> Literal["number", "category", ""]:
    values = column.values if isinstance(column, Masked) else column
    if isinstance(values, Ragged) or values.ndim != 1:
        return ""
    if values.dtype.kind in "iuf":
        return "number"
    if values.dtype.kind in "bU":
        return "category"
    first = next((value for value in values if value is not None), "") if values.dtype.kind == "O" else None
    return "category" if isinstance(first, str) else ""


def _summary(name: str, column: Column) -> ColumnReference:
    kind = _kind(column)
    if not kind:
        raise SchemaError(f"column {name!r} holds neither numbers nor text of one value a row, so its drift cannot be measured", field=name)
    return _number(name, column) if kind == "number" else _category(name, column)


def _number(name: str, column: Column) -> ColumnReference:
    values = np.sort(_floats(column))  # NaN goes last
    held = values[: len(values) - int(np.isnan(values).sum())]
    edges = np.unique(held[np.linspace(0, len(held) - 1, _FINE + 1).round().astype(np.intp)]) if len(held) else np.zeros(0)
    edges = edges[np.isfinite(edges)]
    edges = np.concatenate([np.nextafter(edges[:1], -np.inf), edges])  # what is below all that was seen has a bin of its own
    upto = np.searchsorted(held, edges, side="right")
    return ColumnReference(
        name=name, kind="number", edges=edges.tolist(), tally=np.diff(upto, prepend=0, append=len(held)), nulls=len(values) - len(held)
    )


def _category(name: str, column: Column) -> ColumnReference:
    counted = pc.value_counts(_texts(column)).to_pylist()
    known = [(each["values"], each["counts"]) for each in counted if each["values"] is not None]
    known.sort(key=lambda pair: (-pair[1], pair[0]))
    kept, others = known[:_MOST_CATEGORIES], known[_MOST_CATEGORIES:]
    tally = [*(count for _, count in kept), sum(count for _, count in others)]
    return ColumnReference(name=name, kind="category", categories=[text for text, _ in kept], tally=tally, nulls=len(column) - sum(tally))


def _category_codes(column: Column, categories: Sequence[str]) -> NDArray[np.intp]:
    encoded = pc.dictionary_encode(_texts(column))
    places = {text: place for place, text in enumerate(categories)}
    table = np.array([places.get(text, len(places)) for text in encoded.dictionary.to_pylist()] + [len(places) + 1], dtype=np.intp)
    indices = encoded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)
    codes: NDArray[np.intp] = table[indices]
    return codes


def _texts(column: Column) -> pa.Array:
    values = column.values if isinstance(column, Masked | Ragged) else column
    if values.dtype.kind == "b":
        return pa.array(values, mask=~present(column)).cast(pa.string())
    return pa.array(values, pa.string(), mask=~present(column) if isinstance(column, Masked) else None)


def _floats(column: Column) -> NDArray[np.float64]:
    """The values, NaN where there is none."""
    values = np.asarray(column.values if isinstance(column, Masked | Ragged) else column, dtype=np.float64)
    if isinstance(column, Masked):
        return np.where(column.missing, np.nan, values)
    return values
