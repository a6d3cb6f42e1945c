"""Events that were received: where each stands in its topic, and what was received and is no event."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.core.schema import Schema
from intonaco.infra.storage.arrow import arrow_schema

__all__ = ["NOWHERE", "Fault", "Origin", "Received"]

#: The places of no events.
NOWHERE = np.zeros((0, 3), dtype=np.int64)


@frozen
class Origin:
    """Where an event stands: a record, and the row in it."""

    partition: int
    offset: int
    row: int = 0


@frozen
class Fault:
    """Why an event, or a record that is none, is no event of the topic.

    Parameters
    ----------
    event
        The bytes that can be appended again once it can be read.
    """

    origin: Origin
    reason: str
    event: bytes
    field: str = ""


@frozen(eq=False)
class Received:
    """Events of records, in order, and where each stands.

    Parameters
    ----------
    origins : shape (events, 3)
        Partition, offset and row.
    """

    events: pa.Table
    origins: NDArray[np.int64]
    faults: list[Fault] = field(factory=list)

    @classmethod
    def joined(cls, parts: Sequence["Received"], schema: Schema) -> "Received":
        """All of them, in order."""
        return cls(
            pa.concat_tables([arrow_schema(schema).empty_table(), *(part.events for part in parts)]),
            np.concatenate([NOWHERE, *(part.origins for part in parts)]),
            [fault for part in parts for fault in part.faults],
        )

    def without(self, origins: Collection[Origin]) -> "Received":
        """Those that do not stand at these places."""
        if not origins:
            return self
        offsets = {(origin.partition, origin.offset) for origin in origins}
        suspects = [row for row, (partition, offset, _) in enumerate(self.origins.tolist()) if (partition, offset) in offsets]
        kept = np.ones(len(self.origins), dtype=np.bool_)
        kept[[row for row in suspects if self.origin(row) in origins]] = False
        chosen = self if kept.all() else self.chosen(kept)
        return evolve(chosen, faults=[fault for fault in self.faults if fault.origin not in origins])

    def chosen(self, kept: NDArray[np.bool_]) -> "Received":
        """Some of the events."""
        return evolve(self, events=self.events.filter(pa.array(kept)), origins=self.origins[kept])

    def origin(self, row: int) -> Origin:
        """Where an event stands."""
        return Origin(*self.origins[row].tolist())
