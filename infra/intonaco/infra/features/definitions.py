"""All that a module of feature definitions needs, in one import."""

from intonaco.infra.features.aggregates import Feature, columns, count, first, last, maximum, mean, minimum, sum_, variance
from intonaco.infra.features.functions import RequestFunction, day_of_year, difference, hour_of_day, minute_of_day, ratio, weekday
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.sets import FeatureSet, RequestColumn
from intonaco.infra.features.views import Entity, FeatureView, TableSource, Use

__all__ = [
    "Entity",
    "Feature",
    "FeatureSet",
    "FeatureView",
    "Labels",
    "RequestColumn",
    "RequestFunction",
    "TableSource",
    "Use",
    "columns",
    "count",
    "day_of_year",
    "difference",
    "first",
    "hour_of_day",
    "last",
    "maximum",
    "mean",
    "minimum",
    "minute_of_day",
    "ratio",
    "sum_",
    "variance",
    "weekday",
]
