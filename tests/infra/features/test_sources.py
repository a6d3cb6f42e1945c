"""Sources of events: queries, streams, and events that other views' features are joined to."""

import itertools
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from intonaco.core.errors import DefinitionError, InvalidError, SchemaError
from intonaco.infra.features.defined.meaning import digest
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    JoinSource,
    QuerySource,
    StreamSource,
    TableSource,
    columns,
    count,
    last_k,
    maximum,
    mean,
)
from intonaco.infra.features.offline.events import read_events
from intonaco.infra.features.recorded import stored
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

STAMP = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000
PLANE = Entity("plane", {"tail": "str"})
AIRPORT = Entity("airport", {"airport": "str"})
QUERY = QuerySource(
    "flights",
    {"gain": "float64", "long": "bool", "left_at": "timestamp"},
    select={"gain": "dep - arr", "long": "dep >= 20.0 and left_at > timestamp '1970-01-01 01:00:00'"},
    where="dep is not null",
    time="left_at",
)
GAINS = FeatureView(name="gains", entity=PLANE, source=QUERY, features=[mean("gain", over="6h"), columns("gain", "long")])
WEATHER = FeatureView(
    name="weather",
    entity=AIRPORT,
    source=TableSource("weather", {"wind": "float64"}, time="seen_at"),
    features=[maximum("wind", over="3h"), columns("wind")],
    delay="30m",
)
ENRICHED = JoinSource(
    TableSource("flights", {"dep": "float64", "airport": "str"}, time="left_at"),
    [WEATHER.using("wind_maximum_3h", "wind", rename={"wind": "wind_now"})],
)
WINDY = FeatureView(name="windy", entity=PLANE, source=ENRICHED, features=[mean("wind_maximum_3h", over="1d"), columns("wind_now", "dep")])
SET = FeatureSet(name="both", features=[GAINS, WINDY.using(prefix="w_")])


def flights(hours: Sequence[float], deps: Sequence[float | None], airport: str = "JFK") -> pa.Table:
    left = pa.array([int(hour * HOUR) for hour in hours], STAMP)
    return pa.table(
        {
            "tail": pa.array(["N1"] * len(left), pa.string()),
            "airport": pa.array([airport] * len(left), pa.string()),
            "left_at": left,
            "dep": pa.array(deps, pa.float64()),
            "arr": pa.array([1.0] * len(left), pa.float64()),
        }
    )


def winds(hours: Sequence[float], values: Sequence[float]) -> pa.Table:
    seen = pa.array([int(hour * HOUR) for hour in hours], STAMP)
    return pa.table({"airport": pa.array(["JFK"] * len(seen), pa.string()), "seen_at": seen, "wind": pa.array(values, pa.float64())})


def asked(*tails: str) -> dict[str, Any]:
    return {"tail": np.array(tails, dtype=object)}


def plain(column: Any) -> list[Any]:
    return list(np.asarray(column.values if hasattr(column, "values") else column))


@pytest.fixture
def filled(store: FeatureStore) -> FeatureStore:
    """Ten flights, an hour apart, and the weather at each half hour."""
    store.apply([SET])
    store.workspace.tables.write("default/flights", flights(range(10), [float(3 * hour) if hour % 4 else None for hour in range(10)]))
    store.workspace.tables.write("default/weather", winds([hour / 2 for hour in range(20)], [float(hour) for hour in range(20)]))
    return store


def same_online(store: FeatureStore, hour: float) -> None:
    online, offline = store.read(SET, asked("N1", "N2"), int(hour * HOUR)), store.read_offline(SET, asked("N1", "N2"), int(hour * HOUR))
    for name in SET.names:
        assert np.array_equal(plain(online.columns[name]), plain(offline.columns[name]), equal_nan=name != "long"), name
        assert online.statuses[name].tolist() == offline.statuses[name].tolist(), name


def test_a_query_makes_events_of_rows(filled: FeatureStore) -> None:
    answer = filled.read_offline(SET, asked("N1"), 8 * HOUR)
    assert plain(answer.columns["gain"]) == [20.0]  # of hour 7: the flight of hour 8 is not yet known, and had no value
    assert plain(answer.columns["long"]) == [True]
    assert plain(answer.columns["gain_mean_6h"]) == [np.mean([5, 8, 14, 17, 20])]


def test_joined_features_are_as_of_just_before_each_event(filled: FeatureStore) -> None:
    answer = filled.read_offline(SET, asked("N1"), 4 * HOUR + 1)
    # the flight of 4:00 sees wind before 3:30, which was seen at 3:00: number 6
    assert plain(answer.columns["w_wind_now"]) == [6.0]
    # flights at 1:00 .. 4:00 saw 0, 2, 4, 6; the first saw none
    assert plain(answer.columns["w_wind_maximum_3h_mean_1d"]) == [np.mean([0, 2, 4, 6])]


