"""What plugins are told by monitoring; runs in the driver."""

from pathlib import Path
from typing import TYPE_CHECKING

from intonaco.core.plugins import hookspec

if TYPE_CHECKING:
    from intonaco.infra.monitoring.alerts import Alert

__all__ = ["alert_raised"]


@hookspec
def alert_raised(alert: "Alert", home: Path) -> None:
    """A monitor found `alert`, for the first time, and it is recorded; `home` is the workspace's folder of logs on this machine."""
