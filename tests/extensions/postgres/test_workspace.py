"""A workspace whose catalog is on PostgreSQL, by its settings alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intonaco.core.urls import StoreUrl
from intonaco.infra.platform.cli import main

pytest_plugins = ("intonaco.ext.postgres.testing",)
pytestmark = pytest.mark.slow

Ask = Callable[..., tuple[Any, dict[str, Any]]]


@pytest.fixture
def ask(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command of the workspace; its exit code and the object that it prints."""
    monkeypatch.setenv("INTONACO_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("INTONACO_STORES__CATALOG", postgres_url)

    def command(*arguments: str) -> tuple[Any, dict[str, Any]]:
        code: Any = 0
        try:
            main([*arguments, "--json"])
        except SystemExit as end:
            code = end.code or 0
        return code, json.loads(capsys.readouterr().out)

    return command


def test_every_command_that_looks_answers(ask: Ask) -> None:
    for command in (
        ["doctor"],
        ["status"],
        ["fsck"],
        ["gc"],
        ["runs", "list"],
        ["models", "list"],
        ["tables", "list"],
        ["features", "search"],
        ["migrate", "status"],
    ):
        code, answer = ask(*command)
        assert code == 0, answer


def test_where_a_catalog_is_whose_url_has_a_password_is_told_and_only_its_move_refused(ask: Ask, postgres_url: str) -> None:
    assert StoreUrl.parse(postgres_url).password
    code, answer = ask("migrate", "status")
    assert (code, answer["stores"][-1]["store"], answer["stores"][-1]["phase"]) == (0, "catalog", "")
    code, answer = ask("migrate", "start", "catalog", "sqlite:new.db")
    assert (code, answer["error"]["code"]) == (2, "InvalidError")
    assert "INTONACO_POSTGRES_PASSWORD" in answer["error"]["hint"]
