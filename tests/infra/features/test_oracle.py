"""The rule of time judged from outside: lists, whole numbers and fractions, written from the documents and not from the code.

Random views and histories go through tables, pushes, materialization in batches and both kinds of reads; what is answered is held
to `expected`, which knows of no hops that are stored, no entries and no engine.
"""

import base64
import math
import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attrs import frozen

from intonaco.infra.features import definitions
from intonaco.infra.features.defined.feature import Feature
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.features.featurerows import key_columns, read_answer
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

SECOND = 10**6
HOUR = 3600 * SECOND
BASE = 1_704_067_200_000_000
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": 24 * HOUR}
HOPS = ("1s", "5s", "15s", "1m", "5m", "15m", "1h", "6h", "1d")
TYPES = {"x": "float64?", "i": "int64?", "n": "int32", "b": "bool?", "d": "decimal(18,4)?", "s": "str?", "raw": "bytes?"}
ARROW = {
    "x": pa.float64(),
    "i": pa.int64(),
    "n": pa.int32(),
    "b": pa.bool_(),
    "d": pa.decimal128(18, 4),
    "s": pa.string(),
    "raw": pa.binary(),
}
VALUES: dict[str, Sequence[Any]] = {
    "x": [None, 0.1, -0.0, 0.0, 2.5 * 2**-21, 3 * 2**-21, -7.25, 1e8, 123456.789],
    "i": [None, 0, -5, 2**53 + 1, -(2**57) - 1, 7],
    "n": [0, 3, 2**31 - 1, -(2**31)],
    "b": [None, True, False],
    "d": [None, Decimal("0.0000"), Decimal("1.2500"), Decimal("-100000000000.0003")],
    "s": [None, "", "a", "\0", "é", "😀", "\uffff"],
    "raw": [None, b"", b"\0", b"\xff"],
}
NUMBERS = "xinbd"
KEYS: tuple[tuple[str, int], ...] = (("a", 1), ("a", -1), ("", 1), ("a\0", 1), ("1", 2**53 + 1), ("1", 2**53), ("k" * 500, 1), ("é", 1))


@frozen
class Event:
    """What happened to whom, when, when it became known, and its values."""

    key: tuple[str, int]
    time: int
    created: int
    values: dict[str, Any]


@frozen
class Asked:
    """A feature as it is asked for: a column where it has no window."""

    kind: str
    column: str
    over: str = ""
    hop: str = ""
    exact: bool = False
    default: Any = None
    valid_for: str = ""
    parameter: float = 0

    def feature(self, name: str) -> Sequence[Feature]:
        given = {"default": self.default, "valid_for": self.valid_for or None}
        if not self.over:
            return columns(self.column, **given)
        given |= {"over": self.over, "hop": self.hop or None, "exact": self.exact, "name": name}
        positional = [self.parameter] if self.kind == "quantile" else []
        given |= {"k": int(self.parameter)} if self.kind == "last_k" else {}
        build: Callable[..., Any] = getattr(definitions, self.kind)
        made = build(self.column, *positional, **{option: value for option, value in given.items() if value is not None})
        return [made] if isinstance(made, Feature) else list(made)


@frozen
class World:
    asked: dict[str, Asked]
    delay: str
    valid_for: str
    events: list[Event]


def micros(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]] if text else 0


def rank(value: Any) -> tuple[Any, ...]:
    """A value's place among others of its type: null is the least, and the negative zero less than the positive."""
    if value is None:
        return (0,)
    return (1, value, math.copysign(1, value)) if isinstance(value, float) else (1, value.encode() if isinstance(value, str) else value)


def expected(world: World, events: Sequence[Event], at: int) -> dict[str, tuple[Any, str, int | None]]:
    """Value, status and age of each feature of one entity."""
    usable = [each for each in events if each.time + micros(world.delay) < at]
    newest = max((each.time for each in usable), default=None)
    age = None if newest is None else at - newest
    named = sorted(asked.column for asked in world.asked.values() if not asked.over)
    holding = max(usable, key=lambda each: (each.time, each.created, *(rank(each.values[name]) for name in named)), default=None)
    found: dict[str, tuple[Any, str, int | None]] = {}
    for name, asked in world.asked.items():
        limit = min((micros(each) for each in (world.valid_for, asked.valid_for) if each), default=None)
        empty: Any = [] if asked.kind == "last_k" else None
        if holding is None or age is None:
            value, status = empty, "missing"
        elif limit is not None and age > limit:
            value, status = empty, "expired"
        else:
            value = window(usable, at - micros(world.delay), asked) if asked.over else holding.values[asked.column]
            status = "null" if value is None else "present"
        if status != "present" and asked.default is not None:
            value, status = asked.default, "defaulted"
        found[name] = value, status, age
    return found


