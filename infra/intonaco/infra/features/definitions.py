"""All that a module of feature definitions needs, in one import."""

from intonaco.infra.features.aggregates import (
    Feature,
    columns,
    count,
    distinct,
    first,
    last,
    last_k,
    maximum,
    mean,
    minimum,
    quantile,
    sum_,
    variance,
)
from intonaco.infra.features.entities import Entity
from intonaco.infra.features.functions import RequestFunction, day_of_year, difference, hour_of_day, minute_of_day, ratio, weekday
from intonaco.infra.features.joins import JoinSource
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.sets import FeatureSet, RequestColumn
from intonaco.infra.features.sources import QuerySource, StreamSource, TableSource
from intonaco.infra.features.views import FeatureView, Use

__all__ = [
    "Entity",
    "Feature",
    "FeatureSet",
    "FeatureView",
    "JoinSource",
    "Labels",
    "QuerySource",
    "RequestColumn",
    "RequestFunction",
    "StreamSource",
    "TableSource",
    "Use",
    "columns",
    "count",
    "day_of_year",
    "difference",
    "distinct",
    "first",
    "hour_of_day",
    "last",
    "last_k",
    "maximum",
    "mean",
    "minimum",
    "minute_of_day",
    "quantile",
    "ratio",
    "sum_",
    "variance",
    "weekday",
]