def test_what_is_materialized_is_what_is_read_offline(filled: FeatureStore) -> None:
    filled.materialize(SET, 5 * HOUR)
    filled.workspace.tables.write("default/flights", flights([10, 11], [1.0, 2.0]))
    filled.workspace.tables.write("default/weather", winds([9.75], [50.0]))
    filled.materialize(SET, 12 * HOUR)
    same_online(filled, 12.5)


def test_events_are_read_in_pieces_that_add_up(filled: FeatureStore) -> None:
    for view in (GAINS, WINDY):
        filled.workspace.tables.write("default/flights", flights([3.25], [9.0]))
        snapshot = filled.workspace.tables.snapshot("default/flights")
        whole = pa.concat_tables(read_events(filled.workspace, view, "default", snapshot))
        edges = [0, 3, 10, 11, snapshot.rows]
        parts = [read_events(filled.workspace, view, "default", snapshot, slice(a, b)) for a, b in pairwise(edges)]
        assert pa.concat_tables(piece for part in parts for piece in part).equals(whole)
        assert whole.column_names == list(view.used)


def test_no_events_are_a_piece_without_rows(filled: FeatureStore) -> None:
    snapshot = filled.workspace.tables.snapshot("default/flights")
    for view in (GAINS, WINDY):
        [piece] = read_events(filled.workspace, view, "default", snapshot, slice(4, 4))
        assert (piece.num_rows, piece.column_names) == (0, list(view.used))


def test_a_late_event_below_a_chained_view_stops_it_before_anything_is_wrong(filled: FeatureStore) -> None:
    filled.materialize(SET, 5 * HOUR)
    filled.workspace.tables.write("default/weather", winds([1.25], [99.0]))
    with pytest.raises(InvalidError, match="'weather' got 1 events that are older than what is stored of 'windy'") as caught:
        filled.materialize(SET, 8 * HOUR)
    assert "--rebuild" in caught.value.hint
    filled.rebuild(WINDY, 12 * HOUR)
    filled.materialize(SET, 12 * HOUR)
    same_online(filled, 12)


def test_an_event_that_nobody_could_have_seen_is_not_late(filled: FeatureStore) -> None:
    filled.materialize(SET, 5 * HOUR)
    filled.workspace.tables.write("default/weather", winds([4.75], [99.0]))  # known from 5:15 on, by the delay
    filled.materialize(SET, 12 * HOUR)
    same_online(filled, 12)


def test_a_chained_view_takes_no_pushes(filled: FeatureStore) -> None:
    with pytest.raises(InvalidError, match="'windy'"):
        filled.push(WINDY, flights([20], [1.0]))
    filled.materialize(SET, 10 * HOUR)
    same_online(filled, 10)


