"""Damage to SQLite's write-ahead log."""

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from intonaco.core.errors import CorruptError
from intonaco.infra.storage.writeahead import check_write_ahead

_WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA page_size=1024")
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE t (x)")
for number in range(20):
    connection.execute("INSERT INTO t VALUES (?)", (b"%d" % number * 200,))
os._exit(0)  # nobody closes the database
"""


@pytest.fixture(scope="module")
def abandoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose transactions all stand in its log."""
    path = tmp_path_factory.mktemp("wal") / "a.db"
    subprocess.run([sys.executable, "-c", _WRITER, str(path)], check=True, timeout=60)
    return path


def _with_log(log: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    path.with_name("a.db-wal").write_bytes(log)
    return path


def test_a_whole_log_and_none_at_all_are_fine(abandoned: Path, tmp_path: Path) -> None:
    check_write_ahead(abandoned)
    check_write_ahead(tmp_path / "a.db")
    check_write_ahead(_with_log(b"", tmp_path))


def test_every_flipped_bit_is_found(abandoned: Path, tmp_path: Path) -> None:
    log = abandoned.with_name("a.db-wal").read_bytes()
    chosen = random.Random(0)
    for _ in range(200):
        damaged, at = bytearray(log), chosen.randrange(len(log))
        damaged[at] ^= 1 << chosen.randrange(8)
        with pytest.raises(CorruptError, match=r"a\.db-wal"):
            check_write_ahead(_with_log(bytes(damaged), tmp_path))


def test_a_log_that_was_cut_short_is_no_damage(abandoned: Path, tmp_path: Path) -> None:
    log = abandoned.with_name("a.db-wal").read_bytes()
    chosen = random.Random(0)
    for _ in range(100):
        end = chosen.randrange(len(log))
        check_write_ahead(_with_log(log[:end], tmp_path))
    for missing in (1, 500, 1047):  # as after a loss of power: the file has its length, its last page is not there yet
        check_write_ahead(_with_log(log[:-missing] + bytes(missing), tmp_path))


def test_what_an_earlier_round_of_the_log_left_behind_is_no_damage(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (x)")
    for _ in range(20):
        connection.execute("INSERT INTO t VALUES (?)", (os.urandom(3000),))
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.execute("INSERT INTO t VALUES (1)")
    check_write_ahead(tmp_path / "a.db")
    log = (tmp_path / "a.db-wal").read_bytes()
    connection.close()
    check_write_ahead(_with_log(log, tmp_path))
