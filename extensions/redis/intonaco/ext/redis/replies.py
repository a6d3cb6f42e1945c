"""Reading lists of strings: taken apart in one short loop, which is most of what a read costs."""

from attrs import define, field
from redis.exceptions import InvalidResponse, ResponseError

from intonaco.ext.redis.connections import Link

__all__ = ["Replies"]


@define(eq=False)
class Replies:
    """What a connection answers to commands that were sent together, and each of which is answered by a list of strings."""

    link: Link
    _data: bytes = field(default=b"", init=False)

    @classmethod
    def to(cls, link: Link, command: bytes) -> list[bytes | None]:
        """The answer to one command."""
        link.send(command)
        return cls(link).strings()

    def strings(self) -> list[bytes | None]:
        """The next answer: what is under the keys that were asked for, or what a script tells."""
        data, at = self._line(self._data or self.link.receive(), 0)
        if data[:1] != b"*":
            self.link.owed -= data[:1] == b"-"
            raise _refused(data[: at - 2])
        found: list[bytes | None] = []
        add = found.append
        head, size = b"$-1\r\n", -1
        for _ in range(int(data[1 : at - 2])):
            if data.startswith(head, at):  # values are mostly as long as the one before
                at += len(head)
            else:
                begin = at
                data, at = self._line(data, begin)
                head = data[begin:at]
                size = int(head[1:-2])
            if size < 0:
                add(None)
                continue
            end = at + size
            if end + 2 > len(data):
                data, at, end = self._filled(data[at:], size + 2), 0, size
            add(data[at:end])
            at = end + 2
        self._data = data[at:]
        self.link.owed -= 1
        return found

    def _line(self, data: bytes, begin: int) -> tuple[bytes, int]:
        """The bytes with at least one whole line from `begin`, and where it ends."""
        while (end := data.find(b"\r\n", begin)) < 0:
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
    return InvalidResponse(f"{line[:80]!r} is no list of strings")
