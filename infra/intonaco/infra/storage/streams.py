"""Streams: ordered, durable records that are read from an offset."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from attrs import frozen

from intonaco.core.errors import InvalidError
from intonaco.core.references import check_name
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = ["Claimed", "Stream", "SupportsGroups", "SupportsTopics", "check_topic"]


class Stream(Store):
    """Topics of records in order.

    A topic is `project/name`, made by its first append; a partition is a number. Offsets count from 1 in a partition,
    without gaps, in the order in which appends were acknowledged. The stream keeps no consumer's offset: a sink keeps it
    in the commit of its effect, so that each record takes effect once. A damaged record raises CorruptError.
    """

    __slots__ = ()
    promises = frozenset({Guarantee.DURABLE, Guarantee.WHOLE, Guarantee.IN_ORDER, Guarantee.CHECKED})

    @abstractmethod
    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        """Add records, all or none, durable on return; the offset of the last one (of none: the end)."""

    @abstractmethod
    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        """Up to `limit` records (offset, value) with an offset greater than `after`."""

    @abstractmethod
    def end(self, topic: str, partition: int = 0) -> int:
        """The offset of the last record ever appended; 0 if there was none."""

    @abstractmethod
    def trim(self, topic: str, through: int, partition: int = 0) -> None:
        """Remove the records up to and including this offset; offsets of the others stay."""


@runtime_checkable
class SupportsTopics(Protocol):
    """A stream that knows what is in it."""

    def topics(self) -> list[tuple[str, int]]:
        """All topics with their partitions, sorted."""


@frozen
class Claimed:
    """A record that a consumer of a group holds until it acknowledges it; `times` counts how often it was given to one."""

    offset: int
    value: bytes
    times: int = 1


@runtime_checkable
class SupportsGroups(Protocol):
    """A stream that shares out the records of a partition among the consumers of a group.

    For work on single records that may be done in any order and, after a crash, again. Where the order counts or each
    record has to take effect once, give a partition to one consumer, which keeps the offset in the commit of its effect.
    """

    def claim(self, topic: str, group: str, consumer: str, limit: int = 100, idle_s: float = 60.0, partition: int = 0) -> list[Claimed]:
        """Up to `limit` records for a consumer: first those that were claimed over `idle_s` ago and not acknowledged, then new ones."""

    def acknowledge(self, topic: str, group: str, offsets: Sequence[int], partition: int = 0) -> None:
        """Give these to nobody of the group again, durable on return."""


def check_topic(topic: str, partition: int) -> None:
    """Raise InvalidError unless these can name a topic and a partition."""
    parts = topic.split("/")
    if len(parts) < 2:
        raise InvalidError(f"{topic!r} cannot name a topic", hint="write PROJECT/NAME")
    for part in parts:
        check_name(part, "topic")
    if not 0 <= partition < 2**31:
        raise InvalidError(f"{partition} cannot be a partition", hint="partitions count from 0")
