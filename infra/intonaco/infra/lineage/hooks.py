"""What plugins can offer to lineage and what they are told; each runs in the driver, formats in workers too."""

from intonaco.core.plugins import hookspec

__all__ = ["artifact_formats"]


@hookspec
def artifact_formats() -> dict[str, str]:
    """Qualified names of classes (`pyarrow.lib.Table`) to import paths of the `Format` that keeps their instances; subclasses follow."""
