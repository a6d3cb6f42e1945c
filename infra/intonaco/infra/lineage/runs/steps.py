"""Steps: functions whose calls are recorded, and not repeated while their result is there."""

import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from attrs import define, field, frozen

from intonaco.core.errors import DefinitionError, InvalidError
from intonaco.core.values import as_tuple
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.code.code import path_of

__all__ = ["GIVEN", "Outcome", "Step", "step"]

P = ParamSpec("P")
R = TypeVar("R")

#: Arguments of these names are given by the run that calls the step, and are no part of its key.
GIVEN = ("workspace", "run")


@frozen(eq=False)
class Step(Generic[P, R]):
    """A function at the top of a module, whose calls in a run are recorded; called by itself it is a plain function.

    Arguments are named; each is a plain value, a frozen attrs value, a function or class at the top of a module, a snapshot,
    an artifact, an outcome, or anything that an artifact format keeps. Parameters called `workspace` and `run` are given by
    the run. The result must be of a type that an artifact format keeps.

    Parameters
    ----------
    version
        Changes the key by hand.
    seeds
        Which arguments are seeds.
    requires
        Distributions whose versions count, beside those of the libraries that the step's code names.
    uses
        Functions, classes or import paths whose code counts, though the step finds them only while it runs.
    hooks
        Provider hooks (`flavors`): the code of all that plugins offer there counts.
    memoize
        False where calling is the point, as with a step that changes something outside.
    """

    function: Callable[P, R]
    version: str = ""
    seeds: tuple[str, ...] = field(default=("seed",), converter=as_tuple)
    requires: tuple[str, ...] = field(default=(), converter=as_tuple)
    uses: tuple[Callable[..., Any] | type | str, ...] = field(default=(), converter=as_tuple)
    hooks: tuple[str, ...] = field(default=(), converter=as_tuple)
    memoize: bool = True

    def __attrs_post_init__(self) -> None:
        path = path_of(self.function)
        kinds = {each.kind for each in inspect.signature(self.function).parameters.values()}
        if not kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
            raise DefinitionError(f"step {path} takes arguments without names", hint="no *args, no **kwargs and no '/'")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def path(self) -> str:
        """The import path of the function."""
        return path_of(self.function)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.path.rpartition(":")[2]

    @property
    def given(self) -> tuple[str, ...]:
        """Which of `workspace` and `run` the function asks for."""
        return tuple(name for name in GIVEN if name in inspect.signature(self.function).parameters)

    def bind(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """All arguments by name, defaults among them; InvalidError where one is missing or unknown."""
        signature = inspect.signature(self.function)
        open_parameters = [each for each in signature.parameters.values() if each.name not in GIVEN]
        try:
            bound = signature.replace(parameters=open_parameters).bind(**inputs)
        except TypeError as error:
            raise InvalidError(f"step {self.path}: {error}", hint=f"it is {self.name}{signature}") from error
        bound.apply_defaults()
        return dict(bound.arguments)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    version: str = "",
    seeds: tuple[str, ...] = ("seed",),
    requires: tuple[str, ...] = (),
    uses: tuple[Callable[..., Any] | type | str, ...] = (),
    hooks: tuple[str, ...] = (),
    memoize: bool = True,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(function: Callable[P, R] | None = None, /, **options: Any) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a step of a function at the top of a module; the options are those of `Step`.

    Raises
    ------
    DefinitionError
        The function is not at the top of a module, or takes arguments without names.
    """
    return Step(function, **options) if function is not None else lambda given: Step(given, **options)


@define(eq=False)
class Outcome(Generic[R]):
    """What a call of a step came to.

    Parameters
    ----------
    memoized
        True where an earlier call of the same key had the result.
    number
        Which of its run's steps it is, from 1.
    seconds
        How long the function took; 0 if it was not run.
    """

    artifact: Artifact
    key: str
    run: str
    number: int
    memoized: bool
    seconds: float
    _artifacts: Artifacts = field(repr=False)
    _held: list[R] = field(factory=list, init=False, repr=False)

    def hold(self, value: R) -> None:
        """Keep the result at hand, which need then not be loaded."""
        self._held = [value]

    @property
    def value(self) -> R:
        """The result, loaded when it is first asked for."""
        if not self._held:
            self.hold(self._artifacts.load(self.artifact))
        return self._held[0]
