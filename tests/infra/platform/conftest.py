import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intonaco.infra.platform.cli import main

_FOLDER = str(Path(__file__).parent)
sys.path.insert(0, _FOLDER)  # for the module `toys`, before tests are collected

#: Exit code, standard output, standard error.
Told = tuple[int, str, str]


@pytest.fixture
def root(tmp_path: Path, fresh: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an empty workspace, which the command line works in; modules of it are forgotten afterwards."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("INTONACO_WORKSPACE", str(fresh(folder)))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run a command in this process."""

    def command(*arguments: str) -> Told:
        capsys.readouterr()
        code: Any = 0
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture
def ask(run: Callable[..., Told]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run a command with `--json`: its exit code, and the one object that it prints."""

    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = run(*arguments, "--json")
        assert out.count("\n") == 1, out
        answer: dict[str, Any] = json.loads(out)
        return code, answer

    return command


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    """The module `toys` can be imported in every process that is started, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, (_FOLDER, os.environ.get("PYTHONPATH", "")))))
        yield
