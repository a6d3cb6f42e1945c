"""The tuner: searches parameters that give the best score."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import attrs
from attrs import define, field, frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.tasks import Call, map_calls, report_progress
from intonaco.infra.lineage import values
from intonaco.infra.lineage.runs.calls import current_key
from intonaco.infra.lineage.search.samplers import Sampler, open_sampler
from intonaco.infra.lineage.search.space import Choice, Dimension, Float, Int, Space, space_to_json
from intonaco.infra.lineage.search.studies import Study
from intonaco.infra.workspace import Workspace

__all__ = ["Choice", "Dimension", "Float", "Int", "Search", "Space", "Trial", "Tuner"]

Params = dict[str, Any]


@frozen(kw_only=True)
class Trial:
    """Parameters that were tried, and their score; None if they have none."""

    number: int
    params: Params
    score: float | None


@frozen(kw_only=True)
class Search:
    """What a search found: all trials in order, of which the best is the result."""

    trials: tuple[Trial, ...]
    maximize: bool = False

    @property
    def best(self) -> Trial:
        """The trial with the best score, the first of equals; InvalidError if none has a score."""
        costs = {trial.number: -trial.score if self.maximize else trial.score for trial in self.trials if trial.score is not None}
        if not costs:
            raise InvalidError(f"none of the {len(self.trials)} trials has a score", hint="the objective must return a finite number")
        return self.trials[min(costs, key=lambda number: (costs[number], number))]

    @property
    def params(self) -> Params:
        """The parameters of the best trial."""
        return self.best.params

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for the result of a step."""
        return {
            "maximize": self.maximize,
            "trials": [attrs.asdict(trial) for trial in self.trials],
            "params": self.params,
            "score": self.best.score,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(trials=tuple(Trial(**trial) for trial in given["trials"]), maximize=given["maximize"])


@define
class Tuner:
    """Searches in a workspace's project; studies are kept in its stream."""

    workspace: Workspace = field(repr=False)
    project: str = ""

    def search(
        self,
        objective: Callable[[Params], float] | Call,
        space: Space,
        *,
        trials: int,
        seed: int = 0,
        sampler: str = "tpe",
        maximize: bool = False,
        study: str = "",
        batch: int | None = None,
        progress: Callable[[Trial], None] | None = None,
    ) -> Search:
        """Try parameters until `trials` have been tried; the same arguments give the same trials, on an engine too.

        Parameters
        ----------
        objective
            A function of the parameters that returns their score; or a call, which the workspace's task engine runs with
            the parameters as its further argument `params`.
        sampler
            `tpe`, `gp` (needs torch), `random` or `grid`, which ends when all is tried.
        study
            The name under which the search is kept and resumed; that of the step's key inside a step, else it is not kept.
        batch
            How many are tried at once before their scores are learned; 1, or on an engine its number of workers.
        progress
            Called after each trial.

        Raises
        ------
        InvalidError
            The sampler cannot search the space.
        ConflictError
            The named study searches something else.
        """
        setting = {"space": space_to_json(space), "sampler": sampler, "seed": seed, "maximize": maximize}
        name = study or (f"study-{current_key()}" if current_key() else "")
        topic = f"{self.project or self.workspace.settings.project}/{name}" if name else ""
        search = _Searching(
            sampler=open_sampler(sampler, space, seed, maximize=maximize),
            study=Study.open(self.workspace.stream, topic, setting),
            evaluate=lambda given: self._scores(objective, given),
            total=trials,
            progress=progress or (lambda trial: None),
        )
        search.replay()
        search.go_on(batch or (self.workspace.settings.engines.workers if isinstance(objective, Call) else 1))
        return Search(trials=search.told(), maximize=maximize)

    def _scores(self, objective: Callable[[Params], float] | Call, given: list[Params]) -> list[float]:
        if not isinstance(objective, Call):
            return [objective(params) for params in given]
        calls = [attrs.evolve(objective, arguments={**objective.arguments, "params": params}) for params in given]
        return map_calls(self.workspace.tasks, calls)


@define(kw_only=True)
class _Searching:
    """A search that goes on: what was asked, and the scores that are known."""

    sampler: Sampler
    study: Study
    evaluate: Callable[[list[Params]], list[float]]
    total: int
    progress: Callable[[Trial], None]
    asked: list[Params] = field(factory=list)
    scores: dict[int, float | None] = field(factory=dict)

    def replay(self) -> None:
        """Bring the sampler to where the recorded events end, by asking and telling it the same again."""
        for event in self.study.events[1:]:
            if event["event"] == "ask":
                self.sampler.ask()
                self.asked.append(values.decode(event["params"]))
            else:
                self._learn(event["number"], values.decode(event["score"]))

    def go_on(self, batch: int) -> None:
        """Evaluate what was asked and has no score, then ask for more, until there is enough."""
        pending = [number for number in range(len(self.asked)) if number not in self.scores]
        while pending or (pending := self._ask(min(batch, self.total - len(self.asked)))):
            self._evaluate(pending)
            pending = []

    def told(self) -> tuple[Trial, ...]:
        """The trials in order."""
        return tuple(Trial(number=number, params=self.asked[number], score=score) for number, score in sorted(self.scores.items()))

    def _ask(self, count: int) -> list[int]:
        proposals = [params for params in (self.sampler.ask() for _ in range(count)) if params is not None]
        first = len(self.asked)
        self.asked += proposals
        if proposals:
            self.study.record(*({"event": "ask", "number": first + i, "params": values.encode(each)} for i, each in enumerate(proposals)))
        return list(range(first, len(self.asked)))

    def _evaluate(self, pending: list[int]) -> None:
        found = self.evaluate([self.asked[number] for number in pending])
        scores = [float(score) if math.isfinite(score) else None for score in found]
        self.study.record(*({"event": "tell", "number": number, "score": score} for number, score in zip(pending, scores, strict=True)))
        for number, score in zip(pending, scores, strict=True):
            self._learn(number, score)
            self.progress(Trial(number=number, params=self.asked[number], score=score))
            report_progress(len(self.scores), self.total, "trials")

    def _learn(self, number: int, score: float | None) -> None:
        self.sampler.tell(number, score)
        self.scores[number] = score
