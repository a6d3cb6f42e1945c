"""What plugins can offer to serving; each runs in the driver, in workers and in servers."""

from intonaco.core.plugins import hookspec

__all__ = ["flavors", "model_types", "targets"]


@hookspec
def flavors() -> dict[str, str]:
    """Names to import paths of `Flavor` classes."""


@hookspec
def model_types() -> dict[str, str]:
    """Qualified names of classes (`lightgbm.basic.Booster`) to the flavor that saves their instances; subclasses follow."""


@hookspec
def targets() -> dict[str, str]:
    """Names to import paths of `Target` classes."""
