import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.lineage.upkeep.verify import Damage, verify
from intonaco.infra.storage.blobs import SupportsPath, blob_name
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def _path(workspace: Workspace, digest: str) -> Path:
    assert isinstance(workspace.blobs, SupportsPath)
    return workspace.blobs.path(blob_name(digest))


def _damages(workspace: Workspace) -> list[Damage]:
    return list(verify(workspace).damages)


def test_a_sound_workspace_has_no_damage_and_everything_was_read(workspace: Workspace) -> None:
    artifact = Artifacts(workspace).save([1, 2])
    Registry(workspace).register("eta", artifact.digest, run_id="r")
    workspace.tables.write("default/rows", pa.table({"x": [1]}))
    workspace.keyvalue.put([(b"k", 1, b"v")])
    workspace.stream.append("default/events", [b"one"])
    seen: list[str] = []
    found = verify(workspace, seen.append)
    assert found.sound
    assert seen == ["catalog", "blobs", "tables", "keyvalue", "stream"]
    catalog = found.checked.pop("catalog")
    assert found.checked == {"blobs": 1, "tables": 1, "keyvalue": 1, "stream": 1}
    assert catalog >= 3


def test_a_flipped_byte_in_a_blob_is_named(workspace: Workspace) -> None:
    artifact = Artifacts(workspace).save("text")
    path = _path(workspace, artifact.digest)
    path.chmod(0o644)
    path.write_bytes(b'"texu"')
    assert _damages(workspace) == [Damage(store="blobs", name=blob_name(artifact.digest), reason="its bytes have another SHA-256")]


def test_a_blob_that_is_gone_is_named_with_who_wants_it(workspace: Workspace) -> None:
    artifact = Artifacts(workspace).save("text")
    Registry(workspace).register("eta", artifact.digest, run_id="r")
    os.unlink(_path(workspace, artifact.digest))
    reasons = [damage.reason for damage in _damages(workspace)]
    assert reasons == [
        "an artifact (json) of project 'default' names it, and it is not there",
        "model:default/eta@1 names it, and it is not there",
    ]


def test_an_altered_row_and_a_lost_one_are_named(workspace: Workspace, tmp_path: Path) -> None:
    registry = Registry(workspace)
    package = Artifacts(workspace).save("text").digest
    registry.register("eta", package, run_id="r")
    registry.register("eta", Artifacts(workspace).save("other").digest, run_id="r")
    registry.set_alias("eta", "champion", 2, by="me")
    with sqlite3.connect(tmp_path / ".intonaco/catalog.db") as catalog:
        catalog.execute("DELETE FROM lineage_version WHERE number = 1")
        catalog.execute("UPDATE lineage_move SET after = 1")
    catalog.close()
    names = [damage.name for damage in _damages(workspace)]
    assert names == ["lineage_move: 1", "model:default/eta"]


def test_a_damaged_part_of_a_table_is_named(workspace: Workspace, tmp_path: Path) -> None:
    workspace.tables.write("default/rows", pa.table({"x": list(range(1000))}))
    part = next((tmp_path / ".intonaco/tables/default/rows").glob("part-*.parquet"))
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(bytes(data))
    (damage,) = _damages(workspace)
    assert (damage.store, damage.name) == ("tables", "table:default/rows")
    assert part.name in damage.reason


def test_a_damaged_record_of_the_stream_is_named(workspace: Workspace, tmp_path: Path) -> None:
    workspace.stream.append("default/events", [b"one", b"two"])
    with sqlite3.connect(tmp_path / ".intonaco/streams.db") as stream:
        stream.execute("UPDATE stream_record SET value = ? WHERE value = ?", (b"tvo", b"two"))
    stream.close()
    (damage,) = _damages(workspace)
    assert (damage.store, damage.name) == ("stream", "default/events[0]")
    assert "record 2 of 'default/events'" in damage.reason


def test_each_damaged_entry_is_named_and_gone_when_it_was_written_again(workspace: Workspace, tmp_path: Path) -> None:
    workspace.keyvalue.put([(b"%d" % number, 1, b"value of %d" % number) for number in range(5)])
    workspace.close()
    data = next(path for path in (tmp_path / ".intonaco").rglob("data.mdb"))
    held = data.read_bytes()
    for number in (1, 3):
        held = held.replace(b"value of %d" % number, b"valve of %d" % number)
    data.write_bytes(held)
    with Workspace.open(tmp_path) as again:
        assert [(each.store, each.name) for each in _damages(again)] == [("keyvalue", b"1".hex()), ("keyvalue", b"3".hex())]
        again.keyvalue.delete([b"1", b"3"])
        again.keyvalue.put([(b"1", 1, b"anew")])
        assert _damages(again) == []


def test_a_table_that_lost_its_newest_version_is_named(workspace: Workspace) -> None:
    workspace.tables.write("default/rows", pa.table({"x": [1]}))
    Artifacts(workspace).save(workspace.tables.write("default/rows", pa.table({"x": [2]})))
    log = workspace.home / "tables/default/rows/_delta_log"
    max(log.glob("*.json")).unlink()
    with Workspace.open(workspace.root) as again:
        (damage,) = _damages(again)
    assert damage.name == "table:default/rows@1"
    assert "the catalog names it, and it is not there" in damage.reason


def test_a_table_that_was_made_anew_under_a_recorded_version_is_named(workspace: Workspace) -> None:
    Artifacts(workspace).save(workspace.tables.write("default/rows", pa.table({"x": [1]})))
    log = workspace.home / "tables/default/rows/_delta_log"
    max(log.glob("*.json")).unlink()
    with Workspace.open(workspace.root) as again:
        again.tables.write("default/rows", pa.table({"x": [3]}))
        (damage,) = _damages(again)
    assert "it has the digest" in damage.reason
