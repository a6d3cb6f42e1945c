"""What scores: a signature, and columns in, columns out."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from intonaco.core.columns import Column, Columns, Masked, check_column, present, rows_of
from intonaco.core.errors import SchemaError
from intonaco.core.schema import DTYPES, Field, Schema

__all__ = ["Servable", "Signature"]

_DTYPES = {"timestamp": "datetime64[us]", "str": "object", "json": "object", "bytes": "object"}
_OBJECTS = {"str": str, "json": str, "bytes": bytes}


@frozen
class _Expected:
    """A field of the inputs, made ready for the quick check."""

    wanted: Field
    dtype: np.dtype[Any] = field(init=False)
    kind: type | None = field(init=False)
    shape: tuple[int, ...] = field(init=False)
    may_be_nan: bool = field(init=False)
    allowed: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        plain = self.wanted.dtype if self.wanted.dtype in DTYPES else "object"
        object.__setattr__(self, "dtype", np.dtype(_DTYPES.get(self.wanted.dtype, plain)))
        object.__setattr__(self, "kind", _OBJECTS.get(self.wanted.dtype))
        object.__setattr__(self, "shape", self.wanted.shape)
        object.__setattr__(self, "may_be_nan", self.wanted.nullable or self.dtype.kind != "f")
        object.__setattr__(self, "allowed", frozenset(self.wanted.categories))

    def fits(self, column: Column, rows: int) -> bool:
        """Whether this is a plain array that needs no closer look; False says nothing."""
        if type(column) is not np.ndarray or column.dtype != self.dtype or column.shape[1:] != self.shape or len(column) != rows:
            return False
        kind = self.kind
        if self.wanted.dtype not in DTYPES:
            return False  # the digits of decimals are looked at one by one
        if kind is not None:
            return all(type(value) is kind for value in column.ravel().tolist())
        return self.may_be_nan or not np.isnan(column).any()


@frozen(kw_only=True)
class Signature:
    """What a model takes and gives.

    Parameters
    ----------
    inputs
        The model's columns, in order; a field says whether it may be missing and, for a category, all its values.
    outputs
        The columns of an answer.
    rows_independent
        Whether a row's answer is the same whatever rows stand beside it; else requests are not scored together.
    tolerance
        How far two scorings of one row may differ, relative to the larger; 0 for trees.
    """

    inputs: Schema
    outputs: Schema
    rows_independent: bool = True
    tolerance: float = 0.0
    _expected: tuple[_Expected, ...] = field(init=False, eq=False, repr=False)
    _names: frozenset[str] = field(init=False, eq=False, repr=False)

    @_expected.default
    def _make_expected(self) -> tuple[_Expected, ...]:
        return tuple(_Expected(each) for each in self.inputs)

    @_names.default
    def _make_names(self) -> frozenset[str]:
        return frozenset(self.inputs.names)

    def settle(self, columns: Columns, where: str = "the request") -> dict[str, Column]:
        """The columns in the order of the inputs, checked; a category that the model does not know is missing where that is allowed.

        Raises
        ------
        SchemaError
            A column is absent, unknown, or differs from its field; the error's `field` names it.
        """
        rows = rows_of(columns, where)
        if columns.keys() != self._names:
            self.inputs.check_names(columns, where)
        return {each.wanted.name: _settled(columns[each.wanted.name], each, rows, where) for each in self._expected}

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        schemas = {"inputs": self.inputs.to_json(), "outputs": self.outputs.to_json()}
        return {**schemas, "rows_independent": self.rows_independent, "tolerance": self.tolerance}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Signature":
        """Read what `to_json` wrote."""
        return cls(
            inputs=Schema.from_json(stored["inputs"]),
            outputs=Schema.from_json(stored["outputs"]),
            rows_independent=stored["rows_independent"],
            tolerance=stored["tolerance"],
        )


def _settled(column: Column, expected: _Expected, rows: int, where: str) -> Column:
    if not expected.fits(column, rows):
        check_column(column, evolve(expected.wanted, categories=()), rows, where)
    return _known(column, expected, where) if expected.allowed else column


def _known(column: Column, expected: _Expected, where: str) -> Column:
    """The column with unknown categories missing; a category not seen in training is news, not a fault, where a value may be missing."""
    values = column.values if isinstance(column, Masked) else column
    if not isinstance(values, np.ndarray):
        raise SchemaError(f"{where}: column {expected.wanted.name!r} is categorical and ragged", field=expected.wanted.name)
    held = present(column)
    known = values[held].ravel().tolist()  # what stands at a missing row is without meaning, and need not be hashable
    if expected.allowed.issuperset(known):
        return column
    unknown = np.zeros(len(values), dtype=np.bool_)
    strange = np.array([value not in expected.allowed for value in known], dtype=np.bool_)
    unknown[held] = strange.reshape(int(held.sum()), -1).any(axis=1)
    if not expected.wanted.nullable:
        name, row = expected.wanted.name, int(np.argmax(unknown))
        hint = f"one of the {len(expected.allowed)} categories of the signature"
        raise SchemaError(f"{where}: column {name!r} holds {values[row]!r} in row {row}", hint=hint, field=name)
    return Masked(values, ~held | unknown)


class Servable(ABC):
    """A loaded package. It keeps nothing between calls and may be called from one thread at a time."""

    __slots__ = ()

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """What `predict` takes and gives."""

    @abstractmethod
    def predict(self, columns: Columns) -> dict[str, Column]:
        """Score columns that were checked against the signature; as many rows as came in."""
