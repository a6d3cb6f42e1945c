"""A pytest plugin that writes which guarantees an implementation keeps.

`pytest -p intonaco.infra.testing.capabilities` with the variable INTONACO_CAPABILITIES set to a file writes there one JSON
list: for each implementation its test class, the contract that it subclasses, and the outcome of each of its tests.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["VARIABLE"]

VARIABLE = "INTONACO_CAPABILITIES"
_MARK = "intonaco-contract"
_WORST_FIRST = ("failed", "skipped", "passed")
_found: dict[tuple[str, str], dict[str, str]] = {}


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Note on each test of a contract whose it is, in a form that travels between processes."""
    for item in items:
        cls = getattr(item, "cls", None)
        contract = next((each.__name__ for each in getattr(cls, "__mro__", ()) if each.__name__.endswith("Contract")), None)
        if cls is not None and contract is not None:
            item.user_properties.append((_MARK, f"{contract}:{cls.__name__}:{getattr(item, 'originalname', item.name)}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst outcome of each test over its phases and parameters."""
    text = next((str(value) for name, value in report.user_properties if name == _MARK), None)
    if text is None or (report.when != "call" and report.passed):
        return
    contract, implementation, guarantee = text.split(":")
    outcomes = _found.setdefault((contract, implementation), {})
    outcomes[guarantee] = min(outcomes.get(guarantee, report.outcome), report.outcome, key=_WORST_FIRST.index)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report, in the process that has all outcomes."""
    path = os.environ.get(VARIABLE)
    if path and not hasattr(session.config, "workerinput"):
        rows: list[dict[str, Any]] = [
            {"contract": contract, "implementation": implementation, "guarantees": dict(sorted(outcomes.items()))}
            for (contract, implementation), outcomes in sorted(_found.items())
        ]
        Path(path).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
