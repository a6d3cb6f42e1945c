"""Turns: the right of one process to write a view's entries or hops."""

import os
import socket
import time
from functools import cache

import sqlalchemy as sql
from attrs import define, field

from intonaco.core.errors import ConflictError
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.leases import Lease, Leases
from intonaco.infra.storage.record import LEASES

__all__ = ["Turn"]

_LEASE_S = 120.0
_RENEW_S = 40.0


@define(eq=False)
class Turn:
    """A lease that a process holds; of a process of this machine that is gone it is taken over at once."""

    catalog: Catalog
    name: str
    _lease: Lease | None = field(default=None, init=False)
    _renew_at: float = field(default=0.0, init=False)

    def hold(self) -> Lease:
        """Hold the lease from now on; cheap where it was taken lately.

        Raises
        ------
        ConflictError
            Another process holds it.
        """
        if self._lease is None or time.monotonic() > self._renew_at:
            self._lease = self._taken()
            self._renew_at = time.monotonic() + _RENEW_S
        return self._lease

    def release(self) -> None:
        """Let go of it."""
        if self._lease is not None:
            Leases(self.catalog).release(self._lease)
            self._lease = None

    def _taken(self) -> Lease:
        leases = Leases(self.catalog)
        try:
            return leases.take(self.name, _this_process(), _LEASE_S)
        except ConflictError:
            gone = self._holder()
            if _is_alive(gone):
                raise
            # Whoever takes over first bears the dead process's name for a moment; a second one then meets the new holder.
            leases.release(leases.take(self.name, gone, _LEASE_S))
            return leases.take(self.name, _this_process(), _LEASE_S)

    def _holder(self) -> str:
        with self.catalog.read() as connection:
            return str(connection.scalar(sql.select(LEASES.c.holder).where(LEASES.c.name == self.name)))


@cache
def _this_process() -> str:
    return _process(os.getpid())


def _process(pid: int) -> str:
    import psutil

    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.2f}"


def _is_alive(holder: str) -> bool:
    """Whether the process is there; one of another machine is taken to be."""
    import psutil

    host, _, rest = holder.partition(" ")
    if host != socket.gethostname() or not rest:
        return True
    try:
        pid = int(rest.partition(" ")[0])
        return _process(pid) == holder and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
