import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core import Reference
from intonaco.core.errors import InvalidError
from intonaco.core.references import check_name

NAMES = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=20).filter(lambda name: name[0] not in ".-")
PARTITIONS = st.text(min_size=0, max_size=10).filter(lambda text: text.isprintable() and not set(text) & set("[]"))


@given(st.sampled_from(["model", "table", ""]), NAMES, NAMES, PARTITIONS, st.one_of(st.just(""), NAMES))
def test_what_is_written_is_read_back(kind: str, name: str, project: str, partition: str, version: str) -> None:
    reference = Reference(kind, name, project, partition, version)
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.short, kind=kind) == reference


def test_what_is_left_out_is_filled_by_the_caller() -> None:
    assert Reference.parse("eta", kind="model", project="maps") == Reference("model", "eta", "maps")


def test_a_reference_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidError, match="names a table, not a model"):
        Reference.parse("table:flights", kind="model")


@pytest.mark.parametrize(
    "text", ["", "@3", "eta@", "a/b/c", "eta[JFK", "eta@1@2", "../eta", "e ta", "eta\n", "model:", "eta[]", ".eta", "-eta"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        Reference.parse(text, kind="model")


@pytest.mark.parametrize("field", [{"partition": "a]b"}, {"version": "a@b"}, {"project": "a/b"}, {"name": ""}])
def test_a_part_that_could_not_be_read_back_is_refused(field: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        Reference(**{"kind": "model", "name": "eta"} | field)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\x00b", "ä", "a" * 129, "a\n", "a:b", "-a", " "])
def test_a_name_that_is_unsafe_in_paths_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="cannot name a model"):
        check_name(name, "model")
