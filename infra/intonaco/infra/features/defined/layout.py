"""Which intermediate values and results a view keeps, derived from its features alone: the same offline and online."""

import zlib

import msgspec
from attrs import frozen

from intonaco.infra.compute.algebra import WHOLE_KINDS, Measure, measures_of
from intonaco.infra.features.defined.aggregates import Feature
from intonaco.infra.features.defined.views import FeatureView

__all__ = ["Aggregate", "Hops", "Kept", "Layout", "measures_of_feature"]


@frozen(kw_only=True)
class Hops:
    """Hops of a size, and how far back reads may reach for them."""

    hop_us: int
    reach_us: int


@frozen(kw_only=True)
class Kept:
    """A column of which the newest value is kept."""

    column: str
    dtype: str


@frozen(kw_only=True, order=True)
class Aggregate:
    """What a window feature is finalized to, whatever it is called."""

    kind: str
    column: str
    over_us: int
    hop_us: int
    resolution: float
    floats: bool
    parameters: tuple[float, ...]
    measures: tuple[Measure, ...]

    @classmethod
    def of(cls, feature: Feature) -> "Aggregate":
        """The aggregate of a window feature."""
        shared = {name: getattr(feature, name) for name in ("kind", "column", "over_us", "hop_us", "resolution", "floats", "parameters")}
        return cls(**shared, measures=measures_of_feature(feature))

    @property
    def whole(self) -> bool:
        """Whether its value is a whole number, exactly; else a float."""
        return self.kind in WHOLE_KINDS and not self.floats


@frozen(kw_only=True)
class Layout:
    """What is kept for each entity of a view.

    Parameters
    ----------
    hops
        The sizes of hops, finest first.
    measures
        What each hop holds, in the order in which it is stored.
    columns
        Of which the newest value is kept, by name: in what order a view lists them decides nothing, not even ties.
    aggregates
        Of which the value just after the newest event is kept.
    floats
        Source columns that hold floats.
    """

    delay_us: int
    hops: tuple[Hops, ...]
    measures: tuple[Measure, ...]
    columns: tuple[Kept, ...]
    aggregates: tuple[Aggregate, ...]
    floats: tuple[str, ...]

    @classmethod
    def of(cls, view: FeatureView) -> "Layout":
        """The layout that a view's features ask for."""
        reach: dict[int, int] = {}
        for feature in view.windows:
            reach[feature.hop_us] = max(reach.get(feature.hop_us, 0), feature.over_us)
        aggregates = sorted({Aggregate.of(feature) for feature in view.windows})
        kept = {feature.column: Kept(column=feature.column, dtype=feature.dtype) for feature in view.columns}
        return cls(
            delay_us=view.delay,
            hops=tuple(Hops(hop_us=hop, reach_us=reach[hop]) for hop in sorted(reach)),
            measures=tuple(sorted({measure for each in aggregates for measure in each.measures})),
            columns=tuple(kept[name] for name in sorted(kept)),
            aggregates=tuple(aggregates),
            floats=tuple(sorted({feature.column for feature in view.windows if feature.floats})),
        )

    @property
    def lists(self) -> tuple[tuple[Hops, ...], ...]:
        """The sizes of hops that share a list: in each, every size divides the next."""
        lists: list[list[Hops]] = []
        for hops in self.hops:
            finer = next((each for each in lists if hops.hop_us % each[-1].hop_us == 0), None)
            if finer is None:
                lists.append([hops])
            else:
                finer.append(hops)
        return tuple(tuple(each) for each in lists)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """(over_us, hop_us) of each window, once."""
        return tuple(dict.fromkeys((each.over_us, each.hop_us) for each in self.aggregates))

    @property
    def fingerprint(self) -> int:
        """32 bits that tell entries of another layout apart."""
        return zlib.crc32(msgspec.json.encode(self))


def measures_of_feature(feature: Feature) -> tuple[Measure, ...]:
    """The measures of which a window feature is finalized."""
    return measures_of(feature.kind, feature.column, feature.resolution if feature.floats else 1.0, feature.parameters)
