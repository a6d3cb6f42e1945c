"""The main job, from the files to a monitored deployment."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from intonaco.general.correction import Correction
from intonaco.general.demo.definitions import DEFINITIONS
from intonaco.general.demo.memory import MemoryWatch, give_back
from intonaco.general.demo.online import compare_online
from intonaco.general.demo.page import page
from intonaco.general.demo.replay import replay
from intonaco.general.demo.steps import TRAINING_ROWS, derive, examples, ingest, outcomes
from intonaco.general.platform import GeneralPlatform
from intonaco.infra import Examples, Snapshot, Workspace
from intonaco.infra.launch.projects import Projects
from intonaco.infra.lineage.runs.run import Run
from intonaco.infra.lineage.runs.steps import Outcome
from intonaco.infra.platform.training import Trained, train
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.workspace import SETTINGS_FILE

__all__ = ["ENDPOINT", "Job", "Result"]

ENDPOINT = "eta"
TASK = Correction("error_min")
TRIALS = 3
ROWS_COMPARED = 2_000
_SOURCES = {
    "arrivals": ("flights",),
    "departures": ("flights",),
    "weather": ("weather_raw",),
    "routes": ("flights", "airports"),
}


@frozen(kw_only=True)
class Result:
    """What the job came to, as `intonaco demo --json` prints it."""

    timetable_mae: float
    corrected_mae: float
    rows_train: int
    rows_dropped: int
    rows_test: int
    seconds: float
    peak_rss_mb: float
    online_equals_batch: bool
    rows_compared: int
    alerts: list[dict[str, Any]] = field(repr=False)
    version: str
    new_version: bool
    endpoint: str
    report: str

    @property
    def fell_by(self) -> float:
        """By which share of itself the timetable's error fell."""
        return 1.0 - self.corrected_mae / self.timetable_mae


@define
class Job:
    """Runs the main job in a folder; what was done before and still holds is not done again."""

    folder: Path
    fresh: bool = False
    tell: Callable[[str], None] = print
    _begun: float = field(factory=time.perf_counter, init=False)

    def run(self) -> Result:
        """Everything, in order."""
        if self.fresh:
            shutil.rmtree(self.folder / ".intonaco", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_settings(self.folder / SETTINGS_FILE)
        with MemoryWatch() as memory, GeneralPlatform.open(self.folder) as platform, platform.runs.start("demo") as run:
            Projects(platform.workspace).register(platform.project, owner="map-services", description="Arrival times that hold")
            return self._run(platform, run, memory)

    def _run(self, platform: GeneralPlatform, run: Run, memory: MemoryWatch) -> Result:
        flown = self._ingest(run)
        sources = self._derive(run, flown)
        self._say("defining features")
        platform.features.apply(DEFINITIONS)
        happened = run.call(outcomes, flights=flown["flights"])
        held_out = self._examples(run, "held_out", happened, sources)
        trained = self._train(run, self._examples(run, "training", happened, sources), held_out, platform.workspace)
        version = trained.register(ENDPOINT)
        self._say(f"{version.short}: {'registered' if version.new else 'as before, nothing new to register'}")
        made = _Made(trained, version.short, version.new, held_out, happened, sources)
        if made.deployment(platform.project).routes not in [each.routes for each in platform.deployments.wanted()]:
            platform.deploy(ENDPOINT, version)
        return self._prove(platform, run, memory, made)

    def _train(self, run: Run, learn: Outcome[Examples], held_out: Outcome[Examples], workspace: Workspace) -> Trained:
        """Train in the run that made the examples, so that the version's chain begins at the data."""
        self._say(f"searching {TRIALS} settings, training, evaluating")
        return train(workspace, TASK, learn, held_out=held_out, trials=TRIALS, seed=7, run=run)

    def _prove(self, platform: GeneralPlatform, run: Run, memory: MemoryWatch, made: "_Made") -> Result:
        """What was made holds online as in batch, and over time."""
        deployment = made.deployment(platform.project)
        self._say(f"asking the server for {ROWS_COMPARED} flights, each as of its departure")
        online = run.call(compare_online, deployment=deployment, held_out=made.held_out, sources=made.sources, rows=ROWS_COMPARED)
        self._say("replaying the held-out flights through the ledger")
        until_us = 1_388_707_200_000_000  # 2014-01-03: the last flights of the year have landed
        watched = run.call(replay, deployment=deployment, held_out=made.held_out, outcomes=made.outcomes, until_us=until_us)
        report = page(made.trained, online.value, watched.value, made.version).save(self.folder / "report.html")
        return self._result(made, online.value, watched.value, report, memory)

    def _result(self, made: "_Made", online: dict[str, Any], watched: dict[str, Any], report: Path, memory: MemoryWatch) -> Result:
        cells = made.trained.cells
        return Result(
            timetable_mae=cells.pick("base_mae").value,
            corrected_mae=cells.pick("mae").value,
            rows_train=made.trained.rows,
            rows_dropped=TRAINING_ROWS - made.trained.rows,
            rows_test=cells.pick("mae").n,
            seconds=round(time.perf_counter() - self._begun, 1),
            peak_rss_mb=memory.peak_mb,
            online_equals_batch=online["equal"],
            rows_compared=online["rows"],
            alerts=watched["alerts"],
            version=made.version,
            new_version=made.new,
            endpoint=ENDPOINT,
            report=str(report),
        )

    def _ingest(self, run: Run) -> dict[str, Outcome[Snapshot]]:
        self._say("reading flights, weather, planes and airports")
        return {name: run.call(ingest, table=name) for name in ("flights", "weather_raw", "planes", "airports")}

    def _derive(self, run: Run, flown: dict[str, Outcome[Snapshot]]) -> list[Outcome[Snapshot]]:
        self._say("deriving events")
        return [run.call(derive, table=name, sources=[flown[source] for source in given]) for name, given in _SOURCES.items()]

    def _examples(self, run: Run, part: Any, happened: Outcome[Snapshot], sources: list[Outcome[Snapshot]]) -> Outcome[Examples]:
        self._say(f"{part.replace('_', '-')} examples: features as of each departure")
        return run.call(examples, part=part, outcomes=happened, sources=sources)

    def _say(self, text: str) -> None:
        """Tell what comes next, after giving back what the work before has let go of."""
        give_back()
        self.tell(f"{time.perf_counter() - self._begun:6.1f} s  {text}")


@frozen
class _Made:
    """What training left behind."""

    trained: Trained
    version: str
    new: bool
    held_out: Outcome[Examples]
    outcomes: Outcome[Snapshot]
    sources: list[Outcome[Snapshot]]

    def deployment(self, project: str) -> Deployment:
        """The deployment that the job asks for, without the count of how often it was asked."""
        number = int(self.version.rpartition("@")[2])
        return Deployment(project=project, endpoint=ENDPOINT, routes=(Route(version=number, package=self.trained.package, model=ENDPOINT),))


def _write_settings(path: Path) -> None:
    """Let the commands find the job's definitions; settings that are there stay."""
    if not path.exists():
        path.write_text('definitions = ["intonaco.general.demo.definitions"]\n', encoding="utf-8")
