"""What must hold before a version is deployed."""

from intonaco.core.errors import RefusedError
from intonaco.infra.lineage.registry.registry import Version

__all__ = ["check_before_deploy"]


def check_before_deploy(version: Version) -> None:
    """Raise RefusedError unless the version was evaluated on rows that it had not learned from."""
    if version.held_out and version.cells:
        return
    how = "was not evaluated" if not version.cells else "was evaluated on rows that it had learned from"
    raise RefusedError(
        f"{version.reference} {how}, so nobody knows how it does on new data",
        hint="train it with held-out examples, which platform.train does by itself",
    )
