"""Positions: how far a view has come in a topic, kept in the commit of the effect, beside the entries that it is of."""

from collections.abc import Mapping

import msgspec
import pyarrow as pa
from attrs import frozen

from intonaco.core.errors import CorruptError

__all__ = ["Position", "Ranges"]

#: Behind a view's prefix no entity's key begins like this.
KEY = b"\x00position"
#: By partition, the offset after which records are taken, and the last one.
Ranges = Mapping[int, tuple[int, int]]


@frozen(eq=False, kw_only=True)
class Position:
    """How far a view has come in a topic.

    Parameters
    ----------
    sequence
        The number of the last batch that took effect.
    offsets
        By partition, the last record that took effect.
    held
        Events whose time has not come yet, as rows of the topic.
    """

    sequence: int = 0
    offsets: Mapping[int, int]
    held: pa.Table | None = None

    @classmethod
    def decode(cls, value: bytes, where: str) -> "Position":
        """Read what `encode` wrote."""
        try:
            sequence, offsets, held = msgspec.msgpack.decode(value)
            return cls(sequence=sequence, offsets=offsets, held=pa.ipc.open_stream(held).read_all() if held else None)
        except (msgspec.MsgspecError, pa.ArrowException, TypeError, ValueError) as error:
            raise CorruptError(f"the position of {where} cannot be read: {error}", hint="clear the view online and consume anew") from error

    def encode(self) -> bytes:
        """As bytes that a key-value store keeps."""
        return msgspec.msgpack.encode((self.sequence, dict(self.offsets), _packed(self.held)))


def _packed(held: pa.Table | None) -> bytes:
    if held is None or not held.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, held.schema) as writer:
        writer.write_table(held)
    return bytes(sink.getvalue())
