"""A report in a terminal is as wide as asked for and cannot steer it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.infra.lineage.reports.report import Chart, Images, Metric, Report, Table, Text
from intonaco.infra.lineage.reports.terminal import draw

EVIL = "\x1b[2J\x1b]0;owned\x07[red]\u202eb\r\n"
FORMS: list[Any] = ["line", "bar", "scatter", "heatmap"]


def report(text: str) -> Report:
    charts = [Chart(text, form=form, x=[text, "b"], series={text: [1.0, None]}, x_label=text, y_label=text) for form in FORMS]
    table = Table(text, (text,), [(text,)])
    return Report(
        text,
        [
            Metric(text, 1.0, unit=text, note=text),
            table,
            *charts,
            Images(text, [b""], captions=[text]),
            Text(text),
            Text(text, heading=True),
        ],
    )


def test_text_in_a_report_holds_nothing_that_steers_a_terminal() -> None:
    shown = report(EVIL).text(100)
    assert [char for char in shown if not char.isprintable() and char != "\n"] == []
    assert "[red]" in shown


@given(some.text(max_size=20))
def test_no_text_steers_a_terminal_or_breaks_the_drawing(text: str) -> None:
    shown = Report(text, [Metric(text, 1.0), Table(text, (text,), [(text,)]), Text(text)]).text(60)
    assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    chart = Chart("By day", x=[f"2013-10-{day:02}" for day in range(1, 32)], series={"mae": range(31), "base": range(31)})
    shown = Report("Title", [Metric("error", 9.9, unit="min"), chart, Table("T", ("a", "b"), [("x" * 300, 1.0)])]).text(width)
    assert max(map(len, shown.splitlines())) <= width


def test_a_small_heatmap_is_a_table_and_a_wide_one_is_left_to_the_page() -> None:
    small = Chart("Confusion", form="heatmap", x=["cat", "dog"], series={"cat": [90, 10], "dog": [5, 95]})
    assert "90" in Report("", [small]).text(80)
    wide = Chart("Drift", form="heatmap", x=range(70), series={"temp": range(70)})
    assert "to be seen in the HTML page" in Report("", [wide]).text(80)


@pytest.mark.parametrize("form", FORMS)
def test_a_chart_of_gaps_alone_can_be_drawn(form: Any) -> None:
    assert "gaps" in draw(Chart("gaps", form=form, x=["a", "b"], series={"x": [None, None], "y": [None, None]}))


def test_one_chart_leaves_nothing_in_the_next() -> None:
    draw(Chart("first", x=[1, 2], series={"old": [1, 2]}))
    assert "old" not in draw(Chart("second", x=[1, 2], series={"new": [1, 2]}))


def test_numbers_are_written_as_people_read_them() -> None:
    assert "rows: 65,470" in Report("", [Metric("rows", 65470)]).text(80)
