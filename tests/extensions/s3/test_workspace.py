"""A workspace whose blobs and tables lie on S3, by settings alone."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from intonaco.core.errors import CorruptError, MissingError
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.infra.compute.tables import AsofColumns, Events
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.upkeep.collect import collect
from intonaco.infra.lineage.upkeep.verify import verify
from intonaco.infra.serving.packages.keeping import read_manifest
from intonaco.infra.serving.packages.package import MANIFEST_LIMIT_BYTES
from intonaco.infra.storage.blobs import blob_name, put
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(s3: str, tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "intonaco.toml").write_text(f'[stores]\nblobs = "{s3}/blobs"\ntables = "{s3}/tables"\n')
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def test_the_engine_reads_snapshots(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    for moment in (1, 3):
        workspace.tables.write(
            "default/events", pa.table({"key": ["a"], "time": pa.array([moment], stamp), "value": [moment / 2]}), mode="append"
        )
    rows = workspace.tables.write("default/rows", pa.table({"key": ["a", "a"], "at": pa.array([2, 4], stamp)}))
    join = AsofColumns(
        events=Events(data=workspace.tables.snapshot("default/events"), keys=("key",), time="time"), columns=(("value", "found"),)
    )
    assert pa.concat_tables(workspace.engine.asof_join(rows, "at", [join]))["found"].to_pylist() == [0.5, 1.5]


def test_artifacts_are_kept_found_and_collected(workspace: Workspace) -> None:
    artifacts = Artifacts(workspace)
    kept = artifacts.save({"figure": 1.5})
    assert (artifacts.present(kept), artifacts.load(kept.digest)) == (True, {"figure": 1.5})
    orphan = put(workspace.blobs, b"\0 bytes of nobody")
    gone = collect(workspace, older_than_s=-60).removals
    assert [each.name for each in gone] == [blob_name(orphan)]
    assert artifacts.load(kept) == {"figure": 1.5}
    with pytest.raises(MissingError):
        workspace.blobs.read(blob_name(orphan))


def test_a_manifest_that_is_too_large_is_not_fetched(workspace: Workspace) -> None:
    digest = put(workspace.blobs, bytes(MANIFEST_LIMIT_BYTES + 1))
    with pytest.raises(CorruptError, match="larger than"):
        read_manifest(workspace.blobs, digest)


def test_damage_is_listed_by_fsck(workspace: Workspace, s3: str) -> None:
    artifact = Artifacts(workspace).save({"figure": 1.5})
    part = workspace.tables.write("default/t", pa.table({"n": list(range(100))})).parts[0].name
    assert verify(workspace).sound
    for url, name in ((f"{s3}/blobs", blob_name(artifact.digest)), (f"{s3}/tables", part)):
        with S3BlobStore.open(url) as store:
            data = bytearray(store.read(name))
            data[len(data) // 2] ^= 1
            store.delete(name)
            store.create(name, bytes(data))
    found = verify(workspace)
    assert [(each.store, each.name) for each in found.damages] == [("blobs", blob_name(artifact.digest)), ("tables", "table:default/t")]
    assert part in found.damages[1].reason
