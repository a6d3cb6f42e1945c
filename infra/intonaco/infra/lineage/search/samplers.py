"""Samplers: where a search looks next. Those of Optuna, and a plain grid."""

import warnings
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from attrs import define, field

from intonaco.core.errors import InvalidError
from intonaco.core.schema import suggestion
from intonaco.infra.lineage.search.space import Choice, Dimension, Float, Int, Space, grid

if TYPE_CHECKING:
    import optuna

__all__ = ["SAMPLERS", "Sampler", "open_sampler"]

SAMPLERS = ("tpe", "gp", "random", "grid")

Params = dict[str, Any]


class Sampler(ABC):
    """Proposes parameters, and learns the scores of those it proposed. The same calls give the same proposals."""

    @abstractmethod
    def ask(self) -> Params | None:
        """The next parameters to try; None if there are no more."""

    @abstractmethod
    def tell(self, number: int, score: float | None) -> None:
        """Learn the score of the proposal of that number, from 0; None if it has none."""


def open_sampler(name: str, space: Space, seed: int, *, maximize: bool) -> Sampler:
    """The sampler of a name.

    Raises
    ------
    InvalidError
        There is no sampler of that name, the library that it needs is missing, or it cannot sample the space.
    """
    if name not in SAMPLERS:
        raise InvalidError(f"no sampler is named {name!r}", hint=suggestion(name, SAMPLERS), field="sampler")
    return GridSampler(list(grid(space))) if name == "grid" else OptunaSampler.open(name, space, seed, maximize=maximize)


@define
class GridSampler(Sampler):
    """Every combination, in order."""

    points: list[Params]
    _next: int = field(default=0, init=False)

    def ask(self) -> Params | None:
        self._next += 1
        return self.points[self._next - 1] if self._next <= len(self.points) else None

    def tell(self, number: int, score: float | None) -> None:
        """A grid learns nothing."""


@define
class OptunaSampler(Sampler):
    """A study of Optuna in memory; options of a choice go in and out as their numbers, so that they may be any plain value."""

    space: Space
    study: "optuna.Study"
    distributions: dict[str, Any]
    _trials: "list[optuna.Trial]" = field(factory=list, init=False)

    @classmethod
    def open(cls, name: str, space: Space, seed: int, *, maximize: bool) -> "OptunaSampler":
        """A study with one of Optuna's samplers."""
        _load_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=_optuna_sampler(name, seed), direction="maximize" if maximize else "minimize")
        return cls(space, study, {key: _distribution(each) for key, each in space.items()})

    def ask(self) -> Params | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self.study.ask(self.distributions)
        self._trials.append(trial)
        return {name: self._value(name, given) for name, given in trial.params.items()}

    def tell(self, number: int, score: float | None) -> None:
        import optuna

        failed = optuna.trial.TrialState.FAIL if score is None else None
        self.study.tell(self._trials[number], score, state=failed)

    def _value(self, name: str, given: Any) -> Any:
        dimension = self.space[name]
        return dimension.options[given] if isinstance(dimension, Choice) else given


def _load_optuna() -> None:
    """Import Optuna in a thread of its own, whose stack holds nothing.

    It keeps the errors of imports that it can do without, and their tracebacks the frames of all who called: in a step, with
    the examples that it searches on.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(import_module, "optuna")


def _optuna_sampler(name: str, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if find_spec("torch") is None:
        raise InvalidError("the sampler 'gp' needs torch, which is not installed", hint="pip install torch, or use 'tpe'", field="sampler")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if isinstance(dimension, Choice):
        return distributions.CategoricalDistribution(tuple(range(len(dimension.options))))
    if isinstance(dimension, Int):
        return distributions.IntDistribution(dimension.low, dimension.high, log=dimension.log)
    assert isinstance(dimension, Float)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
