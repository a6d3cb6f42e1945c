"""A report holds blocks and shows them alike everywhere."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.errors import InvalidError
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.reports.report import Chart, Images, Metric, Report, Table, Text
from intonaco.infra.workspace import Workspace

PNG = b"\x89PNG\r\n\x1a\n"
REPORT = Report(
    "How it went",
    [
        Metric("error", 9.9, unit="min", note="held out", low=9.8, high=10.0),
        Table("Segments", ("origin", "error"), [("JFK", 9.5), ("EWR", None)]),
        Chart("By day", x=["2013-10-19", "2013-10-20"], series={"mae": [9.5, None]}, x_label="day", y_label="min"),
        Chart("Confusion", form="heatmap", x=["cat", "dog"], series={"cat": [9, 1], "dog": [2, 8]}),
        Images("Digits", [PNG], captions=["a seven"]),
        Text("What it was made from", heading=True),
    ],
)


def test_a_report_comes_back_equal_from_json() -> None:
    assert Report.from_json(REPORT.to_json()) == REPORT


@given(some.lists(some.floats()), some.text())
def test_what_is_not_finite_is_a_gap_in_a_chart(values: list[float], name: str) -> None:
    chart = Chart("c", x=range(len(values)), series={name: np.array(values)})
    assert [value is None for value in chart.series[name]] == [not np.isfinite(value) for value in values]
    assert Report.from_json(Report("r", [chart]).to_json()).blocks == (chart,)


def test_a_report_is_an_artifact(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        assert Artifacts(workspace).load(Artifacts(workspace).save(REPORT)) == REPORT


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidError, match="row of the table 'Segments' has another length than its 2 columns"):
        Table("Segments", ("a", "b"), [(1,)])


def test_a_series_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidError, match="series of the chart 'By day' has another length than its axis, 2"):
        Chart("By day", x=[1, 2], series={"mae": [1.0]})


def test_an_unknown_block_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(InvalidError, match="known: metric, table, chart, images, text"):
        Report.from_json({"title": "t", "blocks": [{"kind": "video"}]})


def test_a_saved_page_is_the_page(tmp_path: Path) -> None:
    assert REPORT.save(tmp_path / "deep" / "report.html").read_text(encoding="utf-8") == REPORT.html()


def test_a_notebook_shows_the_page_in_a_frame_that_cannot_reach_the_notebook() -> None:
    shown = REPORT._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox=""' in shown
    assert shown.count("<iframe") == 1


def test_show_prints_the_text() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        REPORT.show()
    assert out.getvalue() == REPORT.text()


def test_every_kind_of_block_can_be_drawn_with_nothing_in_it() -> None:
    forms: list[Any] = ["line", "bar", "scatter", "heatmap"]
    empty = Report("", [Table("", (), []), Images("", []), Text(""), *(Chart("", form=form, x=[], series={}) for form in forms)])
    assert empty.html()
    assert empty.text()
