"""Reading answers to MGET: taken apart in one short loop, which is most of what a read costs."""

from attrs import define, field
from redis.exceptions import InvalidResponse, ResponseError

from intonaco.ext.redis.connections import Link

__all__ = ["Replies"]


@define(eq=False)
class Replies:
    """What a connection answers to commands MGET that were sent together."""

    link: Link
    _data: bytes = field(default=b"", init=False)

    def strings(self, n: int) -> list[bytes | None]:
        """What is under the keys of the next answer, which are so many."""
        data, at = self._line(self._data or self.link.receive())
        if data[:at] != b"*%d\r\n" % n:
            self.link.owed -= data[:1] == b"-"
            raise _refused(data[: at - 2])
        found: list[bytes | None] = []
        head, size = b"$-1\r\n", -1
        for _ in range(n):
            if data.startswith(head, at):  # values are mostly as long as the one before
                start = at + len(head)
            else:
                data, start = self._line(data[at:])
                head = data[:start]
                size = int(head[1:-2])
            at = start
            if size < 0:
                found.append(None)
                continue
            at += size + 2
            if at > len(data):
                data = self._filled(data[start:], size + 2)
                start, at = 0, size + 2
            found.append(data[start : at - 2])
        self._data = data[at:]
        self.link.owed -= 1
        return found

    def _line(self, data: bytes) -> tuple[bytes, int]:
        """The bytes with at least one whole line, and where it ends."""
        while (end := data.find(b"\r\n")) < 0:
            data += self.link.receive()
        return data, end + 2

    def _filled(self, data: bytes, size: int) -> bytes:
        """The bytes and what follows them, at least `size` together."""
        parts, length = [data], len(data)
        while length < size:
            parts.append(self.link.receive(max(65536, min(size - length, 2**24))))
            length += len(parts[-1])
        return b"".join(parts)


def _refused(line: bytes) -> Exception:
    if line[:1] == b"-":
        return ResponseError(line[1:].decode(errors="replace"))
    return InvalidResponse(f"{line[:80]!r} is no answer to MGET")
