"""What plugins can offer to the command line; runs in the driver."""

from intonaco.core.plugins import hookspec

__all__ = ["cli_commands"]


@hookspec
def cli_commands() -> dict[str, str]:
    """Names of commands to import paths of click commands; each is imported when it is called."""
