"""The infrastructure: primitives and services, and where a platform is assembled from them.

Names are loaded when first used, so that importing this package costs next to nothing.
"""

from typing import TYPE_CHECKING

from intonaco.core.exports import exporting

if TYPE_CHECKING:
    from intonaco.infra.compute.tables import TableEngine as TableEngine
    from intonaco.infra.compute.tasks import Call as Call
    from intonaco.infra.compute.tasks import Resources as Resources
    from intonaco.infra.compute.tasks import TaskEngine as TaskEngine
    from intonaco.infra.features.definitions import Entity as Entity
    from intonaco.infra.features.definitions import FeatureSet as FeatureSet
    from intonaco.infra.features.definitions import FeatureView as FeatureView
    from intonaco.infra.features.definitions import JoinSource as JoinSource
    from intonaco.infra.features.definitions import Labels as Labels
    from intonaco.infra.features.definitions import QuerySource as QuerySource
    from intonaco.infra.features.definitions import RequestColumn as RequestColumn
    from intonaco.infra.features.definitions import StreamSource as StreamSource
    from intonaco.infra.features.definitions import TableSource as TableSource
    from intonaco.infra.features.definitions import columns as columns
    from intonaco.infra.features.definitions import count as count
    from intonaco.infra.features.definitions import distinct as distinct
    from intonaco.infra.features.definitions import first as first
    from intonaco.infra.features.definitions import last as last
    from intonaco.infra.features.definitions import last_k as last_k
    from intonaco.infra.features.definitions import maximum as maximum
    from intonaco.infra.features.definitions import mean as mean
    from intonaco.infra.features.definitions import minimum as minimum
    from intonaco.infra.features.definitions import quantile as quantile
    from intonaco.infra.features.definitions import sum_ as sum_
    from intonaco.infra.features.definitions import variance as variance
    from intonaco.infra.features.offline.examples import Examples as Examples
    from intonaco.infra.features.store import FeatureStore as FeatureStore
    from intonaco.infra.lineage.artifacts import Artifacts as Artifacts
    from intonaco.infra.lineage.cells import Cell as Cell
    from intonaco.infra.lineage.cells import Cells as Cells
    from intonaco.infra.lineage.measures import mean_cells as mean_cells
    from intonaco.infra.lineage.registry.registry import Registry as Registry
    from intonaco.infra.lineage.registry.registry import Version as Version
    from intonaco.infra.lineage.reports.report import Chart as Chart
    from intonaco.infra.lineage.reports.report import Images as Images
    from intonaco.infra.lineage.reports.report import Metric as Metric
    from intonaco.infra.lineage.reports.report import Report as Report
    from intonaco.infra.lineage.reports.report import Table as Table
    from intonaco.infra.lineage.reports.report import Text as Text
    from intonaco.infra.lineage.runs.runs import Runs as Runs
    from intonaco.infra.lineage.runs.steps import step as step
    from intonaco.infra.lineage.search.space import Choice as Choice
    from intonaco.infra.lineage.search.space import Float as Float
    from intonaco.infra.lineage.search.space import Int as Int
    from intonaco.infra.platform.platform import Platform as Platform
    from intonaco.infra.platform.task import Task as Task
    from intonaco.infra.platform.training import Trained as Trained
    from intonaco.infra.serving.endpoints.endpoint import Endpoint as Endpoint
    from intonaco.infra.serving.packages.flavor import Flavor as Flavor
    from intonaco.infra.serving.packages.servable import Servable as Servable
    from intonaco.infra.serving.packages.servable import Signature as Signature
    from intonaco.infra.serving.packages.target import Target as Target
    from intonaco.infra.storage.blobs import BlobStore as BlobStore
    from intonaco.infra.storage.catalog.catalog import Catalog as Catalog
    from intonaco.infra.storage.checks import InRange as InRange
    from intonaco.infra.storage.checks import Matches as Matches
    from intonaco.infra.storage.checks import NotNull as NotNull
    from intonaco.infra.storage.checks import OneOf as OneOf
    from intonaco.infra.storage.checks import Unique as Unique
    from intonaco.infra.storage.keyvalue import KeyValueStore as KeyValueStore
    from intonaco.infra.storage.streams import Stream as Stream
    from intonaco.infra.storage.tables import Snapshot as Snapshot
    from intonaco.infra.storage.tables import TableStore as TableStore
    from intonaco.infra.workspace import Workspace as Workspace

_HOMES = {
    "Artifacts": "lineage.artifacts",
    "BlobStore": "storage.blobs",
    "Call": "compute.tasks",
    "Catalog": "storage.catalog.catalog",
    "Cell": "lineage.cells",
    "Cells": "lineage.cells",
    "Chart": "lineage.reports.report",
    "Choice": "lineage.search.space",
    "Endpoint": "serving.endpoints.endpoint",
    "Entity": "features.definitions",
    "Examples": "features.offline.examples",
    "FeatureSet": "features.definitions",
    "FeatureStore": "features.store",
    "FeatureView": "features.definitions",
    "Flavor": "serving.packages.flavor",
    "Float": "lineage.search.space",
    "Images": "lineage.reports.report",
    "Int": "lineage.search.space",
    "KeyValueStore": "storage.keyvalue",
    "Labels": "features.definitions",
    "Metric": "lineage.reports.report",
    "Platform": "platform.platform",
    "Registry": "lineage.registry.registry",
    "Report": "lineage.reports.report",
    "RequestColumn": "features.definitions",
    "Resources": "compute.tasks",
    "Runs": "lineage.runs.runs",
    "Servable": "serving.packages.servable",
    "Signature": "serving.packages.servable",
    "Snapshot": "storage.tables",
    "Stream": "storage.streams",
    "Table": "lineage.reports.report",
    "TableEngine": "compute.tables",
    "TableSource": "features.definitions",
    "TableStore": "storage.tables",
    "Target": "serving.packages.target",
    "Task": "platform.task",
    "TaskEngine": "compute.tasks",
    "Text": "lineage.reports.report",
    "Trained": "platform.training",
    "Version": "lineage.registry.registry",
    "Workspace": "workspace",
    "mean_cells": "lineage.measures",
    "step": "lineage.runs.steps",
    "columns": "features.definitions",
    "count": "features.definitions",
    "first": "features.definitions",
    "last": "features.definitions",
    "maximum": "features.definitions",
    "mean": "features.definitions",
    "minimum": "features.definitions",
    "sum_": "features.definitions",
    "JoinSource": "features.definitions",
    "QuerySource": "features.definitions",
    "StreamSource": "features.definitions",
    "distinct": "features.definitions",
    "last_k": "features.definitions",
    "quantile": "features.definitions",
    "variance": "features.definitions",
    "InRange": "storage.checks",
    "Matches": "storage.checks",
    "NotNull": "storage.checks",
    "OneOf": "storage.checks",
    "Unique": "storage.checks",
}

__all__ = [*_HOMES]

__getattr__ = exporting(__name__, _HOMES)
