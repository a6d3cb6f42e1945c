"""A page needs nothing but itself, and what it shows cannot act."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.infra.lineage.reports.report import Chart, Images, Metric, Report, Table, Text

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


def test_a_page_holds_no_script_and_stays_small(honest: Page) -> None:
    assert "script" not in honest.tags
    chart = Chart("", form="line", x=[f"2013-{day // 28 + 1:02}-{day % 28 + 1:02}" for day in range(336)], series={"a": range(336)})
    assert len(Report("", [chart] * 20).html()) < 1_000_000
    assert len(Report("", [Text("no chart")]).html()) < 10_000


def test_text_in_a_report_adds_no_element_to_the_page(honest: Page, hostile: Page) -> None:
    assert hostile.tags == honest.tags
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)


def test_numbers_are_written_as_people_read_them() -> None:
    page = Report("", [Table("", ("n", "x", "b"), [(65470, 9.98123, True), (1, None, False)])]).html()
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["65,470", "9.981", "yes", "1", "", "no"]
    assert '<th class="number">n</th>' in page


def drawn(chart: Chart) -> str:
    return Report("", [chart]).html().partition("<svg")[2]


def places(chart: Chart) -> list[float]:
    return [float(place) for place in re.findall(r'<circle cx="([^"]+)"', drawn(chart))]


def test_names_that_look_like_numbers_stay_names_and_days_stand_by_their_distance() -> None:
    names, days, numbers = (places(Chart("", x=x, series={"a": [1, 2, 3]})) for x in (["7", "9", "1"], _DAYS, [1, 2, 9]))
    assert names[1] - names[0] == pytest.approx(names[2] - names[1], abs=0.2)
    for first, second, third in (days, numbers):
        assert third - second == pytest.approx(7 * (second - first), rel=0.01)


_DAYS = ["2013-10-19", "2013-10-20", "2013-10-27"]


def test_a_gap_breaks_a_line_and_a_point_between_gaps_is_seen() -> None:
    gap = drawn(Chart("", x=[1, 2, 3, 4], series={"a": [1.0, None, 3.0, 4.0]}))
    assert re.search(r' d="M[^ML"]+M[^ML"]+L[^ML"]+"', gap)
    many = [None] * 50 + [1.0] + [None] * 50
    assert 'r="3"' in drawn(Chart("", x=range(101), series={"a": many}))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none(), min_size=1, max_size=9))
def test_whatever_the_numbers_are_they_are_drawn_inside(values: list[float | None]) -> None:
    for form in ("line", "bar", "scatter", "heatmap"):
        text = drawn(Chart("", form=form, x=range(len(values)), series={"a": values, "b": values}))
        found = [float(place) for place in re.findall(r' (?:cx|cy|x|y|width|height)="([^"]+)"', text)]
        assert all(-1 <= place <= 1001 for place in found)


@pytest.mark.parametrize(
    "chart", [Chart("", x=[], series={}), Chart("", form="heatmap", x=["a"], series={}), Chart("", x=[1], series={"a": [None]})]
)
def test_nothing_is_drawn_without_a_fault(chart: Chart) -> None:
    assert "</html>" in Report("", [chart]).html()


def test_the_first_row_of_a_heatmap_is_at_its_top() -> None:
    text = drawn(Chart("", form="heatmap", x=["a", "b"], series={"first": [1, 2], "second": [3, None]}))
    tops = [float(place) for place in re.findall(r'<rect x="[^"]+" y="([^"]+)"', text)]
    assert len(tops) == 3
    assert tops[0] == tops[1] < tops[2]
    assert "<title>first, b: 2</title>" in text


def test_metrics_stand_side_by_side() -> None:
    page = Report("", [Metric("a", 1.0), Metric("b", 2.0, low=1.5, high=2.5), Text("t"), Metric("c", 3.0)]).html()
    assert page.count('<div class="metrics">') == 2
    assert "1.5 to 2.5" in page
