"""Certificates: that a version of a view gives one answer in a batch, by writes and at a request, tried on hard streams of events."""

import platform
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql
from attrs import define, field, frozen

from intonaco.core.errors import MissingError
from intonaco.infra.compute.tables import TableEngine
from intonaco.infra.features.checking.hardstreams import HardStream, hard_streams
from intonaco.infra.features.checking.ways import Ways
from intonaco.infra.features.defined.meaning import digest
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.tables import CERTIFICATES
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.seals import seal, verify
from intonaco.infra.storage.keyvalue import KeyValueStore

__all__ = ["Certificate", "Certificates", "certify"]

_DISTRIBUTIONS = ("intonaco-infra", "hypothesis", "numpy", "polars", "pyarrow")


@frozen(kw_only=True)
class Certificate:
    """The outcome of trying a view on generated streams.

    Parameters
    ----------
    meaning
        Digest of the definition that was tried.
    examples
        Streams tried, those while shrinking left out.
    seed
        Gives the same streams again, in the same versions of the libraries.
    libraries
        Versions.
    difference
        Where two ways differed, in the smallest stream that was found; empty if nowhere.
    counterexample
        That stream: events, batches and the moment.
    """

    view: str
    version: int
    meaning: str
    passed: bool
    examples: int
    seed: int
    seconds: float
    certified_us: int
    libraries: Mapping[str, str]
    difference: str = ""
    counterexample: Mapping[str, Any] = field(factory=dict)


@frozen
class Certificates:
    """The certificates of a project, kept with the versions of views; none is ever changed."""

    catalog: Catalog
    project: str

    def make(
        self, views: Iterable[tuple[FeatureView, int]], engine: TableEngine, *, examples: int, seed: int, limit_s: float
    ) -> list[Certificate]:
        """Certify versions of views, and record the outcomes; see `certify`."""
        made = [certify(view, version, engine, examples=examples, seed=seed, limit_s=limit_s) for view, version in views]
        for each in made:
            self.record(each)
        return made

    def record(self, certificate: Certificate) -> None:
        """Keep a certificate beside those that the version has."""
        own = {"project": self.project, "view": certificate.view, "version": certificate.version}
        conditions = [CERTIFICATES.c[name] == value for name, value in own.items()]
        body = msgspec.json.encode(certificate, order="deterministic").decode()
        with self.catalog.transaction() as connection:
            last = connection.scalar(sql.select(sql.func.max(CERTIFICATES.c.number)).where(*conditions)) or 0
            row = {**own, "number": last + 1, "body": body, "certified_us": certificate.certified_us}
            connection.execute(CERTIFICATES.insert().values(**row, seal=seal(row)))

    def find(self, view: str, version: int) -> Certificate | None:
        """The newest certificate of a version, if it has one."""
        own = (CERTIFICATES.c.project == self.project, CERTIFICATES.c.view == view, CERTIFICATES.c.version == version)
        query = sql.select(CERTIFICATES).where(*own).order_by(CERTIFICATES.c.number.desc()).limit(1)
        with self.catalog.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        verify(row, where="the certificate of a feature view")
        return msgspec.json.decode(row["body"], type=Certificate)

    def get(self, view: str, version: int) -> Certificate:
        """The newest certificate of a version; MissingError if it was never certified."""
        found = self.find(view, version)
        if found is None:
            raise MissingError(f"feature view {view}@{version} has no certificate", hint=f"FeatureStore.certify({view!r})", field=view)
        return found


def certify(
    view: FeatureView, version: int, engine: TableEngine, *, examples: int = 100, seed: int = 0, limit_s: float = 20.0
) -> Certificate:
    """Try a view on generated streams of events, until one makes two ways differ or there are enough; then find a smaller one.

    Streams are written to an online store of their own, which is removed.

    Parameters
    ----------
    limit_s
        After which no further stream is tried.

    Raises
    ------
    InvalidError
        Hypothesis is not installed.
    """
    began = time.monotonic()
    with _store() as keyvalue:
        trial = _Trial(Ways(view, engine, keyvalue), began + limit_s)
        trial.run(view, examples, seed)
    return Certificate(
        view=view.name,
        version=version,
        meaning=digest(view),
        passed=not trial.difference,
        examples=trial.examples,
        seed=seed,
        seconds=round(time.monotonic() - began, 3),
        certified_us=time.time_ns() // 1000,
        libraries={"python": platform.python_version()} | {name: installed(name) for name in _DISTRIBUTIONS},
        difference=trial.difference,
        counterexample=trial.smallest.to_json() if trial.smallest is not None else {},
    )


@contextmanager
def _store() -> Iterator[KeyValueStore]:
    from intonaco.infra.storage.lmdb import LmdbStore

    with tempfile.TemporaryDirectory() as folder, LmdbStore.open(f"lmdb:{Path(folder) / 'certificate'}") as store:
        yield store


class _TimeUp(BaseException):
    """Ends the making of streams; hypothesis takes what is an Exception for a failure of the stream."""


@define(eq=False)
class _Trial:
    """Tries streams until time is up, and keeps the smallest that failed."""

    ways: Ways
    until_s: float
    examples: int = 0
    difference: str = ""
    smallest: HardStream | None = None

    def run(self, view: FeatureView, examples: int, number: int) -> None:
        """Let hypothesis make streams."""
        streams = hard_streams(view)
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from hypothesis.errors import HypothesisException

        phases = (Phase.generate, Phase.shrink)
        common = settings(
            max_examples=examples,
            phases=phases,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
        try:
            seed(number)(common(given(streams)(self._try)))()
        except (_TimeUp, AssertionError, HypothesisException) as error:  # the smallest stream that failed is kept
            if self.smallest is None and not isinstance(error, _TimeUp):
                raise

    def _try(self, stream: HardStream) -> None:
        if time.monotonic() >= self.until_s:
            raise _TimeUp
        difference = self.ways.difference(stream)
        if self.smallest is None:
            self.examples += 1
        if difference:
            if self.smallest is None or _size(stream) <= _size(self.smallest):
                self.difference, self.smallest = difference, stream
            raise AssertionError(difference)


def _size(stream: HardStream) -> tuple[int, int]:
    return len(stream.rows), len(stream.ends)
