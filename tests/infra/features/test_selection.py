import numpy as np
import pytest

from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.schema import Schema
from intonaco.infra.features.checking.selection import Selection, select
from intonaco.infra.features.offline.examples import Examples


def examples(rows: int = 5000) -> Examples:
    """A target made of two features; a copy of one of them, noise, and a category that tells what sign the other has."""
    random = np.random.default_rng(0)
    strong, weak = random.normal(size=rows), random.normal(size=rows)
    columns = {
        "noise": random.normal(size=rows),
        "copy": strong * 2 + 1,
        "strong": strong,
        "weak": np.where(random.random(rows) < 0.1, np.nan, weak),
        "sign": np.array(["up" if each > 0 else "down" for each in weak], dtype=object),
        "late": 2 * strong + weak,
    }
    schema = Schema.of(noise="float64?", copy="float64?", strong="float64?", weak="float64?", sign="str?", late="float64?")
    return Examples(columns=columns, schema=schema, labels="late")


@pytest.fixture(scope="module")
def found() -> Selection:
    return select(examples())


def test_the_most_relevant_is_chosen_first_and_its_copy_last(found: Selection) -> None:
    assert found.names[0] in ("copy", "strong")
    assert found.names[1] == "weak"
    assert found.names[-1] in ("copy", "strong")
    assert found.score[-1] < found.score[0] / 10


def test_relevance_and_redundancy_are_what_they_were_made_to_be(found: Selection) -> None:
    bits = dict(zip(found.names, found.relevance, strict=True))
    assert bits["noise"] < 0.02 < bits["sign"] < bits["weak"] < bits["strong"]
    assert bits["copy"] == pytest.approx(bits["strong"])
    place = {name: number for number, name in enumerate(found.names)}
    assert found.redundancy[place["copy"], place["strong"]] > 0.99
    assert found.correlations[place["copy"], place["strong"]] == pytest.approx(1.0)
    assert found.redundancy[place["weak"], place["sign"]] > 0.3
    assert np.isnan(found.correlation[place["sign"]])


def test_the_report_shows_bars_a_heat_map_and_the_order(found: Selection) -> None:
    text = found.report().text()
    assert "In the order of choice" in text
    assert "Peng" in text
    assert "copy" in found.report().html()


def test_many_rows_are_taken_evenly() -> None:
    assert select(examples(250_000)).rows == 83_334


def test_a_target_that_is_not_there_or_cannot_be_rated_is_told() -> None:
    with pytest.raises(MissingError, match="no label 'later'"):
        select(examples(10), "later")
    with pytest.raises(InvalidError, match="there are no rows"):
        select(examples(10).take(np.zeros(0, dtype=np.intp)))
