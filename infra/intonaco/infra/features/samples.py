"""A sample of a view's features as training would see them: as of the moments of some of its events."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from intonaco.core.columns import Columns
from intonaco.core.errors import MissingError
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.summaries import summaries
from intonaco.infra.compute.summary import merged
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.writing.statistics import DAY_US, Statistics
from intonaco.infra.storage.arrow import from_arrow, to_arrow
from intonaco.infra.storage.arrowtypes import PRIVATE

if TYPE_CHECKING:
    from intonaco.infra.features.store import FeatureStore

__all__ = ["feature_statistics"]

_ROWS = 5_000
#: Reading offline looks at every event; of larger tables a look at them would take long.
_MOST_EVENTS = 5_000_000


def feature_statistics(store: "FeatureStore", view: FeatureView) -> Statistics:
    """The statistics of a view's windows and columns as of a sample of its events; of none where there are no events, or too many."""
    try:
        snapshot = store.workspace.tables.snapshot(f"{store.project}/{view.source.table}")
    except MissingError:
        return Statistics(days={})
    keys = [name for name in view.entity.keys.names if name in snapshot.schema]
    if not 0 < snapshot.rows <= _MOST_EVENTS or len(keys) < len(view.entity.keys) or view.source.time not in snapshot.schema:
        return Statistics(days={})
    rows = store.workspace.tables.read(snapshot, [*keys, view.source.time])
    moments, timed = times(rows, view.source.time, "the events")
    chosen = np.flatnonzero(timed)[:: max(1, int(timed.sum()) // _ROWS)]
    sample = rows.select(keys).take(pa.array(chosen))
    inputs = from_arrow(sample, view.entity.keys) if not any(each.null_count for each in sample.columns) else from_arrow(sample)
    return _of(store, view, inputs, moments[chosen])


def _of(store: "FeatureStore", view: FeatureView, inputs: Columns, at_us: NDArray[np.int64]) -> Statistics:
    shown = [feature.name for feature in view.features if PRIVATE not in feature.tags]
    if not shown:
        return Statistics(days={})
    plain = FeatureSet(name=view.name, features=[view.using(*shown)])
    answer = store.read_offline(plain, inputs, at_us)
    table = to_arrow(answer.columns, plain.outputs())
    return Statistics(days=merged(summaries(table, table.column_names, at_us // DAY_US)))
