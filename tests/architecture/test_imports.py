"""What importing costs, shown by what is loaded in a fresh process."""

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "sqlalchemy",
    "lightgbm",
    "sklearn",
    "scipy",
    "polars",
    "pyarrow",
    "deltalake",
    "optuna",
    "uvicorn",
    "alembic",
    "lmdb",
)


def loaded_by(code: str) -> set[str]:
    """All modules of a fresh process that has run the code."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint('\\n--\\n' + '\\n'.join(sys.modules))"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("--\n")[2].split())


def test_importing_core_loads_little() -> None:
    loaded = loaded_by("import intonaco.core")
    assert {"attrs", "pluggy"} <= loaded
    assert not loaded & {"numpy", "logging", "importlib.metadata", "opentelemetry", "msgspec", "tomllib"}


@pytest.mark.parametrize("name", ["Plugins", "hookimpl", "read_settings", "Reference", "StoreUrl", "Schema", "IntonacoError"])
def test_no_part_of_core_but_columns_needs_numpy(name: str) -> None:
    assert "numpy" not in loaded_by(f"from intonaco.core import {name}")


def test_finding_all_plugins_loads_nothing_heavy() -> None:
    loaded = loaded_by("from intonaco.core import Plugins\nassert not Plugins.discover().failures")
    assert "intonaco.ext.lightgbm.plugin" in loaded
    assert not loaded & set(HEAVY)


def test_asking_all_plugins_what_they_offer_loads_nothing_heavy() -> None:
    code = "from intonaco.core import Plugins\nfound = Plugins.discover()\nfor hook in vars(found.hook): found.offers(hook)"
    assert not loaded_by(code) & set(HEAVY)


def test_asking_for_help_loads_neither_platforms_nor_anything_heavy() -> None:
    code = "from intonaco.infra.platform.cli import main\ntry: main(['--help'])\nexcept SystemExit as end: assert not end.code, end.code"
    loaded = loaded_by(code)
    assert "click" in loaded
    assert not loaded & set(HEAVY)
    assert not [
        name
        for name in loaded
        if name.startswith(("intonaco.general.p", "intonaco.nlp.p", "intonaco.vision.p")) and not name.endswith(".plugin")
    ]


def test_neither_importing_nor_asking_for_help_opens_a_socket() -> None:
    code = """
import socket
def refuse(*_): raise AssertionError("a socket was opened")
socket.socket = refuse
import intonaco.core
from intonaco.infra.platform.cli import main
try: main(["--help"])
except SystemExit as end: assert not end.code, end.code
"""
    assert loaded_by(code)
