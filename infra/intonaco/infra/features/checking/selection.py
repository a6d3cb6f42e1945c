"""Selection: which candidate features tell of a target, and which of them tell the same."""

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import rows_of, take
from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.dependence import Rated, information, rank_correlation, rated, uncertainty
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.reports.report import Block, Chart, Metric, Report, Table, Text

__all__ = ["Selection", "select"]

#: More rows change the third digit of what is measured; they are taken evenly.
_MOST_ROWS = 100_000
_MOST_PAIRS = 20
_MOST_SHOWN = 40

Matrix = NDArray[np.float64]


@frozen(kw_only=True, eq=False)
class Selection:
    """Candidate features by what they tell of a target; arrays are in the order in which features would be chosen.

    Parameters
    ----------
    names
        Features in the order of minimal redundancy and maximal relevance.
    relevance : shape (features,)
        Mutual information with the target in bits.
    correlation : shape (features,)
        Rank correlation with the target; NaN where one of them holds categories.
    score : shape (features,)
        Relevance minus the mean mutual information with the features chosen before.
    redundancy : shape (features, features)
        Symmetric uncertainty of each pair, in [0, 1].
    correlations : shape (features, features)
        Rank correlation of each pair.
    target_bits
        The entropy of the target: what there is to tell.
    left_out
        Columns that were not rated: tensors, bytes, rows of different lengths.
    """

    target: str
    names: tuple[str, ...]
    relevance: Matrix = field(repr=False)
    correlation: Matrix = field(repr=False)
    score: Matrix = field(repr=False)
    redundancy: Matrix = field(repr=False)
    correlations: Matrix = field(repr=False)
    target_bits: float
    rows: int
    left_out: tuple[str, ...] = ()

    @property
    def explained(self) -> Matrix:
        """The share of the target's entropy that each feature tells by itself."""
        return self.relevance / self.target_bits if self.target_bits else np.zeros(len(self.names))

    def table(self) -> list[dict[str, float | str | None]]:
        """One row a feature, in the order of choice."""
        twins = self._twins()
        return [
            {
                "feature": name,
                "bits": float(self.relevance[place]),
                "explained": float(self.explained[place]),
                "rank_correlation": _number(self.correlation[place]),
                "score": float(self.score[place]),
                "most_like": twins[place][0],
                "redundancy": twins[place][1],
            }
            for place, name in enumerate(self.names)
        ]

    def report(self) -> Report:
        """The same to look at."""
        shown = self.names[:_MOST_SHOWN]
        places = np.argsort(-self.relevance, kind="stable")[:_MOST_SHOWN]
        blocks: list[Block] = [
            Metric("features", len(self.names)),
            Metric("rows", self.rows),
            Metric("to be told of the target", self.target_bits, unit="bits"),
            Chart(
                "Relevance: mutual information with the target",
                form="bar",
                x=[self.names[place] for place in places],
                series={"bits": self.relevance[places]},
                y_label="bits",
            ),
            Table("In the order of choice: most relevant, least redundant", _HEADINGS, [_cells(row) for row in self.table()]),
            Chart(
                "Redundancy: symmetric uncertainty of each pair",
                form="heatmap",
                x=shown,
                series={name: self.redundancy[place][: len(shown)] for place, name in enumerate(shown)},
            ),
            Table("The most redundant pairs", ("feature", "and", "symmetric uncertainty", "rank correlation"), self._pairs()),
            Text(_METHOD),
        ]
        if self.left_out:
            blocks.append(Text(f"Not rated, for they hold neither numbers, times nor text of one value a row: {', '.join(self.left_out)}."))
        return Report(f"Which features tell of {self.target}", blocks)

    def _twins(self) -> list[tuple[str | None, float | None]]:
        """The feature that is most like each, and how much."""
        if len(self.names) < 2:
            return [(None, None)] * len(self.names)
        others = np.where(np.eye(len(self.names), dtype=np.bool_), -1.0, self.redundancy)
        return [(self.names[int(row.argmax())], float(row.max())) for row in others]

    def _pairs(self) -> list[tuple[str, str, float, float | None]]:
        first, second = np.triu_indices(len(self.names), 1)
        order = np.argsort(-self.redundancy[first, second], kind="stable")[:_MOST_PAIRS]
        return [
            (self.names[i], self.names[j], float(self.redundancy[i, j]), _number(self.correlations[i, j]))
            for i, j in zip(first[order].tolist(), second[order].tolist(), strict=True)
        ]


