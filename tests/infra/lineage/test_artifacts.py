from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.columns import Masked, Ragged
from intonaco.core.errors import ConflictError, CorruptError, InvalidError, MissingError
from intonaco.core.plugins import as_plugin, hookimpl
from intonaco.infra.lineage.arrow import columns_to_table, read, table_to_columns, write
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.formats import Format
from intonaco.infra.storage.blobs import SupportsPath, blob_name
from intonaco.infra.workspace import Workspace


@pytest.fixture
def artifacts(workspace: Workspace) -> Artifacts:
    return Artifacts(workspace)


@pytest.mark.parametrize("value", [None, 0.1, "é", b"\x00", [1, (2, {"a": float("inf")})]])
def test_a_plain_value_is_found_by_its_digest(artifacts: Artifacts, value: Any) -> None:
    assert artifacts.load(artifacts.save(value).digest) == value


def test_equal_content_is_one_artifact(artifacts: Artifacts) -> None:
    assert artifacts.save([1, 2]) == artifacts.save([1, 2])


def test_bytes_that_look_like_json_are_told_apart(artifacts: Artifacts) -> None:
    text, data = artifacts.save("a"), artifacts.save(b'"a"')
    assert (artifacts.load(text), artifacts.load(data)) == ("a", b'"a"')
    with pytest.raises(ConflictError, match=r"bytes, json|json, bytes"):
        artifacts.load(text.digest)


def test_a_table_is_the_same_artifact_however_it_is_cut(artifacts: Artifacts) -> None:
    table = pa.table({"a": [1, None, 3], "b": ["x", None, "zz"], "t": pa.array([1, 2, None], pa.timestamp("us", "UTC"))})
    cut = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert artifacts.save(cut) == artifacts.save(table)
    assert artifacts.load(artifacts.save(table)).equals(table)


def test_what_stands_behind_a_null_does_not_count() -> None:
    mask = pa.py_buffer(np.packbits([True, False, True], bitorder="little").tobytes())
    tables = [
        pa.table({"a": pa.Array.from_buffers(pa.int64(), 3, [mask, pa.py_buffer(np.array([1, hidden, 3]).tobytes())])})
        for hidden in (0, 77)
    ]
    assert write(tables[0]) == write(tables[1])


def test_columns_come_back_in_kind(artifacts: Artifacts) -> None:
    columns = {
        "float": np.array([1.5, np.nan, -0.0], np.float32),
        "text": np.array(["a", "", "é"], object),
        "bytes": np.array([b"a", b"", b"\xff"], object),
        "time": np.array([1, 2, -3], "datetime64[us]"),
        "flag": np.array([True, False, True]),
        "image": np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        "masked": Masked(np.array([1, 0, 3], np.int16), np.array([False, True, False])),
        "ragged": Ragged.from_rows([np.arange(2), np.arange(0), np.arange(3)]),
    }
    loaded = artifacts.load(artifacts.save(columns))
    assert list(loaded) == list(columns)
    for name, column in columns.items():
        _assert_same(loaded[name], column)


def _assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, Masked):
        assert np.array_equal(found.missing, expected.missing)
        found, expected = found.values, expected.values
    if isinstance(expected, Ragged):
        assert np.array_equal(found.offsets, expected.offsets)
        found, expected = found.values, expected.values
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tolist() == expected.tolist() or found.tobytes() == expected.tobytes()


@given(st.lists(st.floats(width=64)), st.sampled_from(["<f8", "<f4", "<f2"]))
def test_every_float_comes_back_to_the_bit(values: list[float], dtype: str) -> None:
    with np.errstate(over="ignore"):
        column = np.array(values, dtype)
    found = table_to_columns(read(write(columns_to_table({"a": column}))))["a"]
    assert isinstance(found, np.ndarray)
    assert found.dtype == column.dtype
    assert found.tobytes() == column.tobytes()


@pytest.mark.parametrize("column", [np.array([object()]), np.array(["a", b"b"], object), np.array([1j]), np.array(["a"])])
def test_a_column_that_would_not_come_back_is_refused_by_name(artifacts: Artifacts, column: Any) -> None:
    with pytest.raises(InvalidError, match="column 'odd'"):
        artifacts.save({"odd": column})


@frozen
class Sound:
    samples: bytes


@frozen
class Speech(Sound):
    words: str = ""


class SoundFormat(Format):
    kind = "sound"

    def encode(self, value: Sound) -> bytes:
        return value.samples

    def decode(self, data: bytes) -> Sound:
        return Sound(data)


def test_an_unknown_type_is_refused_naming_the_hook(artifacts: Artifacts) -> None:
    with pytest.raises(InvalidError, match=r"Sound.*artifact_formats"):
        artifacts.save(Sound(b""))


def test_a_plugin_brings_a_format_for_a_class_and_what_is_made_of_it(workspace: Workspace) -> None:
    class Plugin:
        @staticmethod
        @hookimpl
        def artifact_formats() -> dict[str, str]:
            return {f"{__name__}.Sound": f"{__name__}:SoundFormat"}

    import sys

    sys.modules.setdefault(__name__, sys.modules[Sound.__module__])
    workspace.plugins.add(as_plugin(Plugin, "sounds"))
    artifacts = Artifacts(workspace)
    artifact = artifacts.save(Speech(b"pcm", "hello"))
    assert artifact.kind == "sound"
    assert artifacts.load(artifact.digest) == Sound(b"pcm")


def test_a_missing_artifact_is_told(artifacts: Artifacts) -> None:
    with pytest.raises(MissingError, match="0000"):
        artifacts.load("0" * 64)
    lost = Artifact(digest="0" * 64, kind="json", size_bytes=1)
    assert not artifacts.present(lost)
    with pytest.raises(MissingError):
        artifacts.load(lost)


def test_a_damaged_artifact_is_refused(workspace: Workspace, artifacts: Artifacts) -> None:
    artifact = artifacts.save([1, 2, 3])
    assert isinstance(workspace.blobs, SupportsPath)
    path = workspace.blobs.path(blob_name(artifact.digest))
    path.chmod(0o644)
    path.write_bytes(b"[1,2,4]")
    with pytest.raises(CorruptError, match=artifact.digest):
        artifacts.load(artifact)


def test_a_snapshot_is_an_artifact_by_its_own_digest(workspace: Workspace, artifacts: Artifacts) -> None:
    snapshot = workspace.tables.write("default/flights", pa.table({"a": [1, 2]}))
    artifact = artifacts.save(snapshot)
    assert (artifact.digest, artifact.kind) == (snapshot.digest, "table")
    workspace.tables.write("default/flights", pa.table({"a": [3]}))
    assert artifacts.load(artifact.digest) == snapshot
    assert artifacts.present(artifact)


def test_projects_do_not_see_each_others_artifacts(workspace: Workspace) -> None:
    artifact = Artifacts(workspace, "maps").save(1)
    with pytest.raises(MissingError):
        Artifacts(workspace, "eats").load(artifact.digest)
