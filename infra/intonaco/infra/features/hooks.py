"""What plugins can offer to features; it runs in the driver, in workers and in servers."""

from intonaco.core.plugins import hookspec

__all__ = ["request_functions"]


@hookspec
def request_functions() -> dict[str, str]:
    """Names to import paths of `RowFunction` values, which request-time features are computed with."""
