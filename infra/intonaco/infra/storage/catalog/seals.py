"""Seals: a digest in a row of the catalog over what the row says.

SQLite's pages have no checksums, so a flipped bit in the file can change a value without a word. Rows that are written once
(versions, runs, history) carry a column `seal`, filled with `seal(row)` when they are written; who reads such a row calls
`verify(row)` before using it. In a row of which some columns change later, the seal covers the others: leave those that
change out of the mapping, each time alike.

    connection.execute(VERSIONS.insert().values(**row, seal=seal(row)))
    ...
    verify(connection.execute(sql.select(VERSIONS)).mappings().one())
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from intonaco.core.errors import CorruptError, InvalidError

__all__ = ["seal", "verify"]

_PLAIN = (str, int, float, bytes, bool, type(None))


def seal(row: Mapping[Any, Any]) -> str:
    """32 hex digits over the names and values of a row, whatever their order; a column `seal` is left out.

    Values are None, bool, int, float, str and bytes. As databases confuse them, 1, 1.0 and True are the same.

    Raises
    ------
    InvalidError
        A value of another type, or a NaN, which a database may give back differently.

    Examples
    --------
    >>> seal({"name": "eta", "number": 3}) == seal({"number": 3, "name": "eta", "seal": ""})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, row)):
        if name != "seal":
            part = f"{name}={_text(name, row[name])}".encode()
            digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:32]


def verify(row: Mapping[Any, Any], *, leave_out: Collection[str] = (), where: str = "a row of the catalog") -> None:
    """Raise CorruptError, naming `where` and the row, if its column `seal` is not the seal of the others.

    Parameters
    ----------
    leave_out
        Columns that change after the row was sealed.
    """
    if row["seal"] != seal({name: value for name, value in row.items() if name not in leave_out}):
        shown = ", ".join(f"{name}={value!r}" for name, value in list(row.items())[:4])
        raise CorruptError(
            f"{where} is damaged: {shown} does not bear its seal",
            hint="intonaco fsck lists what is damaged; restore the catalog from a copy",
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, _PLAIN) or value != value:
        raise InvalidError(f"column {name!r} holds {value!r} ({type(value).__name__}), which cannot be sealed", hint="seal plain values")
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return f"{type(value).__name__}:{value.hex() if isinstance(value, bytes | float) else value}"
