import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from intonaco.core.errors import ConflictError, MissingError
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.upkeep.collect import collect, plan_collection
from intonaco.infra.storage.blobs import SupportsPath, blob_name, get, put
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def _put(workspace: Workspace, data: bytes, age_s: float = 7200.0) -> str:
    digest = put(workspace.blobs, data)
    assert isinstance(workspace.blobs, SupportsPath)
    past = time.time() - age_s
    os.utime(workspace.blobs.path(blob_name(digest)), (past, past))
    return digest


def test_a_blob_that_nothing_names_goes_and_the_plan_says_why(workspace: Workspace) -> None:
    digest = _put(workspace, b"nobody's")
    planned = plan_collection(workspace)
    assert [(each.name, each.size_bytes, each.why) for each in planned.removals] == [
        (blob_name(digest), 8, "no row of the catalog and no kept blob names it")
    ]
    assert get(workspace.blobs, digest) == b"nobody's"
    done = collect(workspace)
    assert done.removals == planned.removals
    with pytest.raises(MissingError):
        get(workspace.blobs, digest)


def test_a_young_blob_stays_since_a_command_may_be_about_to_name_it(workspace: Workspace) -> None:
    _put(workspace, b"fresh", age_s=10)
    planned = plan_collection(workspace)
    assert planned.removals == ()
    assert planned.kept == {"its age: a command may be about to name it": 1}


def test_what_was_put_again_is_young_again(workspace: Workspace) -> None:
    _put(workspace, b"old")
    put(workspace.blobs, b"old")
    assert plan_collection(workspace).removals == ()


def test_what_a_running_run_may_have_written_stays(workspace: Workspace) -> None:
    with Runs(workspace).start("long", at_us=(time.time_ns() // 1000) - 10_000_000_000):
        digest = _put(workspace, b"of the run")
        assert collect(workspace).removals == ()
    assert [each.name for each in collect(workspace).removals] == [blob_name(digest)]


def test_artifacts_and_what_they_name_stay(workspace: Workspace) -> None:
    inner = _put(workspace, b"payload")
    outer = _put(workspace, b'{"files":{"model":"' + inner.encode() + b'"}}')
    artifact = Artifacts(workspace).save({"package": outer})
    planned = plan_collection(workspace, older_than_s=0)
    assert planned.removals == ()
    assert planned.kept == {"other blobs that are kept": 2, "rows of lineage_artifact": 1}
    assert artifact.size_bytes > 0


def test_a_versions_package_stays(workspace: Workspace) -> None:
    package = _put(workspace, b"{}")
    Registry(workspace).register("eta", package, run_id="r")
    assert collect(workspace, older_than_s=0).removals == ()


def test_leftovers_of_an_interrupted_writer_go(workspace: Workspace) -> None:
    digest = _put(workspace, b"kept")
    Registry(workspace).register("eta", digest, run_id="r")
    assert isinstance(workspace.blobs, SupportsPath)
    leftover = workspace.blobs.path(blob_name(digest)).with_name(f".{'0' * 32}.tmp")
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    assert [each.what for each in collect(workspace).removals] == ["leftover"]
    assert not leftover.exists()


def test_what_a_writer_left_of_a_table_goes_though_the_table_never_came_to_be(workspace: Workspace, tmp_path: Path) -> None:
    workspace.tables.write("default/rows", pa.table({"x": [1]}))
    part = next((tmp_path / ".intonaco/tables/default/rows").glob("part-*.parquet"))
    torn = tmp_path / ".intonaco/tables/default/never"
    torn.mkdir()
    (torn / part.name).write_bytes(part.read_bytes())
    orphan = part.with_name(part.name.removesuffix(".parquet") + "f.parquet")
    orphan.write_bytes(part.read_bytes())
    assert plan_collection(workspace).removals == ()
    assert sorted(each.what for each in collect(workspace, older_than_s=0).removals) == ["leftover", "part"]
    assert (part.exists(), orphan.exists(), (torn / part.name).exists()) == (True, False, False)


def test_old_versions_of_tables_go_only_when_asked_and_those_behind_a_model_never(workspace: Workspace) -> None:
    table = "default/rows"
    for number in range(3):
        workspace.tables.write(table, pa.table({"x": [number]}), mode="replace")
    Registry(workspace).register("eta", "ab" * 32, run_id="r", uses=[f"table:{table}@0"])
    assert collect(workspace, older_than_s=0).removals == ()
    gone = collect(workspace, older_than_s=0, tables_older_than_s=0).removals
    assert [each.store for each in gone] == [table]
    for version, there in ((0, True), (1, False), (2, True)):
        if there:
            assert workspace.tables.read(workspace.tables.snapshot(table, version)).num_rows == 1
        else:
            with pytest.raises(MissingError):
                workspace.tables.read(workspace.tables.snapshot(table, version))


def test_two_collections_do_not_meet(workspace: Workspace) -> None:
    lease = Leases(workspace.catalog).take("gc", "another", 60)
    with pytest.raises(ConflictError, match="another holds 'gc'"):
        collect(workspace)
    Leases(workspace.catalog).release(lease)
    assert collect(workspace).done
