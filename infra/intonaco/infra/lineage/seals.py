"""Seals: a digest of a catalog row over its values, so that a damaged or altered row is found when it is read."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from intonaco.core.errors import CorruptError

__all__ = ["check_seal", "sealed"]


def sealed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its `seal`."""
    return {**row, "seal": _digest(row)}


def check_seal(row: Mapping[str, Any], what: str) -> None:
    """Raise CorruptError where a row read from the catalog is not as it was sealed."""
    if row["seal"] != _digest(row):
        raise CorruptError(f"the catalog's row of {what} is not as it was written", hint="intonaco fsck lists what is damaged")


def _digest(row: Mapping[str, Any]) -> str:
    values = {name: value for name, value in row.items() if name != "seal"}
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
