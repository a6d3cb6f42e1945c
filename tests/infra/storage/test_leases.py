"""Leases, on a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.leases import Lease, Leases


@define
class Clock:
    at_us: int = 1_000_000

    def __call__(self) -> int:
        return self.at_us

    def wait(self, seconds: float) -> None:
        self.at_us += int(seconds * 1e6)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(tmp_path: Path, clock: Clock) -> Iterator[Leases]:
    with Catalog.open(f"sqlite:{tmp_path}/catalog.db") as catalog:
        yield Leases(catalog, clock)


def _passes(leases: Leases, lease: Lease) -> bool:
    try:
        with leases.catalog.transaction() as connection:
            leases.check(connection, lease)
    except ConflictError:
        return False
    return True


def test_a_lease_is_held_by_one_until_its_time_is_over(leases: Leases, clock: Clock) -> None:
    first = leases.take("batch", "me", 10)
    assert (first.number, first.until_us) == (1, 11_000_000)
    with pytest.raises(ConflictError, match=r"me holds 'batch' for 10\.0 s"):
        leases.take("batch", "you", 10)
    assert leases.take("other", "you", 10).number == 1
    clock.wait(10)
    assert leases.take("batch", "you", 10).number == 2


def test_a_holder_that_comes_back_late_passes_no_check(leases: Leases, clock: Clock) -> None:
    stale = leases.take("batch", "me", 10)
    assert _passes(leases, stale)
    clock.wait(11)
    assert not _passes(leases, stale)
    fresh = leases.take("batch", "you", 10)
    assert not _passes(leases, stale)
    assert _passes(leases, fresh)


def test_renewing_keeps_the_number_and_moves_the_end(leases: Leases, clock: Clock) -> None:
    lease = leases.take("batch", "me", 10)
    clock.wait(9)
    renewed = leases.renew(lease, 10)
    assert (renewed.number, renewed.until_us) == (1, 20_000_000)
    clock.wait(9)
    assert _passes(leases, lease)


def test_a_lease_that_is_over_or_overtaken_cannot_be_renewed(leases: Leases, clock: Clock) -> None:
    lease = leases.take("batch", "me", 10)
    clock.wait(10)
    with pytest.raises(ConflictError, match="is over"):
        leases.renew(lease, 10)
    leases.take("batch", "you", 10)
    with pytest.raises(ConflictError, match="you took it"):
        leases.renew(lease, 10)


def test_a_released_lease_is_free_and_its_number_still_grows(leases: Leases) -> None:
    lease = leases.take("batch", "me", 10)
    leases.release(lease)
    assert not _passes(leases, lease)
    successor = leases.take("batch", "you", 10)
    assert successor.number == 2
    leases.release(lease)
    assert _passes(leases, successor)


def test_taking_ones_own_lease_again_fences_off_the_first(leases: Leases) -> None:
    first = leases.take("batch", "me", 10)
    second = leases.take("batch", "me", 10)
    assert second.number == 2
    assert not _passes(leases, first)


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan")])
def test_a_lease_that_cannot_last_is_refused(leases: Leases, ttl_s: float) -> None:
    with pytest.raises(InvalidError):
        leases.take("batch", "me", ttl_s)
