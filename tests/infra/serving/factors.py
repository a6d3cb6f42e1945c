"""What the test's model needs of its project."""

from typing import Any


def scaled(values: Any, factor: float) -> Any:
    return values * factor
