"""Every benchmark that is promised is there, and prints JSON lines that can be compared."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BESIDE_A_FLOOR = {"definitions", "import", "help", "serving", "asof", "windows", "metrics", "register", "online", "materialize"}
BESIDE_A_FLOOR |= {"into_table", "online_redis", "online_redis_features", "materialize_redis"}
PROMISED = BESIDE_A_FLOOR | {"stream"}
#: What is compared with another way of ours, or has a reach in one of its figures alone.
WITHOUT_REACH = {"serving", "into_table"}
FIELDS = {"bench": str, "system": str, "n": int, "cpu_s": float, "wall_s": float, "peak_mb": float, "ratio": float}


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)


def lines(root: Path, bench: str) -> list[dict[str, Any]]:
    done = run(root, bench, "--smoke")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_all_that_are_promised_are_listed(root: Path) -> None:
    text = run(root, "--help").stdout
    assert set(text.partition("{")[2].partition("}")[0].split(",")) == PROMISED


def test_an_unknown_name_is_refused_with_those_that_there_are(root: Path) -> None:
    done = run(root, "speed")
    assert done.returncode == 2
    assert "register" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("bench", sorted(BESIDE_A_FLOOR))
def test_it_prints_a_line_for_each_system_with_the_floor_first(root: Path, bench: str) -> None:
    printed = lines(root, bench)
    assert len(printed) >= 2
    for floor, ours in zip(printed[::2], printed[1::2], strict=True):
        assert floor["bench"] == ours["bench"]
        assert floor["ratio"] == 1.0
        assert ours.keys() & {"reach", "reach_cpu_s"} or bench in WITHOUT_REACH
    for line in printed:
        assert line["bench"].startswith(bench)
        assert {name: type(line[name]) for name in FIELDS} == FIELDS
        assert line["n"] > 0


@pytest.mark.slow
def test_what_has_no_floor_tells_what_it_is_to_reach(root: Path) -> None:
    printed = {line["bench"]: line for line in lines(root, "stream")}
    assert printed.keys() == {"stream_arrow", "stream_json", "stream_delay"}
    assert all(line.keys() & {"reach_cpu_s", "reach_s"} and line["n"] > 0 for line in printed.values())


def test_the_page_shows_every_benchmark(root: Path) -> None:
    page = (root / "docs/reference/benchmarks.md").read_text()
    assert {bench for bench in PROMISED if f"`{bench}`" not in page} == set()
