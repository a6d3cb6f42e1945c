"""`intonaco migrate` and `intonaco stores check`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

Ask = Callable[..., tuple[int, dict[str, Any]]]
STORES = ["blobs", "tables", "keyvalue", "stream", "catalog"]
TARGETS = {
    "blobs": "file:new/b",
    "tables": "file:new/t",
    "keyvalue": "lmdb:new/k",
    "stream": "sqlite:new/s.db",
    "catalog": "sqlite:new/c.db",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else has these stores open, so nobody needs time to look."""
    monkeypatch.setattr("intonaco.infra.storage.moving.migration.BARRIER_S", 0.1)
    monkeypatch.setattr("intonaco.infra.storage.catalog.catalogmigration.BARRIER_S", 0.1)


def test_a_store_does_not_move_to_where_it_is(ask: Ask, root: Path) -> None:
    assert ask("status")[0] == 0
    for url in ("lmdb:.intonaco/online", f"lmdb:{root}/.intonaco/online", "lmdb:./.intonaco/../.intonaco/online"):
        code, answer = ask("migrate", "start", "keyvalue", url)
        assert (code, answer["error"]["field"]) == (2, "url"), url
    assert {row["phase"] for row in ask("migrate", "status")[1]["stores"]} == {""}


def test_the_state_of_all_stores_is_told_where_one_does_not_answer(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('[stores]\nkeyvalue = "redis://127.0.0.1:1"\n')
    code, answer = ask("migrate", "status")
    told = {row["store"]: row for row in answer["stores"]}
    assert (code, len(told), {row["behind"] for row in told.values()}) == (5, 5, {None})
    assert ["cannot be reached" in told[store]["fault"] for store in ("keyvalue", "stream")] == [True, False]


@pytest.mark.parametrize("store", STORES)
def test_a_store_moves_by_commands_that_say_what_comes_next(store: str, ask: Ask, root: Path) -> None:
    code, answer = ask("migrate", "start", store, TARGETS[store])
    assert (code, answer["store"], answer["next"]) == (0, store, f"intonaco migrate switch {store}")
    code, answer = ask("migrate", "status")
    assert [row["phase"] for row in answer["stores"] if row["store"] == store] == ["copying"]
    code, answer = ask("migrate", "switch", store)
    assert code == 0
    assert answer["writers_waited_s"] < 5
    code, answer = ask("migrate", "rollback", store)
    assert code == 0
    ask("migrate", "start", store, TARGETS[store])
    ask("migrate", "switch", store)
    code, answer = ask("migrate", "finish", store)
    assert code == 0
    with pytest.raises(Exception, match="was moved to"), Workspace.open(root) as workspace:
        getattr(workspace, store)
    (root / "intonaco.toml").write_text(f"[stores]\n{answer['setting']}\n")
    with Workspace.open(root) as workspace:
        assert getattr(workspace, store) is not None


def test_steps_and_urls_that_cannot_be_are_told_by_exit_codes(ask: Ask) -> None:
    assert ask("migrate", "switch", "keyvalue")[0] == 2
    assert ask("migrate", "start", "keyvalue", "nothing:here")[0] == 2
    code, answer = ask("migrate", "start", "keyvalue", "redis://me:secret@127.0.0.1:1/0")
    assert code == 2
    assert "INTONACO_REDIS_PASSWORD" in answer["error"]["hint"]
    assert "secret" not in str(answer)
    assert ask("migrate", "start", "keyvalue", "redis://127.0.0.1:1/0")[0] == 5


def test_a_store_that_keeps_its_promises_is_told_guarantee_by_guarantee(ask: Ask, root: Path) -> None:
    code, answer = ask("stores", "check", "lmdb:somewhere", "--report", str(root / "report.json"))
    assert (code, answer["kind"], answer["holds"]) == (0, "keyvalue", True)
    assert answer["guarantees"]["test_a_greater_order_wins_and_a_lesser_one_takes_no_effect"] == "passed"
    assert json.loads((root / "report.json").read_text())["holds"] is True
    assert [path.name for path in root.iterdir() if path.name.startswith("somewhere")] == []


_BROKEN = """
import os
from typing import ClassVar
from intonaco.core.plugins import hookimpl
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.lmdb import LmdbStore

class LastWins(LmdbStore):
    def put(self, entries):
        entries = list(entries)
        self.delete([key for key, _, _ in entries])
        return super().put(entries)

    def lacks(self):
        return {Guarantee.DURABLE: "plug in a battery"}

class OfOneProcess(LmdbStore):
    @classmethod
    def open(cls, url):
        return super().open(f"lmdb:{url.path}/{os.getpid()}")

@hookimpl
def key_value_stores():
    return {"lastwins": "broken_store:LastWins", "ofoneprocess": "broken_store:OfOneProcess"}
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin whose stores do not keep their promises is installed."""
    folder = tmp_path / "plugins"
    (folder / "broken_store-1.dist-info").mkdir(parents=True)
    (folder / "broken_store.py").write_text(_BROKEN)
    (folder / "broken_store-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-store\nVersion: 1\n")
    (folder / "broken_store-1.dist-info" / "entry_points.txt").write_text("[intonaco]\nbroken = broken_store\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_store_that_does_not_is_told_by_exit_code_6_and_what_could_give_it(ask: Ask, broken: None) -> None:
    code, answer = ask("stores", "check", "lastwins:somewhere")
    assert (code, answer["holds"], answer["next"]) == (6, False, "plug in a battery")
    assert answer["lacks"] == {"durable acknowledgements": "plug in a battery"}
    assert answer["guarantees"]["test_a_greater_order_wins_and_a_lesser_one_takes_no_effect"] == "failed"


def test_what_a_killed_process_wrote_has_to_be_there(ask: Ask, broken: None) -> None:
    code, answer = ask("stores", "check", "ofoneprocess:somewhere")
    failed = [name for name, outcome in answer["guarantees"].items() if outcome == "failed"]
    assert code == 6
    assert "test_what_was_acknowledged_outlives_the_process_that_wrote_it" in failed
    assert "test_a_greater_order_wins_and_a_lesser_one_takes_no_effect" not in failed


def test_a_scheme_that_offers_several_kinds_asks_for_one(ask: Ask) -> None:
    code, answer = ask("stores", "check", "sqlite:x")
    assert (code, answer["error"]["hint"]) == (2, "add --kind stream")
    assert ask("stores", "check", "mongodb://x")[0] == 2
