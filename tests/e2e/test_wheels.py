"""The distributions as users get them: built as wheels, core and infra alone first, then one platform after the other."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ["core", "infra", "extensions/lightgbm", "extensions/sklearn", "platforms/general", "platforms/nlp", "platforms/vision", "."]

pytestmark = pytest.mark.slow

#: Opens a workspace in an empty folder and uses the embedded default of each primitive.
EVERY_DEFAULT = """
import sys
import pyarrow as pa
from intonaco.infra.compute.tasks import Call, map_calls
from intonaco.infra.storage.blobs import get, put
from intonaco.infra.workspace import Workspace

if __name__ == "__main__":
    with Workspace.open(sys.argv[1]) as workspace:
        assert workspace.plugins.failures == [], workspace.plugins.failures
        assert get(workspace.blobs, put(workspace.blobs, b"fresh plaster")) == b"fresh plaster"
        assert workspace.keyvalue.put([(b"key", 1, b"value")]) == 1
        assert workspace.keyvalue.get([b"key", b"other"]) == [(1, b"value"), None]
        assert workspace.stream.append("default/topic", [b"a", b"b"]) == 2
        assert workspace.stream.read("default/topic", after=1) == [(2, b"b")]
        with workspace.catalog.transaction() as connection:
            workspace.catalog.record_change(connection, "topic", "subject")
        assert [change.subject for change in workspace.catalog.changes("topic")] == ["subject"]
        snapshot = workspace.tables.write("default/walls", pa.table({"wall": ["west", "east", "west"], "coat": [1, 1, 2]}))
        assert workspace.tables.read(snapshot).num_rows == 3
        latest = pa.concat_tables(workspace.engine.latest_per_key(snapshot, ["wall"], ["coat"]))
        assert latest["coat"].to_pylist() == [2, 1]
        assert map_calls(workspace.tasks, [Call(function="statistics:fmean", arguments={"data": [1.0, 3.0]})]) == [2.0]
"""


def run(*command: object, cwd: Path | None = None, timeout: int = 300) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Venv:
    """An environment of its own, which grows wheel by wheel."""

    def __init__(self, folder: Path, wheels: dict[str, Path]) -> None:
        self.folder, self.wheels = folder, wheels
        run(sys.executable, "-m", "venv", folder)

    def install(self, *names: str) -> None:
        """Install these distributions from their wheels, and what they need at the pinned versions."""
        pip = [self.folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(*pip, "-c", ROOT / "constraints.txt", *(self.wheels[name] for name in names))

    def python(self, *arguments: object, cwd: Path) -> str:
        return run(self.folder / "bin/python", *arguments, cwd=cwd)

    def plugins(self, cwd: Path) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run(self.folder / "bin/intonaco", "plugins", "--json", cwd=cwd))
        return answer


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All wheels by the name of their distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    for each in FOLDERS:
        run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT / each)
    return {path.name.partition("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Venv:
    made = Venv(tmp_path_factory.mktemp("venv") / "v", wheels)
    made.install("intonaco-core", "intonaco-infra")
    return made


def test_each_wheel_holds_its_portion_alone(wheels: dict[str, Path]) -> None:
    held: dict[str, str] = {}
    for name, path in wheels.items():
        files = [file for file in zipfile.ZipFile(path).namelist() if ".dist-info/" not in file]
        assert "intonaco/__init__.py" not in files
        assert all(file.startswith("intonaco/") for file in files), name
        assert not files or any(file.endswith("/py.typed") for file in files), name
        assert {file: held[file] for file in files if file in held} == {}
        held |= dict.fromkeys(files, name)
    assert {source for source in sources() if source not in held} == set()


def sources() -> set[str]:
    """Every module of every portion, as a path in its wheel."""
    return {
        str(path.relative_to(ROOT / folder)) for folder in FOLDERS if folder != "." for path in (ROOT / folder / "intonaco").rglob("*.py")
    }


def test_each_wheel_carries_its_licence(wheels: dict[str, Path]) -> None:
    for name, path in wheels.items():
        archive = zipfile.ZipFile(path)
        licences = [file for file in archive.namelist() if file.endswith("/licenses/LICENSE")]
        assert [b"Apache License" in archive.read(file) for file in licences] == [True], name


def test_core_and_infra_alone_serve_every_primitive_in_an_empty_folder(venv: Venv, tmp_path: Path) -> None:
    script = tmp_path / "every_default.py"
    script.write_text(EVERY_DEFAULT)
    folder = tmp_path / "empty"
    folder.mkdir()
    venv.python(script, folder, cwd=tmp_path)
    assert [path.name for path in folder.iterdir()] == [".intonaco"]


def test_platforms_are_added_one_at_a_time(venv: Venv, tmp_path: Path) -> None:
    assert venv.plugins(tmp_path)["platforms"] == {}
    added = {"general": "lightgbm", "nlp": "sklearn", "vision": "sklearn"}
    for count, (platform, extension) in enumerate(added.items(), start=1):
        venv.install(f"intonaco-{extension}", f"intonaco-{platform}")
        shown = venv.plugins(tmp_path)
        assert shown["failures"] == []
        assert sorted(shown["platforms"]) == sorted([*added][:count])
        assert {platform, extension} <= {each["name"] for each in shown["plugins"]}
        path, _, name = shown["platforms"][platform].partition(":")
        venv.python("-c", f"from {path} import {name}", cwd=tmp_path)
