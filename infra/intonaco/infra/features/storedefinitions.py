"""Applied definitions: what of a project is recorded, and what is compiled from it."""

from collections.abc import Iterable

from attrs import evolve, frozen

from intonaco.core.references import DEFAULT_PROJECT
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.recorded.registry import Registry, Step
from intonaco.infra.features.recorded.steps import counted
from intonaco.infra.workspace import Workspace

__all__ = ["AppliedFeatures"]


@frozen
class AppliedFeatures:
    """The definitions of one project, to be planned, applied and looked up."""

    workspace: Workspace
    project: str = DEFAULT_PROJECT

    @property
    def registry(self) -> Registry:
        """The record of applied definitions, to get and search them."""
        return Registry(self.workspace.catalog, self.project)

    def plan(self, definitions: Iterable[Definition], *, complete: bool = False) -> list[Step]:
        """What `apply` would add, change, rebuild or break; nothing is changed.

        Parameters
        ----------
        complete
            Whether these are all that the project declares; only then can one be gone, or renamed.
        """
        return counted(self.registry.plan(definitions, complete=complete), self.workspace.tables, self.project)

    def apply(self, definitions: Iterable[Definition], *, complete: bool = False, force: bool = False) -> list[Step]:
        """Record definitions, all or none; a changed meaning makes a new version beside the one that is online.

        Raises
        ------
        RefusedError
            Somebody reads a feature that goes away, and `force` is not given.
        """
        return counted(self.registry.apply(definitions, complete=complete, force=force), self.workspace.tables, self.project)

    def read_plan(self, given: FeatureSet | str) -> ReadPlan:
        """The compiled plan of an applied feature set."""
        found = self.feature_set(given)
        stored = self.registry.stored_views(found.views)
        uses = [evolve(use, view=stored[use.view.name][0]) for use in found.features]
        return ReadPlan.compile(evolve(found, features=uses), self.project, {view.name: version for view, version in stored.values()})

    def feature_set(self, given: FeatureSet | str) -> FeatureSet:
        """The set itself, or the newest applied one of this name."""
        if isinstance(given, FeatureSet):
            return given
        found = self.registry.get("set", given).definition
        assert isinstance(found, FeatureSet)
        return found

    def labels(self, name: str) -> Labels:
        """The newest applied labels of this name."""
        found = self.registry.get("labels", name).definition
        assert isinstance(found, Labels)
        return found

    def views(self, given: FeatureView | FeatureSet | str, version: int | None = None) -> list[tuple[FeatureView, int]]:
        """Views and their versions; a name is that of a view, or else of a set, and may hold a version or an alias: `eta@3`."""
        if isinstance(given, str) and (found := self.registry.find("view", given, version)) is not None:
            assert isinstance(found.definition, FeatureView)
            return [self.registry.stored(found.definition, found.version)]
        if isinstance(given, FeatureView) and version is not None:
            return [self.registry.stored(given, version)]
        views = (given,) if isinstance(given, FeatureView) else self.feature_set(given).views
        return list(self.registry.stored_views(views).values())

    def progress(self, view: str, version: int, place: str) -> Progress:
        return Progress(self.workspace.catalog, self.project, view, version, place)
