"""The code in README.md and ARCHITECTURE.md runs."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from intonaco.core.plugins import Plugins, as_plugin

_ROOT = Path(__file__).parents[2]
_BLOCKS = re.findall(r"^```python\n(.*?)^```$", (_ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_model_builders_example_and_the_training_run_hold(follow: Callable[..., Path], tmp_path: Path) -> None:
    model = tmp_path / "model.md"
    model.write_text(f"```python\n{_BLOCKS[0]}```\n")
    assert (follow(model, _ROOT / "ARCHITECTURE.md") / "report.html").exists()


@pytest.mark.slow
def test_the_platform_builders_example_trains(follow: Callable[..., Path], tmp_path: Path) -> None:
    use = (
        "from pyarrow import table\n"
        "from plain import Median, PlainPlatform\n"
        "with PlainPlatform.open() as platform:\n"
        "    platform.workspace.tables.write('default/rides', table({'km': [1.0] * 50, 'minutes': [float(each) for each in range(50)]}))\n"
        "    trained = platform.train(Median('minutes'), platform.examples('rides', labels=['minutes']))\n"
        "    assert trained.register('minutes').number == 1\n"
    )
    page = tmp_path / "platform.md"
    page.write_text(f"```python\n# file: plain.py\n{_BLOCKS[1]}```\n```python\n{use}```\n")
    follow(page)


def test_the_plugin_authors_example_is_a_plugin() -> None:
    module: dict[str, object] = {}
    exec(_BLOCKS[2], module)
    plugins = Plugins.discover()
    plugins.add(as_plugin(SimpleNamespace(**module), name="rocks"))
    assert plugins.offers("key_value_stores")["rocks"].path == "rocks.store:RocksStore"


@pytest.mark.slow
def test_the_conformance_class_runs(tmp_path: Path) -> None:
    (tmp_path / "test_store.py").write_text(_BLOCKS[3])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], cwd=tmp_path, check=False, timeout=120
    )
    assert done.returncode == 0


def test_links_of_the_front_pages_lead_somewhere() -> None:
    for page in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (_ROOT / page).read_text(encoding="utf-8")):
            assert target.startswith("https://") or (_ROOT / target).exists(), f"{page} links to {target}"
