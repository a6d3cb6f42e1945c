"""Distributions made on the spot, found by importlib.metadata like installed ones."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution: its modules by name, and its entry points, each written `group: name = module`."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def make(distribution: str, *points: str, version: str = "1.0", metadata: str = "", **modules: str) -> None:
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{metadata}")
        (info / "entry_points.txt").write_text("".join("[{}]\n{}\n".format(*point.split(": ")) for point in points))
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)

    yield make
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
