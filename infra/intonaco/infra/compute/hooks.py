"""What plugins can offer to compute; each runs in the driver."""

from intonaco.core.plugins import hookspec

__all__ = ["table_engines", "task_engines"]


@hookspec
def task_engines() -> dict[str, str]:
    """Names to import paths of `TaskEngine` classes, opened with the workspace's settings for them."""


@hookspec
def table_engines() -> dict[str, str]:
    """Names to import paths of `TableEngine` classes."""
