"""A read plan comes with a package, and a package is not trusted: nothing of its text reaches the source that is compiled for it."""

import io
import keyword
import re
import tokenize
from typing import Any

import pytest

from intonaco.core.errors import CorruptError
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    TableSource,
    columns,
    count,
    last_k,
    maximum,
    mean,
    sum_,
)
from intonaco.infra.features.online import plansource
from intonaco.infra.features.online.compiled import compile_keys, compile_row
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.storage.lmdb import LmdbStore

HOSTILE = "x'] + __import__('os').abort() #\n\"\"\"\\"
#: What our own source names and quotes.
OURS = re.compile(
    r"[A-Zabcefhklmnpuvw]\d+(_\d+)?|e?k\d+|keys|row|more|moved|found|asked|made|words|entry|pending|created|before|latest|first|total"
    r"|at|halvings?|wanted"
)
GIVEN = {
    "S",
    "Q",
    "ODD",
    "VALUE",
    "Unavailable",
    "Row",
    "new",
    "careful",
    "completed",
    "stored",
    "within",
    "bisect",
    "at_us",
    "deadline_s",
    "error",
}
CALLED = {
    "len",
    "encode",
    "decode",
    "tuple",
    "memoryview",
    "cast",
    "zip",
    "map",
    "list",
    "float",
    "KeyError",
    "__class__",
    "int",
    "bytes",
    "bool",
}
QUOTED = {"'q'", "'d'", "'utf-8'", "'surrogatepass'"}


def hostile_plan() -> ReadPlan:
    view = FeatureView(
        name="things",
        entity=Entity("thing", {"name": "str", "raw": "bytes", "flag": "bool", "number": "int64"}),
        source=TableSource("events", {"real": "float64", "text": "str", "money": "decimal(10,2)", "whole": "int64"}, time="time"),
        features=[
            columns("real", "text", "money", default=None),
            mean("real", over=["1h", "1d"], default=0.5),
            count(over="1h"),
            sum_("whole", over="1d"),
            maximum("real", over="1d"),
            last_k("money", k=2, over="1d"),
        ],
        valid_for="1d",
        delay="1m",
    )
    plan = ReadPlan.compile(FeatureSet(name="all", features=[view], request=[RequestColumn("asked")]), "default", {"things": 1})
    stored: Any = plan.to_json()
    for each in stored["views"]:
        each["view"] = HOSTILE
        each["keys"] = [[HOSTILE + name, dtype] for name, dtype in each["keys"]]
        for output in each["outputs"]:
            output["feature"] = HOSTILE
            output["default"] = HOSTILE if output["dtype"] == "str" else output["default"]
    return ReadPlan.from_json(stored)


def sources_of(plan: ReadPlan, store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []

    def compiled(source: str, *given: Any) -> Any:
        seen.append(source)
        return compile(source, *given)

    monkeypatch.setattr(plansource, "compile", compiled, raising=False)
    prefix, readers = ViewReader.all_of(plan)
    compile_row(plan, readers, Source(store, prefix), lambda *given: Row((), (), ()))
    for reader in readers:
        compile_keys(reader)
    return seen


def words_of(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def test_no_text_of_a_plan_stands_in_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with LmdbStore.open(f"lmdb:{tmp_path}") as store:
        sources = sources_of(hostile_plan(), store, monkeypatch)
    assert len(sources) > 3
    for token in [token for source in sources for token in words_of(source)]:
        if token.type == tokenize.NAME:
            assert OURS.fullmatch(token.string) or token.string in GIVEN | CALLED or keyword.iskeyword(token.string), token.line
        elif token.type == tokenize.STRING:
            assert token.string in QUOTED, token.line
        else:
            assert token.type != tokenize.COMMENT, token.line


@pytest.mark.parametrize("place", ["delay_us", "valid_for_us", "over_us", "hop_us", "parameter"])
def test_what_is_to_be_a_number_in_a_plan_is_one(place: str) -> None:
    stored: Any = hostile_plan().to_json()

    def spoiled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: HOSTILE if name == place else spoiled(each) for name, each in value.items()}
        return [spoiled(each) for each in value] if isinstance(value, list | tuple) else value

    with pytest.raises(CorruptError):
        ReadPlan.from_json(spoiled(stored))
