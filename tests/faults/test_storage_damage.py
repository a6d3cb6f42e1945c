"""PROMISES A7 for tables in files: whatever byte of whatever file is damaged, reading refuses and names the file."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import CorruptError
from intonaco.infra.storage.delta.delta import DeltaTableStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with DeltaTableStore.open(f"file:{tmp_path}") as store:
        for turn in range(3):
            store.write("default/t", pa.table({"n": np.arange(100) + turn, "s": [f"text {turn}"] * 100}))
        store.write("default/t", pa.table({"x": [1.5]}), mode="replace", token="once")
    return tmp_path


def _damaged(data: bytes) -> Iterator[bytes]:
    chance = random.Random(3)
    for at in sorted({0, len(data) - 1, *(chance.randrange(len(data)) for _ in range(30))}):
        yield data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    for length in (0, 1, len(data) // 2, len(data) - 1):
        yield data[:length]
    yield data + b"\n"
    yield bytes(len(data))


def _read_all(folder: Path) -> list[pa.Table]:
    with DeltaTableStore.open(f"file:{folder}") as store:
        return [store.read(store.snapshot("default/t", version)) for version in (None, 0, 1, 2)]


def test_no_damage_is_read(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 8
    for path in files:
        data = path.read_bytes()
        for other in _damaged(data):
            path.write_bytes(other)
            with pytest.raises(CorruptError) as caught:
                _read_all(folder)
            assert path.name in str(caught.value)
        path.write_bytes(data)
    assert [each.num_rows for each in _read_all(folder)] == [1, 100, 200, 300]


def test_every_damaged_file_is_listed(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        with DeltaTableStore.open(f"file:{folder}") as store:
            assert [path.name in line for line in store.damaged("default/t")] == [True]
        path.write_bytes(data)
