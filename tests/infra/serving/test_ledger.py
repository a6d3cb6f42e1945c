import os
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked
from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.schema import Schema
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Answer, Scorer
from intonaco.infra.serving.ledger.ledger import Ledger, declare
from intonaco.infra.serving.ledger.ledgerrecords import Layout, layouts_of
from intonaco.infra.serving.ledger.spool import FRAME, Spool, frames
from intonaco.infra.serving.ledger.spoolmover import SpoolMover, topic
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.workspace import Workspace

SIGNATURE = Signature(inputs=Schema.of(x="float64?", name="str?", n="int64?"), outputs=Schema.of(y="float64"))


class Silent(Servable):
    signature = SIGNATURE

    def predict(self, columns: Columns) -> dict[str, Column]:
        raise NotImplementedError


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def endpoint() -> Endpoint:
    deployment = Deployment(project="default", endpoint="eta", routes=(Route(version=1, package="0" * 64),))
    return Endpoint.of(deployment, {1: Scorer(1, Silent())})


def batch(first: int, rows: int) -> tuple[dict[str, Column], Answer, NDArray[np.int64]]:
    x = np.arange(first, first + rows, dtype=np.float64)
    x[0] = np.nan
    names = np.array([f"n{i}" for i in range(rows)], dtype=object)
    n = Masked(np.arange(rows), np.arange(rows) % 2 == 1)
    return {"x": x, "name": names, "n": n}, Answer(columns={"y": x * 2}, version=1), np.arange(first, first + rows)


def spooled(workspace: Workspace, endpoint: Endpoint, limit: int = 1 << 30) -> tuple[Spool, SpoolMover]:
    folder = workspace.home / "spool" / "default"
    layouts = layouts_of("default", "eta", endpoint.scorers)
    declare(workspace, layouts.values())
    spool = Spool(folder / "eta", layouts, limit)
    return spool, SpoolMover(folder, "default", workspace.stream)


def write(spool: Spool, batches: int, rows: int = 2) -> None:
    for number in range(batches):
        given, answer, at_us = batch(number * rows, rows)
        spool.record([f"p{number}"], [rows], at_us, given, answer)


def test_a_replay_reads_back_as_it_was_recorded(workspace: Workspace, endpoint: Endpoint) -> None:
    ledger = Ledger(workspace)
    given, answer, at_us = batch(0, 5)
    ledger.record(endpoint, given, answer, at_us, ids=[f"id{i}" for i in range(5)])
    table = ledger.read("eta")
    assert table["prediction_id"].to_pylist() == [f"id{i}" for i in range(5)]
    assert table["x"].to_pylist() == [None, 1.0, 2.0, 3.0, 4.0]
    assert table["n"].to_pylist() == [0, None, 2, None, 4]
    assert table["name"].to_pylist() == ["n0", "n1", "n2", "n3", "n4"]
    assert table["output.y"].to_pylist() == [None, 2.0, 4.0, 6.0, 8.0]
    assert table["model_version"].to_pylist() == [1] * 5


def test_reading_between_two_moments_takes_the_first_and_leaves_the_last(workspace: Workspace, endpoint: Endpoint) -> None:
    ledger = Ledger(workspace)
    given, answer, at_us = batch(0, 10)
    ledger.record(endpoint, given, answer, at_us)
    moments = ledger.read("eta", since_us=3, until_us=6)["predicted_at"]
    assert pc.cast(moments, "int64").to_pylist() == [3, 4, 5]


def test_a_ledger_that_nothing_was_recorded_in_is_missing(workspace: Workspace) -> None:
    with pytest.raises(MissingError):
        Ledger(workspace).read("eta")


def test_collecting_twice_changes_nothing(workspace: Workspace, endpoint: Endpoint) -> None:
    ledger = Ledger(workspace)
    given, answer, at_us = batch(0, 3)
    ledger.record(endpoint, given, answer, at_us)
    assert [ledger.collect("eta"), ledger.collect("eta"), Ledger(workspace).collect("eta")] == [3, 0, 0]


def test_records_that_were_committed_but_not_marked_take_effect_once(
    workspace: Workspace, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(workspace)
    given, answer, at_us = batch(0, 3)
    ledger.record(endpoint, given, answer, at_us)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "_keep_through", crash)
        with pytest.raises(KeyboardInterrupt):
            ledger.collect("eta")
    ledger.record(endpoint, given, answer, at_us)
    assert Ledger(workspace).read("eta").num_rows == 6


