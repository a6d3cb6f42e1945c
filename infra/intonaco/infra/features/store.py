"""The feature store: definitions applied, training sets, and reads as of any moment."""

from datetime import datetime

from intonaco.infra.compute.timeline import as_us, duration
from intonaco.infra.features.checking.certificates import Certificate, Certificates
from intonaco.infra.features.checking.consistency import Consistency
from intonaco.infra.features.checking.readlog import logged_reads
from intonaco.infra.features.checking.readrecords import Reads
from intonaco.infra.features.checking.selection import Selection, select
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.replay import replay
from intonaco.infra.features.storeoffline import OfflineFeatures
from intonaco.infra.features.storeonline import OnlineFeatures
from intonaco.infra.features.storestreams import StreamedFeatures

__all__ = ["FeatureStore"]


class FeatureStore(OnlineFeatures, StreamedFeatures, OfflineFeatures):
    """The features of one project: one meaning of time, offline and online.

    Parameters
    ----------
    workspace
        Whose stores hold them.
    project
        Whose they are.
    """

    __slots__ = ()

    def consistency(
        self,
        features: FeatureSet | str,
        reads: Reads | None = None,
        *,
        since: "datetime | int | None" = None,
        until: "datetime | int | None" = None,
        every: str | int = "1h",
    ) -> Consistency:
        """What was read online beside what the tables say of the same moments; see `Consistency`.

        Parameters
        ----------
        reads
            Those of the log by default.
        since, until
            Only reads as of moments from the one on and before the other.
        every
            The length of the buckets of the time series.
        """
        plan = self.read_plan(features)
        if reads is None and (log := self.read_log) is not None:
            log.flush()
        held = logged_reads(self.workspace.stream, plan) if reads is None else reads
        bounds = (None if each is None else as_us(each) for each in (since, until))
        return replay(self, features, held.between(*bounds), duration(every))

    def selection(self, examples: Examples, target: str = "") -> Selection:
        """What each feature of examples tells of a label, and which of them tell the same; see `select`."""
        return select(examples, target)

    @property
    def certificates(self) -> Certificates:
        """The certificates of the versions of views."""
        return Certificates(self.workspace.catalog, self.project)

    def certify(
        self, given: FeatureView | FeatureSet | str, *, examples: int = 100, seed: int = 0, limit_s: float = 20.0
    ) -> list[Certificate]:
        """Try views on generated streams, each for that long at most, and keep the outcomes with their versions."""
        return self.certificates.make(self.views(given), self.workspace.engine, examples=examples, seed=seed, limit_s=limit_s)
