"""A thousand feature views beside ten: applied and planned, one set of them read, and the workspace opened."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from attrs import evolve

from benchmarks.harness import Measure, Scale, child, compare, here, here_on
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

__all__ = ["defining"]

_ENTITY = Entity("thing", {"key": "str"}, owner="bench", description="what is counted")
_HOUR = 3_600_000_000
_OPEN = """
import sys
from intonaco.infra.workspace import Workspace
with Workspace.open(sys.argv[1]) as workspace:
    workspace.catalog, workspace.keyvalue, workspace.tables
"""


def defining(scale: Scale) -> None:
    """Definitions of few and of many views, each of eight features, and a set of one of them."""
    few, many = scale(10, 2), scale(1000, 20)
    with tempfile.TemporaryDirectory() as folder:
        homes = {"few": _made(Path(folder) / "few", few), "many": _made(Path(folder) / "many", many)}
        names = {"few": f"{few} views", "many": f"{many} views"}
        compare("definitions_apply", _applying(few, many), n=1, rounds=scale(5), reach=1.1)
        compare("definitions_plan", _planning(homes, few, many), n=1, rounds=scale(5), reach=1.1)
        opening = {names[each]: child([sys.executable, "-c", _OPEN, home]) for each, home in homes.items()}
        compare("definitions_open", opening, n=1, rounds=scale(10), reach=1.3)
        _read(homes, names, scale)


def _view(number: int) -> FeatureView:
    source = TableSource(f"events_{number}", dict.fromkeys(("a", "b", "c"), "float64"), time="time")
    features = [columns("a", "b", "c"), mean("a", over=["1h", "6h"]), mean("b", over=["1h", "6h"]), count(over="1h")]
    return FeatureView(name=f"view_{number}", entity=_ENTITY, source=source, features=features, owner="bench", description="of a bench")


def _set(number: int) -> FeatureSet:
    return FeatureSet(name=f"set_{number}", features=[_view(number)])


def _made(home: Path, n: int) -> Path:
    """A workspace with so many views, of which one has events."""
    home.mkdir()
    with Workspace.open(home) as workspace:
        store = FeatureStore(workspace)
        store.apply([_set(number) for number in range(n)])
        times = pa.array([number * _HOUR // 60 for number in range(100)], pa.timestamp("us", tz="UTC"))
        values = {name: pa.array(np.arange(100.0)) for name in ("a", "b", "c")}
        store.push(_view(0), pa.table({"key": pa.array(["k"] * 100), "time": times, **values}))
    return home


def _counted(measure: Measure, n: int) -> Measure:
    return lambda: evolve(measure(), n=n)


def _applying(few: int, many: int) -> dict[str, Measure]:
    """Views applied to an empty workspace, each round to another."""
    return {f"{n} views": _counted(_in_fresh(n), n) for n in (few, many)}


def _in_fresh(n: int) -> Measure:
    def made() -> tuple[tempfile.TemporaryDirectory[str], Workspace, list[FeatureView]]:
        folder = tempfile.TemporaryDirectory()
        workspace = Workspace.open(folder.name)
        _ = workspace.catalog
        return folder, workspace, [_view(number) for number in range(n)]

    def work(given: tuple[tempfile.TemporaryDirectory[str], Workspace, list[FeatureView]]) -> None:
        folder, workspace, views = given
        FeatureStore(workspace).apply(views)
        workspace.close()
        folder.cleanup()

    return here_on(made, work)


def _planning(homes: dict[str, Path], few: int, many: int) -> dict[str, Measure]:
    """All views planned again, one of them changed."""
    return {f"{n} views": _counted(_replanned(homes[name], n), n) for name, n in (("few", few), ("many", many))}


def _replanned(home: Path, n: int) -> Measure:
    workspace = Workspace.open(home)
    wanted = [_set(number) for number in range(1, n)] + [evolve(_view(0), delay="1m")]
    return here(lambda: FeatureStore(workspace).plan(wanted, complete=True))


def _read(homes: dict[str, Path], names: dict[str, str], scale: Scale) -> None:
    """One set, of one view, by its name: with the catalog, and by a reader that was made before."""
    asked, at_us, n = {"key": np.array(["k"], dtype=object)}, 2 * _HOUR, scale(100, 2)
    stores = {name: FeatureStore(Workspace.open(home)) for name, home in homes.items()}

    def repeated(work: Callable[[], object], times: int) -> Measure:
        return here(lambda: [work() for _ in range(times)])

    by_name = {names[each]: repeated(lambda store=store: store.read("set_0", asked, at_us), n) for each, store in stores.items()}  # type: ignore[misc]
    compare("definitions_read", by_name, n=n, rounds=scale(15), reach=1.1)
    for store in stores.values():
        store.workspace.close()
