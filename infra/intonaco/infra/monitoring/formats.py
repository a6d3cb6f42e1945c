"""How a reference is kept as an artifact."""

from typing import Any

from intonaco.infra.lineage import values
from intonaco.infra.lineage.formats import Format

__all__ = ["ReferenceFormat"]


class ReferenceFormat(Format):
    """Training references of drift, as plain JSON."""

    kind = "drift-reference"

    def encode(self, value: Any) -> bytes:
        return values.dumps(values.encode(value.to_json())).encode("ascii")

    def decode(self, data: bytes) -> Any:
        from intonaco.infra.monitoring.reference import Reference

        return Reference.from_json(values.decode(values.loads(data)))
