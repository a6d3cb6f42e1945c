"""Copying from store to store while somebody writes."""

from pathlib import Path

import pytest

from intonaco.core.errors import InvalidError
from intonaco.infra.storage.moving.transfers import Difference, transfer_between
from intonaco.infra.storage.sqlite import SqliteStream

TOPIC = "default/t"


class Racing(SqliteStream):
    """A stream to which somebody appends just behind the first read that finds nothing more."""

    late: bytes = b"late"

    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        found = super().read(topic, after, limit, partition)
        if not found and topic == TOPIC and self.late:
            super().append(topic, [self.late])
            self.late = b""
        return found


@pytest.mark.parametrize("trimmed", [0, 2])
def test_a_record_that_comes_behind_the_last_read_is_no_gap(tmp_path: Path, trimmed: int) -> None:
    with Racing.open(f"sqlite:{tmp_path}/old.db") as source, SqliteStream.open(f"sqlite:{tmp_path}/new.db") as target:
        source.append(TOPIC, [b"1", b"2", b"3"])
        source.trim(TOPIC, trimmed)
        way = transfer_between(source, target)
        for _ in range(2):
            assert sum(objects for objects, _ in way.copy()) > 0
        assert target.read(TOPIC) == source.read(TOPIC) == [(n, v) for n, v in enumerate([b"1", b"2", b"3", b"late"], 1) if n > trimmed]


def test_a_topic_whose_records_are_all_gone_goes_on_counting(tmp_path: Path) -> None:
    with SqliteStream.open(f"sqlite:{tmp_path}/old.db") as source, SqliteStream.open(f"sqlite:{tmp_path}/new.db") as target:
        source.append(TOPIC, [b"1", b"2"])
        source.trim(TOPIC, 2)
        assert list(transfer_between(source, target).copy()) == []
        assert (target.end(TOPIC), target.read(TOPIC)) == (2, [])


def test_a_record_that_cannot_be_mended_is_told(tmp_path: Path) -> None:
    with SqliteStream.open(f"sqlite:{tmp_path}/old.db") as source, SqliteStream.open(f"sqlite:{tmp_path}/new.db") as target:
        source.append(TOPIC, [b"1", b"2"])
        target.append(TOPIC, [b"1", b"2"])
        target.trim(TOPIC, 1)
        way = transfer_between(source, target)
        found = [each for each in way.differences() if each is not None]
        assert found == [Difference(f"{TOPIC}[0]@1", "missing")]
        with pytest.raises(InvalidError, match="@1 is not what the source has"):
            way.repair(found[0])
