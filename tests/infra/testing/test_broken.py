"""The kit names each promise that a store breaks."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_BROKEN = Path(__file__).parent / "broken.py"


def _cases() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("broken_stores", _BROKEN)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {store.__name__: test for store, test in module.CASES.items()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What one run of the kit on all broken stores tells of those tests alone."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken.py").write_text(_BROKEN.read_text())
    report = folder / "report.json"
    (folder / "pytest.ini").write_text("[pytest]\n")
    environ = {**os.environ, "INTONACO_CAPABILITIES": str(report), "PYTHONPATH": str(folder)}
    nodes = [f"broken.py::Test{store}::test_{test}" for store, test in _cases().items()]
    plugins = ["-p", "intonaco.infra.testing.capabilities", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", *plugins, *nodes]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert report.exists(), done.stdout + done.stderr
    return {row["implementation"]: row["guarantees"] for row in json.loads(report.read_text())}


@pytest.mark.slow
@pytest.mark.parametrize("store", _cases())
def test_what_a_store_breaks_is_named(store: str, outcomes: dict[str, dict[str, str]]) -> None:
    assert outcomes[f"Test{store}"] == {f"test_{_cases()[store]}": "failed"}
