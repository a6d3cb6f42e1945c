import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.errors import SchemaError
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns
from intonaco.infra.features.entries.keys import entity_key, view_prefix
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.storage.arrow import from_arrow

NAMES = st.text(max_size=6) | st.sampled_from(["a", "a\x00", "a/b", "a/", "/b", "😀", "a\x00\x00\x00\x01b"])
KEYS = st.tuples(NAMES, NAMES, st.integers(1, 300), NAMES, NAMES)


def key_of(given: tuple[str, str, int, str, str]) -> bytes:
    project, view, version, left, right = given
    found = entity_key(view_prefix(project, view, version), (left, right), ("str", "str"))
    assert found is not None
    return found


@given(KEYS, KEYS)
def test_different_entities_views_and_projects_never_share_a_key(
    one: tuple[str, str, int, str, str], two: tuple[str, str, int, str, str]
) -> None:
    assert (key_of(one) == key_of(two)) == (one == two)


@given(st.tuples(NAMES, NAMES, st.integers(1, 300)), st.tuples(NAMES, NAMES, st.integers(1, 300)))
def test_no_views_prefix_starts_another_views_keys(one: tuple[str, str, int], two: tuple[str, str, int]) -> None:
    assert view_prefix(*one).startswith(view_prefix(*two)) == (one == two)


def test_values_of_different_types_never_share_a_key() -> None:
    values: list[tuple[object, str]] = [("1", "str"), (b"1", "bytes"), (1, "int64"), (True, "bool"), ("", "str"), (b"", "bytes")]
    assert len({entity_key(b"", (value,), (dtype,)) for value, dtype in values}) == len(values)


def test_a_null_key_is_no_entity() -> None:
    assert entity_key(b"", ("a", None), ("str", "str")) is None


@pytest.mark.parametrize(
    ("value", "dtype"), [(1, "str"), ("1", "int64"), (1.0, "int64"), (True, "int64"), (2**63, "int64"), ("a", "bytes")]
)
def test_a_key_of_a_wrong_type_is_refused(value: object, dtype: str) -> None:
    with pytest.raises(SchemaError):
        entity_key(b"", (value,), (dtype,))


@pytest.mark.parametrize(
    ("dtype", "kind", "value"),
    [
        ("str", pa.string(), "a"),
        ("bytes", pa.binary(), b"a"),
        ("bool", pa.bool_(), True),
        ("int64", pa.int64(), 1),
        ("timestamp", pa.timestamp("us", tz="UTC"), 5),
    ],
)
def test_a_null_key_of_any_type_reads_as_missing(store: FeatureStore, dtype: str, kind: pa.DataType, value: object) -> None:
    source = TableSource("seen", {"note": "str"}, time="at")
    view = FeatureView(name="notes", entity=Entity("thing", {"thing": dtype}), source=source, features=[columns("note")])
    asked = FeatureSet(name="asked", features=[view])
    store.apply([asked])
    events = pa.table({"thing": pa.array([value], kind), "note": ["here"], "at": pa.array([10], pa.timestamp("us", tz="UTC"))})
    store.workspace.tables.write("default/seen", events)
    store.materialize(asked, until=100)
    for keys in ([value, None], [None, value, None], [value]):
        rows = from_arrow(pa.table({"thing": pa.array(keys, kind)}))
        statuses = [Status.missing if each is None else Status.present for each in keys]
        assert store.read(asked, rows, at=[100] * len(keys)).statuses["note"].tolist() == statuses
        assert store.read_offline(asked, rows, at=[100] * len(keys)).statuses["note"].tolist() == statuses
    reader = OnlineReader(store.read_plan(asked), store.workspace.keyvalue)
    assert [reader.row({"thing": each}, 100).statuses for each in (value, None)] == [(Status.present,), (Status.missing,)]
