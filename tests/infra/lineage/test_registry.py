import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intonaco.core.errors import CorruptError, InvalidError, MissingError
from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return Registry(workspace)


def _digest(number: int) -> str:
    return f"{number:064x}"


def test_versions_are_numbered_from_one(registry: Registry) -> None:
    assert [registry.register("eta", _digest(number), run_id="r").number for number in range(3)] == [1, 2, 3]


def test_the_newest_package_registered_again_is_the_same_version(registry: Registry) -> None:
    first = registry.register("eta", _digest(1), run_id="r", notes="first")
    again = registry.register("eta", _digest(1), run_id="s", notes="again")
    assert (first.new, again.new) == (True, False)
    assert again == first
    registry.register("eta", _digest(2), run_id="r")
    assert registry.register("eta", _digest(1), run_id="r").number == 3


def test_a_version_comes_back_as_it_was_registered(registry: Registry) -> None:
    cells = Cells([Cell("", "mae", 9.9, 9.8, 10.0, 100), Cell("origin=JFK", "mae", 9.1, n=40)])
    facts: dict[str, Any] = {"reports": {"evaluation": _digest(9)}, "held_out": True, "notes": "n", "at_us": 1_700_000_000_000_000}
    version = registry.register("eta", _digest(1), run_id="r", cells=cells, **facts)
    read = registry.version("eta@1")
    assert read == version
    assert read.cells == cells
    assert (read.reference, read.short) == ("model:default/eta@1", "eta@1")
    assert read.created_at.isoformat() == "2023-11-14T22:13:20+00:00"
    assert read.to_json()["cells"][0]["value"] == 9.9


def test_a_reference_may_name_a_number_an_alias_or_nothing(registry: Registry) -> None:
    for number in range(3):
        registry.register("eta", _digest(number), run_id="r")
    registry.set_alias("eta", "champion", 2, by="me")
    assert [registry.version(text).number for text in ("eta", "eta@1", "eta@champion", "model:default/eta@3")] == [3, 1, 2, 3]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("etb", "did you mean 'eta'"),
        ("eta@7", "its versions are 1 to 1, its aliases: champion"),
        ("eta@chamipon", "no version 'chamipon'"),
        ("other/eta", "no model:other/eta"),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(registry: Registry, reference: str, message: str) -> None:
    registry.register("eta", _digest(1), run_id="r")
    registry.set_alias("eta", "champion", 1, by="me")
    with pytest.raises(MissingError) as caught:
        registry.version(reference)
    assert message in str(caught.value)


def test_moves_of_an_alias_are_kept_with_who_and_why(registry: Registry) -> None:
    for number in range(2):
        registry.register("eta", _digest(number), run_id="r")
    registry.set_alias("eta", "champion", 1, by="ann", why="first", at_us=1)
    registry.set_alias("eta", "champion", 2, by="bob", why="better", at_us=2)
    registry.set_alias("eta", "champion", 2, by="bob", why="again", at_us=3)
    registry.set_alias("eta", "champion", None, by="ann", why="withdrawn", at_us=4)
    assert [(move.before, move.after, move.by, move.why, move.at_us) for move in registry.history("eta")] == [
        (None, 1, "ann", "first", 1),
        (1, 2, "bob", "better", 2),
        (2, None, "ann", "withdrawn", 4),
    ]
    assert registry.aliases("eta") == {}


@pytest.mark.parametrize("alias", ["3", "latest", "a/b", ""])
def test_an_alias_that_could_mean_something_else_is_refused(registry: Registry, alias: str) -> None:
    registry.register("eta", _digest(1), run_id="r")
    with pytest.raises(InvalidError):
        registry.set_alias("eta", alias, 1, by="me")
    with pytest.raises(InvalidError):
        registry.set_alias("eta", "champion", 1, by="")


def test_an_alias_of_a_version_that_is_not_there_is_refused_and_nothing_moves(registry: Registry) -> None:
    registry.register("eta", _digest(1), run_id="r")
    with pytest.raises(MissingError):
        registry.set_alias("eta", "champion", 2, by="me")
    assert registry.history("eta") == []


def test_models_of_projects_and_partitions_do_not_meet(workspace: Workspace, registry: Registry) -> None:
    other = Registry(workspace, "maps")
    registry.register("eta", _digest(1), run_id="r")
    other.register("eta", _digest(2), run_id="r")
    other.register("eta", _digest(3), run_id="r", partition="JFK")
    assert (registry.models(), other.models()) == (["eta"], ["eta"])
    assert registry.version("maps/eta").package == _digest(2)
    assert registry.version("maps/eta[JFK]@1").package == _digest(3)
    assert len(registry.versions("eta")) == 1


def test_uses_tells_who_reads_a_feature_or_was_made_from_a_table(workspace: Workspace, registry: Registry) -> None:
    import pyarrow as pa

    snapshot = workspace.tables.write("default/flights", pa.table({"x": [1]}))
    with Runs(workspace).start("train") as run:
        run.use("flights", snapshot)
    version = registry.register("eta", _digest(1), run_id=run.id, uses=["view:default/weather@2"])
    registry.register("eta", _digest(2), run_id="r", uses=["view:default/weather@3"])
    assert registry.uses("table:default/flights") == [version]
    assert registry.uses("table:flights@0") == [version]
    assert registry.uses("table:flights@1") == []
    assert [each.number for each in registry.uses("view:weather")] == [1, 2]


def test_each_registration_and_move_is_told(workspace: Workspace, registry: Registry) -> None:
    registry.register("eta", _digest(1), run_id="r")
    registry.register("eta", _digest(1), run_id="r")
    registry.set_alias("eta", "champion", 1, by="me")
    assert [change.subject for change in workspace.catalog.changes("versions")] == ["model:default/eta@1"]
    assert [change.subject for change in workspace.catalog.changes("aliases")] == ["model:default/eta@champion"]


def test_an_altered_version_is_never_shown(workspace: Workspace, registry: Registry) -> None:
    registry.register("eta", _digest(1), run_id="r")
    with workspace.catalog.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE lineage_version SET package = '{_digest(2)}'")
    with pytest.raises(CorruptError, match="registry of models"):
        registry.version("eta")


_WRITER = """
import sys
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.workspace import Workspace
with Workspace.open(sys.argv[1]) as workspace:
    for number in range(50):
        print(Registry(workspace).register("eta", f"{int(sys.argv[2]):032x}{number:032x}", run_id="r").number)
"""


@pytest.mark.slow
def test_eight_writers_lose_no_version_and_leave_no_gap(tmp_path: Path, registry: Registry) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(8)]
    numbers = [int(line) for writer in writers for line in writer.communicate(timeout=120)[0].split()]
    assert sorted(numbers) == list(range(1, 401))
    assert [version.number for version in registry.versions("eta")] == list(range(1, 401))