_HEADINGS = ("feature", "bits", "of the target", "rank correlation", "score", "most like", "redundancy")
_METHOD = (
    "Relevance is the mutual information of a feature and the target over bins of equal counts (a bin of its own for missing values), "
    "corrected for the bias of sampling. The order is greedy: each next feature has the greatest relevance minus mean mutual information "
    "with those chosen before (minimal redundancy, maximal relevance; Peng, Long & Ding, IEEE TPAMI 27(8), 2005). A score below 0 says "
    "that a feature tells more of what is chosen already than of the target. Features that only tell something together are not seen."
)


def select(examples: Examples, target: str = "") -> Selection:
    """Rate the features of examples by what they tell of a target, and of each other.

    Parameters
    ----------
    target
        A label of the examples; the only one, if empty.

    Raises
    ------
    MissingError
        The examples have no such label.
    InvalidError
        There are no rows or features, or the target cannot be rated.
    """
    chosen = _target(examples, target)
    step = -(-len(examples) // _MOST_ROWS) or 1
    columns = take(examples.columns, np.arange(0, len(examples), step))
    wanted = rated(chosen, columns[chosen])
    found = {name: rated(name, columns[name]) for name in examples.features}
    held = [each for each in found.values() if each is not None]
    if wanted is None or not held or not rows_of(columns):
        what = (
            "there are no rows" if not rows_of(columns) else f"{chosen!r} cannot be rated" if wanted is None else "no feature can be rated"
        )
        raise InvalidError(f"nothing can be selected: {what}", hint="numbers, times and text of one value a row are rated", field=chosen)
    return _rate(wanted, held, rows_of(columns), tuple(name for name, each in found.items() if each is None))


def _target(examples: Examples, target: str) -> str:
    name = target or (examples.labels[0] if len(examples.labels) == 1 else "")
    if name not in examples.labels:
        raise MissingError(f"the examples have no label {name!r}", hint=suggestion(name, examples.labels), field="target")
    return name


def _rate(target: Rated, features: Sequence[Rated], rows: int, left_out: tuple[str, ...]) -> Selection:
    relevance = np.array([information(each, target) for each in features])
    shared = _pairwise(features)
    order, score = _ordered(relevance, shared)
    kept = [features[place] for place in order]
    shared = shared[np.ix_(order, order)]
    return Selection(
        target=target.name,
        names=tuple(each.name for each in kept),
        relevance=relevance[order],
        correlation=np.array([rank_correlation(each, target) for each in kept]),
        score=score,
        redundancy=np.array([[uncertainty(a, b, shared[i, j]) for j, b in enumerate(kept)] for i, a in enumerate(kept)]),
        correlations=_correlations(kept),
        target_bits=target.entropy,
        rows=rows,
        left_out=left_out,
    )


def _pairwise(features: Sequence[Rated]) -> Matrix:
    shared = np.diag([each.entropy for each in features])
    for i, one in enumerate(features):
        for j in range(i):
            shared[i, j] = shared[j, i] = information(one, features[j])
    return shared


def _correlations(features: Sequence[Rated]) -> Matrix:
    found = np.eye(len(features))
    for i, one in enumerate(features):
        for j in range(i):
            found[i, j] = found[j, i] = rank_correlation(one, features[j])
    return found


def _ordered(relevance: Matrix, shared: Matrix) -> tuple[list[int], Matrix]:
    """Features by the greedy rule of Peng, Long & Ding (2005), difference form, and the score at which each was chosen."""
    chosen: list[int] = []
    scores: list[float] = []
    overlap = np.zeros(len(relevance))
    free = np.ones(len(relevance), dtype=np.bool_)
    while free.any():
        score = np.where(free, relevance - overlap / max(len(chosen), 1), -np.inf)
        best = int(score.argmax())
        chosen.append(best)
        scores.append(float(score[best]))
        free[best] = False
        overlap += shared[best]
    return chosen, np.array(scores)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _cells(row: dict[str, float | str | None]) -> tuple[float | str | None, ...]:
    share = row["explained"]
    return tuple(f"{100 * share:.1f} %" if name == "explained" and isinstance(share, float) else value for name, value in row.items())
