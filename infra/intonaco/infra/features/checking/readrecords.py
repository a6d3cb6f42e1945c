"""Records of the read log: some reads, with the keys that were asked for and what was answered.

A record is an Arrow stream: the inputs of the rows, `read at`, and for each feature of a view `value NAME`, `status NAME` and
`age NAME`; its metadata name the versions of the views, and how many rows were dropped before it. Format 1.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from attrs import evolve, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Columns, take
from intonaco.core.errors import CorruptError
from intonaco.core.schema import Field, Schema
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.storage.arrow import arrow_schema, from_arrow, to_arrow

__all__ = ["Read", "Reads", "decode_reads", "encode_reads", "part_of", "versions"]

#: The inputs of a read, its moments, and its answer.
Read = tuple[Columns, NDArray[np.int64], Answer]
_AT, _VALUE, _STATUS, _AGE = "read at", "value ", "status ", "age "
_META = b"intonaco"


@frozen
class _About:
    views: dict[str, int]
    dropped: int = 0


@frozen(kw_only=True, eq=False)
class Reads:
    """Reads as they were answered online.

    Parameters
    ----------
    inputs
        Keys and request columns of the rows.
    at_us : shape (rows,)
        The moments as of which they were read.
    answer
        Values and statuses of features of views; ages where they are known.
    others
        Rows that cannot be compared, for they were read by other versions of the views.
    dropped
        Rows that the log could not keep.
    """

    inputs: Columns
    at_us: NDArray[np.int64]
    answer: Answer
    others: int = 0
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.at_us)

    def between(self, since_us: int | None, until_us: int | None) -> "Reads":
        """Those from `since_us` on and before `until_us`."""
        kept = np.ones(len(self), dtype=np.bool_)
        if since_us is not None:
            kept &= self.at_us >= since_us
        if until_us is not None:
            kept &= self.at_us < until_us
        return self if kept.all() else self.take(np.flatnonzero(kept))

    def take(self, rows: NDArray[np.intp]) -> "Reads":
        """These rows, in this order."""
        return evolve(self, inputs=take(self.inputs, rows), at_us=self.at_us[rows], answer=part_of(self.answer, rows))


def versions(plan: ReadPlan) -> dict[str, int]:
    """The versions of the views of a plan."""
    return {view.view: view.version for view in plan.views}


def _names(plan: ReadPlan) -> list[str]:
    """The features that come from views."""
    return [output.name for view in plan.views for output in view.outputs]


def _schema(plan: ReadPlan) -> Schema:
    inputs = [evolve(each, nullable=True, categories=()) for each in plan.inputs]
    features: list[Field] = []
    for name in _names(plan):
        features.append(evolve(plan.features[name], name=_VALUE + name, nullable=True, categories=()))
        features += [Field(_STATUS + name, "uint8"), Field(_AGE + name, "int64")]
    return Schema((*inputs, Field(_AT, "int64"), *features))


def encode_reads(plan: ReadPlan, held: Sequence[Read], dropped: int) -> bytes:
    """One record of some reads, and of how many rows were dropped before it."""
    schema = _schema(plan)
    table = pa.concat_tables([to_arrow(_flat(plan, *each), schema) for each in held])
    about = msgspec.json.encode(msgspec.to_builtins(_About(versions(plan), dropped)))
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _META: about})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _flat(plan: ReadPlan, inputs: Columns, at_us: NDArray[np.int64], answer: Answer) -> Columns:
    columns = {name: inputs[name] for name in plan.inputs.names}
    columns[_AT] = at_us
    for name in _names(plan):
        columns[_VALUE + name] = answer.columns[name]
        columns[_STATUS + name] = answer.statuses[name]
        columns[_AGE + name] = answer.ages[name]
    return columns


def decode_reads(plan: ReadPlan, records: Iterable[tuple[int, bytes]]) -> Reads:
    """The reads of records (offset, record) that versions of a plan's views answered.

    Raises
    ------
    CorruptError
        A record cannot be read.
    """
    schema, held = _schema(plan), list[pa.Table]()
    others = dropped = 0
    for offset, record in records:
        table, about = _decoded(record, f"record {offset} of the reads of {plan.name!r}")
        dropped += about.dropped
        if about.views == versions(plan) and set(schema.names) <= set(table.column_names):
            held.append(table.select(schema.names).replace_schema_metadata())
        else:
            others += table.num_rows
    whole = pa.concat_tables([arrow_schema(schema).empty_table(), *held])
    return evolve(_reads(plan, whole), others=others, dropped=dropped)


def _decoded(record: bytes, where: str) -> tuple[pa.Table, "_About"]:
    try:
        table = pa.ipc.open_stream(record).read_all()
        return table, msgspec.json.decode((table.schema.metadata or {})[_META], type=_About)
    except (pa.ArrowException, msgspec.DecodeError, KeyError) as error:
        raise CorruptError(f"{where} cannot be read: {error}", hint="intonaco fsck lists what is damaged") from error


def _reads(plan: ReadPlan, table: pa.Table) -> Reads:
    columns = from_arrow(table, _schema(plan))
    at_us = columns[_AT]
    assert isinstance(at_us, np.ndarray)
    parts = ({name: columns[prefix + name] for name in _names(plan)} for prefix in (_VALUE, _STATUS, _AGE))
    values, statuses, ages = parts
    answer = Answer(columns=values, statuses=statuses, ages=ages)  # type: ignore[arg-type]
    return Reads(inputs={name: columns[name] for name in plan.inputs.names}, at_us=at_us, answer=answer)


def part_of(answer: Answer, rows: NDArray[np.intp]) -> Answer:
    """These rows of an answer."""
    codes = {name: held[rows] for name, held in answer.statuses.items()}
    ages = {name: held[rows] for name, held in answer.ages.items()}
    return Answer(columns=take(answer.columns, rows), statuses=codes, ages=ages)
