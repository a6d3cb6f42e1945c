"""Read plans: a feature set compiled to what a server needs to answer it; immutable, and kept inside packages."""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import field, frozen

from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.compute.algebra import Measure
from intonaco.infra.features.defined.defaults import as_served
from intonaco.infra.features.defined.functions import RequestFunction
from intonaco.infra.features.defined.layout import Layout, measures_of_feature
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import Use

__all__ = ["Output", "ReadPlan", "ViewPlan", "view_plan"]

_FORMAT = 1


@frozen(kw_only=True)
class Output:
    """One feature that is read from a view's entry."""

    name: str
    feature: str
    kind: str
    column: str
    dtype: str
    over_us: int
    hop_us: int
    resolution: float
    floats: bool
    measures: tuple[Measure, ...]
    parameters: tuple[float, ...] = ()
    default: Any = None
    valid_for_us: int | None = None

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "default", as_served(self.dtype, self.default))


@frozen(kw_only=True)
class ViewPlan:
    """How the features of one view are read.

    Parameters
    ----------
    keys
        Request columns that hold the entity's keys, in the order of the keys, with their types.
    """

    view: str
    version: int
    keys: tuple[tuple[str, str], ...]
    valid_for_us: int | None
    layout: Layout
    outputs: tuple[Output, ...]

    def limit_us(self, output: Output) -> int | None:
        """The age past which a feature is expired: its own limit or the view's, whichever is the less; None without one."""
        return min((each for each in (self.valid_for_us, output.valid_for_us) if each is not None), default=None)


@frozen(kw_only=True)
class ReadPlan:
    """All that reading a feature set takes, without a catalog.

    Parameters
    ----------
    inputs
        Schema of a request: request columns and keys.
    features
        Schema of what the model sees, in order.
    """

    project: str
    name: str
    views: tuple[ViewPlan, ...]
    functions: tuple[RequestFunction, ...]
    inputs: Schema = field(repr=False)
    features: Schema = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        views = msgspec.to_builtins(self.views)
        functions = msgspec.to_builtins(self.functions)
        schemas = {"inputs": self.inputs.to_json(), "features": self.features.to_json()}
        return {"format": _FORMAT, "project": self.project, "name": self.name, "views": views, "functions": functions, **schemas}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ReadPlan":
        """Read what `to_json` wrote; CorruptError if it is something else."""
        if stored.get("format") != _FORMAT:
            raise CorruptError(f"the read plan has format {stored.get('format')!r}, expected {_FORMAT}")
        try:
            return cls(
                project=stored["project"],
                name=stored["name"],
                views=msgspec.convert(stored["views"], tuple[ViewPlan, ...]),
                functions=msgspec.convert(stored["functions"], tuple[RequestFunction, ...]),
                inputs=Schema.from_json(stored["inputs"]),
                features=Schema.from_json(stored["features"]),
            )
        except (KeyError, msgspec.ValidationError) as error:
            raise CorruptError(f"the read plan cannot be read: {error}") from error

    @classmethod
    def compile(cls, given: FeatureSet, project: str, versions: Mapping[str, int]) -> "ReadPlan":
        """The plan of a set whose views have these versions."""
        return cls(
            project=project,
            name=given.name,
            views=tuple(view_plan(use, versions[use.view.name]) for use in given.features),
            functions=given.functions,
            inputs=given.inputs(),
            features=given.outputs(),
        )


def view_plan(use: Use, version: int) -> ViewPlan:
    """How what a set takes of a version of a view is read."""
    return ViewPlan(
        view=use.view.name,
        version=version,
        keys=tuple((key.name, key.dtype) for key in use.key_columns),
        valid_for_us=use.view.valid_for,
        layout=Layout.of(use.view),
        outputs=tuple(_outputs(use)),
    )


def _outputs(use: Use) -> list[Output]:
    shared = ("kind", "column", "dtype", "over_us", "hop_us", "resolution", "floats", "parameters", "default", "valid_for_us")
    return [
        Output(
            name=use.name_of(feature.name),
            feature=feature.name,
            measures=() if feature.kind == "column" else measures_of_feature(feature),
            **{name: getattr(feature, name) for name in shared},
        )
        for feature in use.features
    ]
