"""The stream in an SQLite file, and what is peculiar to it."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from intonaco.core.errors import CorruptError, InvalidError, SettingsError, UnavailableError
from intonaco.infra.storage.sqlite import SqliteStream
from intonaco.infra.storage.streams import Stream
from intonaco.infra.testing.streams import StreamGroupsContract


def _run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


class TestSqliteStream(StreamGroupsContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/streams.db"

    @pytest.fixture
    def store(self, url: str) -> Iterator[Stream]:
        with SqliteStream.open(url) as stream:
            yield stream

    def damage(self, store: Stream, topic: str, offset: int) -> None:
        assert isinstance(store, SqliteStream)
        _run(store.path, f"UPDATE stream_record SET value = CAST('sfcond' AS BLOB) WHERE place & {2**40 - 1} = {offset}")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM stream_claim WHERE place = 2",
        "UPDATE stream_claim SET times = 9 WHERE place = 2",
        "UPDATE stream_claim SET name = 'other' WHERE place = 2",
        "UPDATE stream_group SET given = 2",
        "DELETE FROM stream_group",
    ],
)
def test_damage_to_what_a_group_holds_is_told(tmp_path: Path, damage: str) -> None:
    with SqliteStream.open(f"sqlite:{tmp_path}/streams.db") as stream:
        stream.append("default/t", [b"a", b"b", b"c", b"d"])
        stream.claim("default/t", "group", "one", limit=3)
        _run(stream.path, damage)
        with pytest.raises(CorruptError, match="the group 'group'"):
            stream.claim("default/t", "group", "two", idle_s=0.0)
        assert len(stream.read("default/t")) == 4


def test_records_are_there_after_reopening_and_in_another_process(tmp_path: Path) -> None:
    with SqliteStream.open(f"sqlite:{tmp_path}/below/streams.db") as stream:
        stream.append("default/t", [b"a", b"b"])
    code = (
        "from intonaco.infra.storage.sqlite import SqliteStream\n"
        f"with SqliteStream.open('sqlite:{tmp_path}/below/streams.db') as stream:\n    print(stream.read('default/t'))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[(1, b'a'), (2, b'b')]\n"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM stream_record WHERE value = CAST('b' AS BLOB)",
        "DELETE FROM stream_record WHERE value = CAST('c' AS BLOB)",
        "UPDATE stream_record SET place = place + 100 WHERE value = CAST('b' AS BLOB)",
        "UPDATE stream_head SET last = 2",
        "UPDATE stream_head SET topic = 'default/u'",
        "DELETE FROM stream_head",
    ],
)
def test_a_row_that_was_lost_or_changed_is_corrupt(tmp_path: Path, damage: str) -> None:
    with SqliteStream.open(f"sqlite:{tmp_path}/streams.db") as stream:
        stream.append("default/t", [b"a", b"b", b"c"])
        _run(stream.path, damage)
        with pytest.raises(CorruptError, match=str(stream.path)):
            stream.read("default/t")


def test_another_database_and_a_newer_format_are_refused(tmp_path: Path) -> None:
    _run(tmp_path / "other.db", "CREATE TABLE theirs (x)")
    with pytest.raises(InvalidError, match="did not make"):
        SqliteStream.open(f"sqlite:{tmp_path}/other.db")
    SqliteStream.open(f"sqlite:{tmp_path}/streams.db").close()
    _run(tmp_path / "streams.db", "PRAGMA user_version=2")
    with pytest.raises(InvalidError, match="format 2"):
        SqliteStream.open(f"sqlite:{tmp_path}/streams.db")


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "streams.db").write_bytes(b"x" * 8192)
    with pytest.raises(CorruptError, match=r"streams\.db"):
        SqliteStream.open(f"sqlite:{tmp_path}/streams.db")


def test_a_closed_stream_says_so(tmp_path: Path) -> None:
    stream = SqliteStream.open(f"sqlite:{tmp_path}/streams.db")
    stream.close()
    with pytest.raises(UnavailableError, match="closed"):
        stream.end("default/t")


@pytest.mark.parametrize("url", ["sqlite:", "sqlite::memory:", "sqlite://host/x", "sqlite:x?mode=fast"])
def test_a_url_that_cannot_be_a_stream_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        SqliteStream.open(url)


def test_opening_a_stream_does_not_import_sqlalchemy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom intonaco.infra.storage.sqlite import SqliteStream\n"
        f"SqliteStream.open('sqlite:{tmp_path}/streams.db').close()\nsys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
