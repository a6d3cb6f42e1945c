"""Comparing two results: where they first differ, beyond a tolerance."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from intonaco.core.columns import Masked
from intonaco.core.errors import IntonacoError
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.storage.blobs import get

__all__ = ["first_difference"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def first_difference(artifacts: Artifacts, before: Artifact, after: Artifact, tolerance: float) -> str:
    """Where two results first differ by more than the tolerance, relative to the larger; empty if they do nowhere.

    Where JSON names other content by its digest (a package, and what its manifest holds), that is compared.
    """
    if before.kind != after.kind:
        return f"it is a {after.kind}, and was a {before.kind}"
    try:
        first, second = artifacts.load(before), artifacts.load(after)
    except IntonacoError as error:
        return f"it has another digest, and cannot be compared: {error.message}"
    return _Comparison(tolerance, lambda digest: _json(artifacts, digest)).differ(first, second, "")


def _json(artifacts: Artifacts, digest: str) -> Any:
    """The JSON value of this digest; None if there is none."""
    try:
        data = get(artifacts.workspace.blobs, digest)
        return json.loads(data) if data[:1] in (b"{", b"[") else None
    except (IntonacoError, ValueError):
        return None


@attrs.frozen
class _Comparison:
    tolerance: float
    read: Callable[[str], Any]

    def differ(self, first: Any, second: Any, where: str) -> str:
        """Where they differ: a path, or empty."""
        if isinstance(first, float | int) and isinstance(second, float | int):
            return "" if self._near(first, second) else f"{where or 'it'}: {first!r} → {second!r}"
        if type(first) is not type(second):
            return f"{where or 'it'} is {type(second).__name__}, and was {type(first).__name__}"
        if isinstance(first, str):
            return self._differ_text(first, second, where)
        return self._differ_parts(first, second, where)

    def _near(self, first: float, second: float) -> bool:
        if not (isinstance(first, float) and isinstance(second, float)):
            return first == second
        return (math.isnan(first) and math.isnan(second)) or math.isclose(first, second, rel_tol=self.tolerance)

    def _differ_text(self, first: str, second: str, where: str) -> str:
        if first == second:
            return ""
        both = [self.read(text) for text in (first, second) if _DIGEST.fullmatch(text)]
        if len(both) == 2 and None not in both:
            return self.differ(both[0], both[1], where)
        return f"{where or 'it'}: {first[:60]!r} → {second[:60]!r}"

    def _differ_parts(self, first: Any, second: Any, where: str) -> str:
        parts, others = _parts(first), _parts(second)
        if parts is None or others is None:
            return "" if _same(first, second, self.tolerance) else f"{where or 'it'} holds other values"
        if parts.keys() != others.keys():
            name = next(iter(parts.keys() ^ others.keys()))
            return f"{where}{name} {'is gone' if name in parts else 'is new'}"
        found = (self.differ(part, others[name], f"{where}.{name}".lstrip(".")) for name, part in parts.items())
        return next((each for each in found if each), "")


def _parts(value: Any) -> dict[str, Any] | None:
    """What a value is made of, by name; None if it is compared as a whole."""
    if isinstance(value, Masked):
        return {"values": value.values[~value.missing], "missing": value.missing}
    if isinstance(value, Mapping):
        return {str(name): part for name, part in value.items()}
    if isinstance(value, list | tuple):
        return {str(number): part for number, part in enumerate(value)}
    if attrs.has(type(value)):
        return {each.name: getattr(value, each.name) for each in attrs.fields(type(value)) if each.init}
    columns = getattr(value, "column_names", None)
    return None if columns is None else {name: value[name].combine_chunks() for name in columns}


def _same(first: Any, second: Any, tolerance: float) -> bool:
    if isinstance(first, np.ndarray):
        if first.dtype != second.dtype or first.shape != second.shape:
            return False
        numbers = first.dtype.kind == "f"
        equal = np.allclose(first, second, rtol=tolerance, atol=0, equal_nan=True) if numbers else np.array_equal(first, second)
        return bool(equal)
    equals = getattr(first, "equals", None)
    return bool(equals(second)) if equals is not None else bool(first == second)
