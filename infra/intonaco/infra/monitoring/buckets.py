"""Buckets: stretches of time of one length, aligned to 1970 in UTC, into which rows fall."""

from datetime import UTC, datetime, timedelta

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.timeline import duration

__all__ = ["Buckets", "moment_text"]

_MOST = 100_000
_DAY_US = duration("1d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True, eq=False)
class Buckets:
    """Every bucket from the first row's to the last row's, those without rows too, and the bucket of each row.

    Parameters
    ----------
    from_us : shape (buckets,)
        Where each begins; it ends where the next would begin.
    rows : shape (rows,)
        Positions in `from_us`.
    """

    length_us: int
    from_us: NDArray[np.int64]
    rows: NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(cls, at_us: NDArray[np.int64], every: str | int | timedelta = "1d") -> "Buckets":
        """Put moments into buckets of this length.

        Raises
        ------
        InvalidError
            The length is not positive, or so short that there were more than 100,000 buckets.
        """
        length_us = duration(every)
        if length_us <= 0:
            raise InvalidError(f"buckets of {every} have no length", hint="write 1d or 1h", field="every")
        numbers = at_us // length_us
        first, last = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, -1)
        if last - first >= _MOST:
            raise InvalidError(f"{last - first + 1} buckets of {every} are more than {_MOST}", hint="take longer buckets", field="every")
        return cls(length_us=length_us, from_us=np.arange(first, last + 1) * length_us, rows=(numbers - first).astype(np.intp))

    def __len__(self) -> int:
        return len(self.from_us)

    @property
    def to_us(self) -> NDArray[np.int64]:
        """Where each ends, itself outside."""
        return self.from_us + self.length_us

    @property
    def texts(self) -> list[str]:
        """Where each begins, as people write it."""
        return [moment_text(int(each), self.length_us) for each in self.from_us]

    def count(self, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of these rows each bucket holds."""
        return np.bincount(self.rows[where], minlength=len(self)).astype(np.int64)

    def split(self) -> list[NDArray[np.intp]]:
        """The rows of each bucket, in their order."""
        order = np.argsort(self.rows, kind="stable")
        ends = np.cumsum(np.bincount(self.rows, minlength=len(self)))
        return np.split(order, ends[:-1]) if len(self) else []


def moment_text(at_us: int, length_us: int = 1) -> str:
    """A day if the bucket that begins here is made of days, else a minute, in UTC."""
    moment = _EPOCH + timedelta(microseconds=at_us)
    return f"{moment:%Y-%m-%d}" if length_us % _DAY_US == 0 else f"{moment:%Y-%m-%d %H:%M}"