def test_a_view_can_stand_on_its_own_kind(store: FeatureStore) -> None:
    source = JoinSource.of_view(GAINS, "gain_mean_6h")
    swings = FeatureView(name="swings", entity=PLANE, source=source, features=[maximum("gain_mean_6h", over="1d")])
    store.apply([swings])
    store.workspace.tables.write("default/flights", flights(range(4), [1.0, 5.0, 2.0, 8.0]))
    given = FeatureSet(name="s", features=[swings])
    store.apply([given])
    # before each event: none, 0, (0 + 4) / 2, (0 + 4 + 1) / 3
    assert plain(store.read_offline(given, asked("N1"), 9 * HOUR).columns["gain_mean_6h_maximum_1d"]) == [2.0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    """One store for many examples, each of which replaces the tables."""
    with Workspace.open(tmp_path_factory.mktemp("chains")) as workspace:
        store = FeatureStore(workspace)
        store.apply([SET])
        yield store


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=12),
    st.lists(st.tuples(st.integers(0, 40), st.integers(-5, 5)), max_size=12),
    st.integers(0, 45),
)
def test_chained_views_follow_the_rule_of_time(shared: FeatureStore, left: list[int], seen: list[tuple[int, int]], at: int) -> None:
    """Quarters of hours; the answer is worked out by hand from the rule."""
    tables = shared.workspace.tables
    tables.write("default/flights", flights([each / 4 for each in left], [1.0] * len(left)), mode="replace")
    tables.write("default/weather", winds([time / 4 for time, _ in seen], [float(wind) for _, wind in seen]), mode="replace")
    answer = shared.read_offline(SET, asked("N1"), at * HOUR // 4)

    def wind_before(moment: int) -> float | None:
        usable = sorted((time, wind) for time, wind in seen if time + 2 < moment)
        return float(usable[-1][1]) if usable else None

    newest = max((each for each in left if each < at), default=None)
    expected = None if newest is None else wind_before(newest)
    found = plain(answer.columns["w_wind_now"])[0]
    assert (None if np.isnan(found) else found) == expected


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("sum(dep)", "not row-wise: it uses Agg"),
        ("count(*)", "not row-wise"),
        ("dep - lag(dep) over (order by left_at)", "not row-wise: it uses Over"),
        ("first_value(dep) over ()", "not row-wise"),
        ("(select 1)", "not row-wise"),
        ("string_agg(tail, ',')", "not row-wise"),
        ("unnest(dep)", "not row-wise"),
        ("now()", "uses 'now'"),
        ("current_date", "uses 'current_date'"),
        ("random()", "uses 'random'"),
        ("dep -", "cannot be read"),
        ("nothing_such(dep)", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_looks_at_more_than_its_row_is_refused_when_it_is_defined(expression: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        QuerySource("flights", {"made": "float64"}, select={"made": expression}, time="left_at")
    assert says in str(caught.value)
    assert "made" in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        *("dep + 2 * arr", "dep / arr", "abs(dep)", "case when dep > 1 then dep else 0 end", "coalesce(dep, arr)", "round(dep, 1)"),
        *("greatest(dep, arr)", "ln(dep + 1)", "power(dep, 2)", "cast(length(tail) as double)", "extract(hour from left_at)", "7"),
        *("dep = 'now'::double", "if(tail in ('N1', 'N2'), 1, 0)"),
    ],
)
def test_what_looks_at_one_row_gives_a_value_for_each(expression: str) -> None:
    if "'now'" in expression:
        expression = "if(tail = 'now', 1.0, dep)"  # a word in quotes is no function
    source = QuerySource("flights", {"made": "float64"}, select={"made": expression}, time="left_at")
    rows = flights([1, 2, 3], [1.0, 2.0, 3.0])
    made = source.events(rows, ["tail", "left_at", "made"])
    assert (made.num_rows, made["made"].type) == (3, pa.float64())
    assert [source.events(rows.slice(row, 1), ["made"])["made"][0] for row in range(3)] == made["made"].to_pylist() or made[
        "made"
    ].null_count == 0
    assert source.events(rows.slice(0, 0), ["made"]).num_rows == 0


@pytest.mark.parametrize(
    ("dtype", "expression", "says"),
    [
        ("int64", "dep / 2", "does not fit int64"),
        ("int8", "cast(dep as bigint) * 100", "does not fit int8"),
        ("bool", "tail", "does not fit bool"),
        ("float64", "tail", "does not fit double"),
        ("float64", "depp", "lacks the column 'depp'"),
        ("float64", "dep + tail", "fails on the table's rows"),
    ],
)
def test_values_that_do_not_fit_their_type_are_refused_by_name(dtype: str, expression: str, says: str) -> None:
    source = QuerySource("flights", {"made": dtype}, select={"made": expression}, time="left_at")
    with pytest.raises(SchemaError) as caught:
        source.events(flights([1, 2, 3], [1.5, 2.0, 3.0]), ["made"])
    assert says in str(caught.value)
    assert "'flights'" in str(caught.value)


def test_integers_that_pass_64_bits_are_refused_and_not_wrapped_around() -> None:
    source = QuerySource("flights", {"made": "int64"}, select={"made": "n * n"}, time="left_at")
    rows = flights([1, 2], [1.0, 2.0]).append_column("n", pa.array([3, 2**31]))
    assert source.events(rows, ["made"])["made"].to_pylist() == [9, 2**62]
    wide = rows.set_column(rows.num_columns - 1, "n", pa.array([3, 2**32]))
    with pytest.raises(SchemaError, match="'n \\* n' fails on the table's rows"):
        source.events(wide, ["made"])


@pytest.mark.parametrize(
    "view",
    [
        GAINS,
        WINDY,
        WEATHER,
        FeatureView(
            name="s", entity=PLANE, source=StreamSource("taps", {"n": "int64"}, time="t", partitions=3), features=[count(over="1h")]
        ),
    ],
)
def test_every_source_survives_the_catalog(view: FeatureView) -> None:
    assert stored.decode("view", stored.encode(view)) == view
    assert digest(stored.decode("view", stored.encode(view))) == digest(view)


def test_a_stream_lands_in_a_table_of_its_name() -> None:
    source = StreamSource("taps", {"n": "int64"}, time="t")
    assert source.table == "taps"
    with pytest.raises(DefinitionError, match="at least 1 partition"):
        StreamSource("taps", {"n": "int64"}, time="t", partitions=0)


def test_a_chained_view_names_all_tables_that_it_is_made_of() -> None:
    assert WINDY.tables == ("flights", "weather")


def named(name: str, source: Any) -> FeatureView:
    return FeatureView(name=name, entity=PLANE, source=source, features=[count(over="1h", name=f"n_{name}")])


def test_a_view_that_reads_itself_is_refused_with_the_chain() -> None:
    flown = TableSource("flights", {"tail": "str"}, time="left_at")
    first = named("a", flown)
    second = named("b", JoinSource(flown, first))
    with pytest.raises(DefinitionError, match="'a' reads itself: 'a' reads 'b' reads 'a'"):
        named("a", JoinSource(flown, second))
    with pytest.raises(DefinitionError, match="'a' reads itself: 'a' reads 'b' reads 'a'"):
        named("a", JoinSource(flown, named("b", TableSource("features.a.v1.hops", {"tail": "str"}, time="left_at"))))


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: named("a", JoinSource(TableSource("flights", {}, time="t"), WEATHER)), "no column 'airport', a key of view 'weather'"),
        (lambda: JoinSource(TableSource("flights", {}, time="t"), []), "joins no view"),
        (lambda: JoinSource(TableSource("flights", {"wind": "float64"}, time="t"), WEATHER), "names the column 'wind' twice"),
        (
            lambda: JoinSource(
                TableSource("flights", {}, time="t"),
                FeatureView(name="k", entity=PLANE, source=QUERY, features=[last_k("gain", k=3, over="1d")]),
            ),
            "several values",
        ),
    ],
)
def test_joins_that_cannot_work_are_refused(attempt: Any, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        attempt()
    assert says in str(caught.value)


def test_names_of_joined_columns_and_spaces_of_queries_do_not_move_what_is_not_used() -> None:
    select = {**QUERY.select, "other": "1"}
    unused = QuerySource("flights", QUERY.columns, select=select, where="dep  is\nnot null", time="left_at")
    view = FeatureView(name="gains", entity=PLANE, source=unused, features=GAINS.features)
    assert digest(view) == digest(GAINS)
    moved = FeatureView(
        name="gains",
        entity=PLANE,
        source=QuerySource("flights", QUERY.columns, select=QUERY.select, time="left_at"),
        features=GAINS.features,
    )
    assert digest(moved) != digest(GAINS)


def test_a_training_set_reads_every_source_as_of_each_row(filled: FeatureStore) -> None:
    moments = np.array([4 * HOUR + 1, 8 * HOUR]).view("datetime64[us]")
    examples = filled.training_set(SET, {**asked("N1", "N1"), "at": moments, "y": np.array([0.0, 1.0])}, labels=["y"])
    assert plain(examples.columns["gain"]) == [8.0, 20.0]
    assert plain(examples.columns["w_wind_now"]) == [6.0, 12.0]
    assert examples.source == "table:default/flights@0 table:default/weather@0"
    assert [filled.read_offline(SET, asked("N1"), int(at)).columns["gain"] for at in moments.view("int64")] == [8.0, 20.0]


_NUMBERS = itertools.count()


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["flights", "weather"]), st.integers(0, 40), st.integers(-5, 5)), min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 44)), max_size=2),
)
def test_chained_views_answer_alike_in_every_batching_or_refuse(
    shared: FeatureStore, steps: list[tuple[str, int, int]], between: list[tuple[int, int]]
) -> None:
    """Events come in any order, with materializations between them; what is stored is what the tables say, or is refused."""
    number = next(_NUMBERS)
    made = _numbered(shared, number)
    late: InvalidError | None = None
    try:
        for place, (table, time, value) in enumerate(steps):
            rows = (flights if table == "flights" else winds)([time / 4], [float(value)])
            shared.workspace.tables.write(f"default/{table}{number}", rows)
            for until in (until for step, until in between if step == place):
                shared.materialize(made, until * HOUR // 4)
        shared.materialize(made, 15 * HOUR)
    except InvalidError as error:
        late = error
    if late is None:
        online, offline = (way(made, asked("N1"), 15 * HOUR) for way in (shared.read, shared.read_offline))
        assert all(np.array_equal(plain(online.columns[name]), plain(offline.columns[name]), equal_nan=True) for name in made.names)
    assert late is None or "older than what is stored" in str(late)


def _numbered(store: FeatureStore, number: int) -> FeatureSet:
    """A chained view over tables of its own, applied."""
    seen = TableSource(f"weather{number}", {"wind": "float64"}, time="seen_at")
    source = JoinSource(
        TableSource(f"flights{number}", {"dep": "float64", "airport": "str"}, time="left_at"),
        evolve(WEATHER, name=f"weather{number}", source=seen),
    )
    view = FeatureView(name=f"windy{number}", entity=PLANE, source=source, features=[mean("wind_maximum_3h", over="1d"), columns("wind")])
    made = FeatureSet(name=f"set{number}", features=[view])
    store.apply([made])
    for table, rows in ((f"flights{number}", flights([], [])), (f"weather{number}", winds([], []))):
        store.workspace.tables.write(f"default/{table}", rows)
    return made
