"""Leases: the right to do something alone, for a time, under a number that only grows."""

import time
from collections.abc import Callable

import sqlalchemy as sql
from attrs import asdict, define, evolve, field, frozen

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.seals import seal, verify
from intonaco.infra.storage.record import LEASES

__all__ = ["Lease", "Leases", "now_us"]


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


@frozen(kw_only=True)
class Lease:
    """A right that somebody holds until a time; `number` is greater than that of every holder before."""

    name: str
    number: int
    holder: str
    until_us: int


@define(eq=False)
class Leases:
    """Leases in the catalog, for any process that opens it.

    A holder renews well before `until_us`, or stops. One that was stopped and comes back cannot commit over its successor:
    it calls `check` inside the transaction of its effect, or writes the lease's number beside it where that is elsewhere.

    Parameters
    ----------
    clock
        Microseconds since 1970; machines whose clocks differ see a lease end earlier or later by as much, and `check`
        still lets only the newest number through.
    """

    catalog: Catalog
    clock: Callable[[], int] = field(default=now_us, repr=False)

    def take(self, name: str, holder: str, ttl_s: float) -> Lease:
        """Take a lease that is free, over, or the holder's own, under the next number.

        Raises
        ------
        ConflictError
            Somebody else holds it; the message says who and how long yet.
        """
        at_us = self.clock()
        with self.catalog.transaction() as connection:
            row = _row(connection, name)
            if row is not None and row.until_us > at_us and row.holder != holder:
                raise ConflictError(f"{row.holder} holds {name!r} for {(row.until_us - at_us) / 1e6:.1f} s yet", hint="wait, or stop it")
            lease = Lease(name=name, number=row.number + 1 if row else 1, holder=holder, until_us=at_us + _ttl_us(ttl_s))
            _write(connection, lease, fresh=row is None)
        return lease

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """The same lease, held `ttl_s` from now; ConflictError if it is over or was taken by somebody else."""
        at_us = self.clock()
        with self.catalog.transaction() as connection:
            self.check(connection, lease)
            renewed = Lease(name=lease.name, number=lease.number, holder=lease.holder, until_us=at_us + _ttl_us(ttl_s))
            _write(connection, renewed, fresh=False)
        return renewed

    def release(self, lease: Lease) -> None:
        """Let go of it; of a lease that somebody else has by now, nothing."""
        with self.catalog.transaction() as connection:
            row = _row(connection, lease.name)
            if row is not None and row.number == lease.number:
                _write(connection, evolve(lease, until_us=0), fresh=False)

    def check(self, connection: sql.Connection, lease: Lease) -> None:
        """Raise ConflictError if the lease is over or overtaken, as part of the transaction that it is to protect."""
        row = _row(connection, lease.name)
        if row is None or row.number != lease.number:
            by = f"{row.holder} took it since" if row else "it is not there"
            raise ConflictError(f"{lease.holder} lost the lease {lease.name!r} of number {lease.number}: {by}", hint="take it again")
        if row.until_us <= self.clock():
            raise ConflictError(f"the lease {lease.name!r} of {lease.holder} is over", hint="take it again, and renew it in time")


def _row(connection: sql.Connection, name: str) -> Lease | None:
    # On PostgreSQL the row is held until the end of the transaction; SQLite's writers take turns anyway.
    row = connection.execute(sql.select(LEASES).where(LEASES.c.name == name).with_for_update()).mappings().one_or_none()
    if row is None:
        return None
    verify(row, where="a lease")
    return Lease(name=row["name"], number=row["number"], holder=row["holder"], until_us=row["until_us"])


def _write(connection: sql.Connection, lease: Lease, *, fresh: bool) -> None:
    row = asdict(lease)
    row["seal"] = seal(row)
    connection.execute(LEASES.insert().values(row) if fresh else LEASES.update().where(LEASES.c.name == lease.name).values(row))


def _ttl_us(ttl_s: float) -> int:
    if not ttl_s > 0:
        raise InvalidError(f"a lease cannot last {ttl_s} s")
    return int(ttl_s * 1e6)
