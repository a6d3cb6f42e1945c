"""A page needs nothing but itself, and what it shows cannot act."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from intonaco.infra.lineage.report import Chart, Images, Metric, Report, Table, Text

EVIL = '"><script>alert(1)</script></title></script><img src=x onerror=alert(1)><a href="javascript:alert(1)">&amp;'


class Page(HTMLParser):
    """The elements of a page and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, text: str) -> None:
        if "script" in self._open:
            self.scripts[-1] += text

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    @property
    def figures(self) -> list[Any]:
        kinds = [attributes.get("type") for tag, attributes in self.elements if tag == "script"]
        return [json.loads(text) for kind, text in zip(kinds, self.scripts, strict=True) if kind == "application/json"]


def blocks(text: str) -> list[Any]:
    forms: list[Any] = ["line", "bar", "scatter", "heatmap"]
    charts = [Chart(text, form=form, x=[text], series={text: [1.0]}, x_label=text, y_label=text) for form in forms]
    return [
        Metric(text, 1.0, unit=text, note=text),
        Table(text, (text,), [(text,)]),
        *charts,
        Images(text, [b"png"], captions=[text]),
        Text(text),
        Text(text, heading=True),
    ]


@pytest.fixture(scope="module")
def honest() -> Page:
    return Page(Report("harmless", blocks("harmless")).html())


@pytest.fixture(scope="module")
def hostile() -> Page:
    return Page(Report(EVIL, blocks(EVIL)).html())


def test_page_works_offline(honest: Page) -> None:
    loaded = [value for _, attributes in honest.elements for name, value in attributes.items() if name in ("src", "href", "action", "data")]
    assert all(str(value).startswith("data:image/png;base64,") for value in loaded)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(honest.tags)
    assert not re.search(r"@import|url\(", Report("", []).html())


def test_the_page_forbids_itself_to_fetch_anything(honest: Page) -> None:
    policies = [attributes["content"] for _, attributes in honest.elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'")
    assert "http" not in str(policies[0])


def test_the_chart_script_is_there_once_and_only_for_charts(honest: Page) -> None:
    assert sum(len(script) > 1_000_000 for script in honest.scripts) == 1
    assert len(Report("", [Text("no chart")]).html()) < 10_000


def test_text_in_a_report_adds_no_element_to_the_page(honest: Page, hostile: Page) -> None:
    assert hostile.tags == honest.tags
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)


def test_text_in_a_chart_is_no_markup_for_plotly_either(hostile: Page) -> None:
    assert len(hostile.figures) == 4
    assert "<" not in json.dumps(hostile.figures)


def test_numbers_are_written_as_people_read_them() -> None:
    page = Report("", [Table("", ("n", "x", "b"), [(65470, 9.98123, True), (1, None, False)])]).html()
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["65,470", "9.981", "yes", "1", "", "no"]
    assert '<th class="number">n</th>' in page


def test_names_that_look_like_numbers_stay_names_and_days_stay_days() -> None:
    charts = [Chart("", x=x, series={"a": [1, 2]}) for x in (["007", "9E"], ["2013-10-19", "2013-10-20"], [1, 2])]
    assert [figure["layout"]["xaxis"].get("type") for figure in Page(Report("", charts).html()).figures] == ["category", None, None]


def test_the_first_row_of_a_heatmap_is_at_its_top() -> None:
    chart = Chart("", form="heatmap", x=["a", "b"], series={"first": [1, 2], "second": [3, None]})
    figure = Page(Report("", [chart]).html()).figures[0]
    assert figure["data"][0]["y"] == ["first", "second"]
    assert figure["data"][0]["z"] == [[1, 2], [3, None]]
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"


def test_metrics_stand_side_by_side() -> None:
    page = Report("", [Metric("a", 1.0), Metric("b", 2.0, low=1.5, high=2.5), Text("t"), Metric("c", 3.0)]).html()
    assert page.count('<div class="metrics">') == 2
    assert "1.5 to 2.5" in page