def window(usable: Sequence[Event], cut: int, asked: Asked) -> Any:
    over = micros(asked.over)
    hop = 1 if asked.exact else micros(asked.hop) or max(micros(each) for each in HOPS if over >= 24 * micros(each))
    inside = [each for each in usable if (cut - over) // hop * hop <= each.time]
    if not asked.column:
        return float(len(inside))
    held = [each for each in inside if each.values[asked.column] is not None]
    return aggregate(asked, sorted(held, key=lambda each: (each.time, each.created, rank(each.values[asked.column]))))


def aggregate(asked: Asked, held: Sequence[Event]) -> Any:
    values = [each.values[asked.column] for each in held]
    plain = [int(value) if isinstance(value, bool) else value for value in values]
    step = {"x": Fraction(1, 2**20), "d": Fraction(1, 10**4)}.get(asked.column, Fraction(1))
    whole = [round(Fraction(value) / step) for value in plain] if asked.column in NUMBERS else []
    match asked.kind:
        case "count":
            return float(len(values))
        case "distinct":
            return float(len({0.0 if value == 0 else value for value in values}))
        case "sum_":
            total = sum(whole)
            return float(total * step) if asked.column == "x" else Decimal(total).scaleb(-4) if asked.column == "d" else total
        case "last_k":
            return plain[::-1][: int(asked.parameter)]
    if not values:
        return None
    match asked.kind:
        case "mean":
            return float(step * Fraction(sum(whole), len(whole)))
        case "variance":
            return float(step**2 * Fraction(len(whole) * sum(z * z for z in whole) - sum(whole) ** 2, len(whole) ** 2))
        case "minimum" | "maximum":
            return (min if asked.kind == "minimum" else max)(plain, key=rank)
        case "first":
            return plain[0]
        case "last":
            return plain[-1]
    return float(sorted(plain)[math.floor(Fraction(asked.parameter) * (len(plain) - 1))])  # of quantiles, before approximation


def agrees(asked: Asked, want: Any, got: Any) -> bool:
    """Exactly, but for rounding where the last division is a float's, and for the sketches' stated errors."""
    if want is None or got is None or got != got:  # a missing float is NaN until it is printed
        return want is None and (got is None or got != got)
    if isinstance(want, list):
        return len(want) == len(got) and all(agrees(Asked("last", asked.column), one, other) for one, other in zip(want, got, strict=True))
    if isinstance(want, bytes):
        return bool(got == base64.b64encode(want).decode())
    if isinstance(want, Decimal):
        return isinstance(got, str) and Decimal(got) == want
    if asked.kind in ("mean", "variance", "quantile"):
        return math.isclose(want, got, rel_tol={"mean": 1e-15, "variance": 1e-14, "quantile": 0.01}[asked.kind], abs_tol=0.0)
    return type(want) is type(got) and rank(want) == rank(got)


def draw(random_: random.Random) -> World:
    """A view and what happens to its entities: at the edges of hops, twice, at one time, in any order."""
    asked = {
        name: Asked("column", name, default=random_.choice([None, None, 9]) if name == "n" else None) for name in random_.sample("xinbd", 3)
    }
    asked |= {name: Asked("column", name, valid_for=random_.choice(["", "30m"])) for name in ("s", "raw")}
    kinds = ["count", "sum_", "mean", "variance", "minimum", "maximum", "first", "last", "last_k", "distinct", "quantile"]
    for number, kind in enumerate(random_.sample(kinds, 7)):
        column = random_.choice(
            "nb" if kind == "variance" else ("", *NUMBERS) if kind == "count" else [*TYPES] if kind == "distinct" else NUMBERS
        )
        over, hop = random_.choice([("1h", "5m"), ("1h", ""), ("10m", "1s"), ("2d", "1h"), ("90s", "15s"), ("24s", "")])
        parameter = random_.choice([0.0, 0.1, 0.5, 1.0]) if kind == "quantile" else random_.randint(1, 4)
        default = random_.choice([None, -1.5]) if kind in ("mean", "quantile") else None
        asked[f"f{number}"] = Asked(kind, column, over, hop, hop == "" and random_.random() < 0.5, default, "", parameter)
    events: list[Event] = []
    for _ in range(random_.choice([0, 3, 60])):
        values = {name: random_.choice(VALUES[name]) for name in TYPES}
        time = BASE + random_.randint(0, 60) * 300 * SECOND + random_.choice([0, 0, 1, -1, random_.randint(0, HOUR)])
        event = Event(random_.choice(KEYS), time, time + random_.choice([0, 1, SECOND]), values)
        events += [event] * random_.choice([1, 1, 1, 2])
        events += [Event(event.key, event.time, event.created, {**values, "x": 1.0, "s": "tied"})] if random_.random() < 0.2 else []
    random_.shuffle(events)
    return World(asked, random_.choice(["", "1m", "1h"]), random_.choice(["", "2h"]), events)


def view_of(world: World) -> FeatureView:
    source = TableSource("happened", TYPES, time="at", created="known")
    features = [feature for name, asked in world.asked.items() for feature in asked.feature(name)]
    entity = Entity("thing", {"name": "str", "number": "int64"})
    delay, valid_for = world.delay or "0s", world.valid_for or None
    return FeatureView(name="things", entity=entity, source=source, features=features, delay=delay, valid_for=valid_for)


def table_of(events: Sequence[Event]) -> pa.Table:
    when = pa.timestamp("us", tz="UTC")
    made = {
        "name": pa.array([each.key[0] for each in events], pa.string()),
        "number": pa.array([each.key[1] for each in events], pa.int64()),
    }
    made |= {"at": pa.array([each.time for each in events], when), "known": pa.array([each.created for each in events], when)}
    return pa.table({**made, **{name: pa.array([each.values[name] for each in events], ARROW[name]) for name in TYPES}})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    with Workspace.open(tmp_path) as workspace:
        yield FeatureStore(workspace)


def judge(store: FeatureStore, world: World, known: Sequence[Event], at: int, *, offline: bool) -> None:
    """Hold what is answered for all keys, and for one that nobody knows, to what the rule of time says."""
    rows: list[dict[str, Any]] = [{"name": name, "number": number} for name, number in (*KEYS, ("nobody", 0))] + [
        {"name": None, "number": 1}
    ]
    answer = (store.read_offline if offline else store.read)("asked", key_columns(store.read_plan("asked"), rows), [at] * len(rows))
    for told in read_answer("asked", rows, at, answer, offline=offline)["rows"]:
        key = (told["keys"]["name"], told["keys"]["number"])
        for name, (value, status, age) in expected(world, [each for each in known if each.key == key], at).items():
            cell = told["features"][name]
            seen = None if cell["age_s"] is None else round(cell["age_s"] * SECOND)
            where = (world.asked[name], world.delay, world.valid_for, key, at, offline)
            assert (cell["status"], seen) == (status, age), where
            assert agrees(world.asked[name], value, cell["value"]), (where, value, cell["value"])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("way", ["tables", "pushes"])
def test_every_answer_is_what_the_rule_of_time_says(store: FeatureStore, seed: int, way: str) -> None:
    random_ = random.Random(seed)
    world = draw(random_)
    store.apply([FeatureSet(name="asked", features=[view_of(world)])])
    newest = max((each.time for each in world.events), default=BASE)
    third = len(world.events) // 3
    known: list[Event] = []
    mark = BASE
    for batch in (world.events[:third], world.events[third : 2 * third], world.events[2 * third :]):
        known += batch
        if way == "pushes":
            store.push("things", table_of(batch))
            mark = newest
        else:
            store.workspace.tables.write("default/happened", table_of(batch))
            mark = max(mark, random_.choice([BASE + random_.randint(0, 5) * HOUR, newest + 1]))
            store.materialize("asked", mark)
            judge(
                store,
                world,
                known,
                random_.choice(known or [Event(KEYS[0], BASE, 0, {})]).time + random_.choice([0, 1, HOUR, HOUR + 1]),
                offline=True,
            )
        online = known if way == "pushes" else [each for each in known if each.time < mark]
        judge(store, world, online, mark + random_.choice([0, 1, 60 * SECOND + 1, HOUR, HOUR + 1]), offline=False)