def test_another_set_of_columns_gets_a_table_of_its_own_and_both_are_read(workspace: Workspace, endpoint: Endpoint) -> None:
    class Wider(Silent):
        signature = Signature(inputs=SIGNATURE.inputs, outputs=Schema.of(y="float64", z="float64"))

    wider = Endpoint.of(endpoint.deployment, {1: Scorer(1, Wider())})
    ledger = Ledger(workspace)
    given, answer, at_us = batch(0, 3)
    ledger.record(endpoint, given, answer, at_us)
    both = Answer(columns={**answer.columns, "z": np.ones(3)}, version=1)
    ledger.record(wider, given, both, at_us)
    assert ledger.read("eta")["output.z"].to_pylist() == [None] * 3 + [1.0] * 3


def test_an_input_may_not_take_a_name_that_the_ledger_needs() -> None:
    class Clashing(Silent):
        signature = Signature(inputs=Schema.of(predicted_at="int64"), outputs=SIGNATURE.outputs)

    with pytest.raises(InvalidError, match="predicted_at"):
        Layout.of("default", "eta", Scorer(1, Clashing()))


@pytest.mark.slow
def test_a_year_of_flights_is_recorded_in_two_seconds(workspace: Workspace, endpoint: Endpoint) -> None:
    given, answer, at_us = batch(0, 65_470)
    began = time.process_time()
    Ledger(workspace).record(endpoint, given, answer, at_us)
    assert time.process_time() - began < 2.0


def test_what_is_spooled_comes_to_the_table_in_order(workspace: Workspace, endpoint: Endpoint) -> None:
    spool, mover = spooled(workspace, endpoint)
    write(spool, 5)
    assert mover.move() == 5
    write(spool, 3)
    spool.close()
    assert mover.move() == 3
    written = (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 1, 1, 2, 2)
    assert Ledger(workspace).read("eta")["prediction_id"].to_pylist() == [f"p{number}" for number in written]


def test_a_segment_is_removed_when_its_writer_is_gone(workspace: Workspace, endpoint: Endpoint) -> None:
    spool, mover = spooled(workspace, endpoint)
    write(spool, 1)
    mover.move()
    assert len(list(spool.folder.glob("*.spool"))) == 1
    spool.close()
    mover.move()
    assert [path.name for path in spool.folder.iterdir()] == [".lock"]


def test_a_torn_frame_at_the_end_is_dropped_and_all_before_it_kept(workspace: Workspace, endpoint: Endpoint) -> None:
    spool, mover = spooled(workspace, endpoint)
    write(spool, 4)
    spool.close()
    (segment,) = spool.folder.glob("*.spool")
    os.truncate(segment, segment.stat().st_size - 3)
    assert mover.move() == 3
    assert not list(spool.folder.glob("*.spool"))


def test_a_damaged_segment_is_set_aside(workspace: Workspace, endpoint: Endpoint) -> None:
    spool, mover = spooled(workspace, endpoint)
    write(spool, 4)
    spool.close()
    (segment,) = spool.folder.glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert mover.move() < 4
    assert len(list(spool.folder.glob("*.damaged"))) == 1


def test_a_mover_that_dies_after_the_stream_has_acknowledged_moves_nothing_twice(
    workspace: Workspace, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, mover = spooled(workspace, endpoint)
    write(spool, 4)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("intonaco.infra.serving.ledger.spoolmover._keep_position", crash)
        with pytest.raises(KeyboardInterrupt):
            mover.move()
    write(spool, 2)
    SpoolMover(mover.folder, "default", workspace.stream).move()
    assert workspace.stream.end(topic("default", "eta")) == 6


def test_past_its_limit_the_spool_drops_and_counts(workspace: Workspace, endpoint: Endpoint) -> None:
    spool, mover = spooled(workspace, endpoint, limit=2048)
    write(spool, 20)
    spool._measured_at = 0.0
    write(spool, 5)
    assert spool.dropped == 10
    mover.move()
    spool._measured_at = 0.0
    write(spool, 1)
    spool.close()
    mover.move()
    ledger = Ledger(workspace)
    ledger.collect("eta")
    assert ledger.progress("eta").dropped == 10


def test_frames_end_at_the_first_that_is_not_whole() -> None:
    whole = FRAME.pack(3, crc32(b"abc")) + b"abc"
    assert [record for _, record in frames(whole * 2 + whole[:-1])] == [b"abc", b"abc"]
