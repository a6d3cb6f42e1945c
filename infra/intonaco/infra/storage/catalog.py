"""The catalog: one relational database in which each room of the system owns tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import sqlalchemy as sql
from attrs import define, field, frozen

from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.store import as_url

__all__ = ["Catalog", "Change", "Room"]


@frozen(kw_only=True)
class Room:
    """A part of the system that owns tables: their definition, their newest migration, and the folder of all migrations.

    Migrations are Alembic scripts of a branch of their own, whose first revision has `branch_labels = (name,)`.
    """

    name: str
    tables: sql.MetaData = field(repr=False)
    head: str
    migrations: Path


@frozen(kw_only=True)
class Change:
    """Something happened to a subject, in the order of commits."""

    number: int
    topic: str
    subject: str
