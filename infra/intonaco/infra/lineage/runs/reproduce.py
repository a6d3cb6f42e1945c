"""Reproducing a version: each recorded step run again on its recorded inputs, in a process of its own, with a verdict.

What a step writes to tables while it is repeated is thrown away; its result is kept, as any run's.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from attrs import asdict, evolve, frozen

from intonaco.core.errors import IntonacoError, MissingError, RefusedError
from intonaco.core.plugins import load_path
from intonaco.infra.compute.tasks import Call
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.registry.registry import Registry, Version
from intonaco.infra.lineage.reports.report import Report, Table, Text
from intonaco.infra.lineage.runs.comparison import first_difference
from intonaco.infra.lineage.runs.memos import Memos
from intonaco.infra.lineage.runs.records import StepRecord
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.scratch import ScratchWorkspace
from intonaco.infra.lineage.runs.steps import Step
from intonaco.infra.lineage.runs.why import differences
from intonaco.infra.lineage.runs.worksite import workspace_of_task
from intonaco.infra.workspace import Workspace

__all__ = ["Node", "Verdicts", "reproduce", "rerun"]

#: How far numbers may differ, relative to the larger, and still be called equal.
TOLERANCE = 1e-9
_TIMEOUT_S = 6 * 3600.0

Verdict = Literal["identical", "equal", "different", "impossible"]


@frozen(kw_only=True)
class Node:
    """What came of running one recorded step again.

    Parameters
    ----------
    verdict
        `identical`: the same digest; `equal`: within the tolerance; `different`: `reason` says where; `impossible`: `reason` says why.
    changes
        What differs in code, distributions and interpreter from the time of the recording.
    """

    version: str
    run: str
    number: int
    function: str
    verdict: Verdict
    reason: str = ""
    before: str = ""
    after: str = ""
    seconds: float = 0.0
    changes: tuple[str, ...] = ()


@frozen(kw_only=True)
class Verdicts:
    """What came of reproducing a version and those that it was made from."""

    version: str
    nodes: tuple[Node, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all nodes."""
        order: tuple[Verdict, ...] = ("different", "impossible", "equal", "identical")
        return next(each for each in order if any(node.verdict == each for node in self.nodes))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {"version": self.version, "verdict": self.verdict, "nodes": [asdict(node) for node in self.nodes]}

    def report(self) -> Report:
        """The verdicts as a page."""
        names = ("step", "verdict", "reason", "seconds", "changed since")
        rows = [(node.function, node.verdict, node.reason, round(node.seconds, 1), "; ".join(node.changes)) for node in self.nodes]
        text = Text(f"Every recorded step behind {self.version} was run again on its recorded inputs: {self.verdict}.")
        return Report(f"Reproducing {self.version}", [text, Table("Steps", names, rows)])


def reproduce(workspace: Workspace, reference: str, progress: Callable[[Node], None] = lambda _: None, *, project: str = "") -> Verdicts:
    """Run again each step that was recorded when a version and its parents were made.

    Parameters
    ----------
    progress
        Told each node when its verdict is known.

    Raises
    ------
    MissingError
        There is no such version, or nothing is recorded of the run that made it.
    """
    version = Registry(workspace, project).version(reference)
    nodes = []
    for each in _chain(workspace, version):
        for step in _steps(workspace, each):
            nodes.append(_node(workspace, each, step))
            progress(nodes[-1])
    if not nodes:
        raise MissingError(f"no step is recorded in the run {version.run_id} of {version.reference}", hint="register versions from a run")
    return Verdicts(version=version.reference, nodes=tuple(nodes))


def _chain(workspace: Workspace, version: Version, seen: frozenset[str] = frozenset()) -> Iterator[Version]:
    """The version's ancestors, the oldest first, and itself."""
    for parent in version.parents:
        if parent not in seen:
            yield from _chain(workspace, Registry(workspace, version.project).version(parent), seen | {version.reference})
    yield version


def _steps(workspace: Workspace, version: Version) -> list[StepRecord]:
    """The steps that the run called before the version was registered; those that a step called itself are part of that step."""
    steps = Runs(workspace, version.project).steps(version.run_id)
    return [step for step in steps if step.parent == 0 and step.artifact is not None and step.started_at <= version.created_at]


def _node(workspace: Workspace, version: Version, step: StepRecord) -> Node:
    assert step.artifact is not None
    node = Node(
        version=version.reference,
        run=step.run,
        number=step.number,
        function=step.function,
        verdict="impossible",
        before=step.artifact.digest,
    )
    arguments = {"project": version.project, "run": step.run, "number": step.number}
    try:
        done = workspace.tasks.submit(Call(function=f"{__name__}:rerun", arguments=arguments, timeout_s=_TIMEOUT_S)).result()
    except IntonacoError as error:
        return evolve(node, reason=error.message)
    return evolve(node, **{**done, "changes": tuple(done["changes"])})


def rerun(project: str, run: str, number: int) -> dict[str, Any]:
    """Run a recorded step again and judge what comes of it; called in a process of its own.

    Raises
    ------
    MissingError
        The step, its arguments or its function are not there any more.
    RefusedError
        Repeating it would change something outside.
    """
    known = workspace_of_task()
    with TemporaryDirectory(dir=known.home, prefix="reproduce-") as folder:
        scratch = ScratchWorkspace(known.root, known.settings, known.plugins, folder=Path(folder))
        with scratch as workspace:
            return _rerun(Runs(workspace, project), run, number)


def _rerun(runs: Runs, run: str, number: int) -> dict[str, Any]:
    record = next(step for step in runs.steps(run) if step.number == number)
    assert record.artifact is not None
    step = _step(record.function)
    with runs.start(f"reproduce {step.name}", parent=run, fresh=True) as again:
        outcome = again.call(step, **runs.arguments(record))
        verdict, reason = _judged(again.artifacts, record.artifact, outcome.artifact)
    changes = _changes(runs, record.key, outcome.key)
    facts = {"verdict": verdict, "reason": reason, "after": outcome.artifact.digest}
    return {**facts, "seconds": outcome.seconds, "changes": changes}


def _step(path: str) -> Step[..., Any]:
    step: Any = load_path(path)
    if not isinstance(step, Step):
        raise MissingError(f"{path} is not a step any more")
    if not step.memoize:
        raise RefusedError(f"{path} changes something outside, and is not repeated")
    return step


def _judged(artifacts: Artifacts, before: Artifact, after: Artifact) -> tuple[Verdict, str]:
    if before.digest == after.digest:
        return "identical", ""
    reason = first_difference(artifacts, before, after, TOLERANCE)
    return ("different" if reason else "equal"), reason


def _changes(runs: Runs, before: str, after: str) -> list[str]:
    memos = Memos(Artifacts(runs.workspace, runs.project))
    return [] if before == after else [str(each) for each in differences(memos.get(before).parts, memos.get(after).parts)]
