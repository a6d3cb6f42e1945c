"""What the general platform offers through hooks; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def cli_commands() -> dict[str, str]:
    return {"demo": "intonaco.general.demo.command:demo"}
