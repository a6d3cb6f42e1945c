"""Which intermediate values a view keeps, derived from its features alone: the same offline and online."""

import zlib

import msgspec
from attrs import frozen

from intonaco.infra.compute.algebra import Measure, measures_of
from intonaco.infra.features.aggregates import Feature
from intonaco.infra.features.views import FeatureView

__all__ = ["Hops", "Kept", "Layout"]


@frozen(kw_only=True)
class Hops:
    """One list of hops of a size, and how far back reads may reach."""

    hop_us: int
    reach_us: int


@frozen(kw_only=True)
class Kept:
    """A column of which the newest value is kept."""

    column: str
    dtype: str


@frozen(kw_only=True)
class Layout:
    """What is kept for each entity of a view.

    Parameters
    ----------
    hops
        Lists of hops, finest first; each holds all measures.
    measures
        What each hop holds, in the order in which it is stored.
    columns
        Of which the newest value is kept.
    floats
        Source columns that hold floats.
    """

    delay_us: int
    hops: tuple[Hops, ...]
    measures: tuple[Measure, ...]
    columns: tuple[Kept, ...]
    floats: tuple[str, ...]

    @classmethod
    def of(cls, view: FeatureView) -> "Layout":
        """The layout that a view's features ask for."""
        reach: dict[int, int] = {}
        for feature in view.windows:
            reach[feature.hop_us] = max(reach.get(feature.hop_us, 0), feature.over_us)
        measures = {measure for feature in view.windows for measure in measures_of_feature(feature)}
        kept = {feature.column: Kept(column=feature.column, dtype=feature.dtype) for feature in view.columns}
        return cls(
            delay_us=view.delay,
            hops=tuple(Hops(hop_us=hop, reach_us=reach[hop]) for hop in sorted(reach)),
            measures=tuple(sorted(measures)),
            columns=tuple(kept.values()),
            floats=tuple(sorted({feature.column for feature in view.windows if feature.floats})),
        )

    @property
    def fingerprint(self) -> int:
        """32 bits that tell entries of another layout apart."""
        return zlib.crc32(msgspec.json.encode(self))


def measures_of_feature(feature: Feature) -> tuple[Measure, ...]:
    """The measures of which a window feature is finalized."""
    return measures_of(feature.kind, feature.column, feature.resolution)
