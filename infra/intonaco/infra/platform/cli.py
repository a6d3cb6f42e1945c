"""The command `intonaco`: a table of commands, each imported when it is called, and one place where errors become exit codes."""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from intonaco.core import errors
from intonaco.core.plugins import Offer, Plugins, load_path
from intonaco.infra.platform.groups import Commands

__all__ = ["EXIT_CODES", "main"]

_COMMANDS = "intonaco.infra.platform.commands"

#: Of the infrastructure; platforms and extensions add theirs through the hook `cli_commands`.
COMMANDS = {
    name: f"{_COMMANDS}.{name}:{name}"
    for name in (
        *("init", "status", "plugins", "doctor", "tables", "features", "train", "runs", "why", "models", "deploy", "serve"),
        *("predict", "ledger", "report", "reproduce", "fsck", "gc", "stores", "migrate"),
    )
}

#: What each branch of the tree of errors ends with; the first that fits holds.
EXIT_CODES: tuple[tuple[type[errors.IntonacoError], int], ...] = (
    (errors.RefusedError, 6),
    (errors.UnavailableError, 5),
    (errors.CorruptError, 4),
    (errors.ConflictError, 3),
    (errors.InvalidError, 2),
    (errors.MissingError, 2),
    (errors.PluginError, 2),
)
UNEXPECTED = 1
#: As of a process that SIGPIPE ends.
_NOBODY_READS = 141


class _NobodyReadsError(Exception):
    """Whoever read the output is gone; click would leave with 1, which means a fault of ours."""


@contextmanager
def _read() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _NobodyReadsError from error


class CommandTable(Commands):
    """Commands by import path, loaded when they are called."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        with _read():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _read():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *(name for name in sorted(_added()) if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return _command(COMMANDS[cmd_name])
        added = _added()
        return _command(added[cmd_name].path) if cmd_name in added else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The infrastructure's commands with their help; of a plugin's command the plugin, so that it need not be imported."""
        rows = [(name, _summary(path)) for name, path in COMMANDS.items()]
        added = [(name, f"from {offer.distribution}") for name, offer in sorted(_added().items()) if name not in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl(rows + added)


def _command(path: str) -> click.Command:
    command: click.Command = load_path(path)
    return command


def _summary(path: str) -> str:
    try:
        return _command(path).get_short_help_str(90)
    except errors.PluginError as error:  # help is what one needs most where something is broken
        return error.message


def _added() -> Mapping[str, Offer]:
    """Commands of plugins; found when first asked for."""
    if not hasattr(_added, "table"):
        _added.table = Plugins.discover().offers("cli_commands")  # type: ignore[attr-defined]
    table: Mapping[str, Offer] = _added.table  # type: ignore[attr-defined]
    return table


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "--workspace", "folder", type=click.Path(file_okay=False), help="The workspace's folder; the current one by default.")
@click.version_option(package_name="intonaco-infra", prog_name="intonaco")
@click.pass_context
def intonaco(ctx: click.Context, folder: str | None) -> None:
    """Machine-learning platforms on one infrastructure: from data to a monitored deployment."""
    if folder is not None:
        if not Path(folder).is_dir():
            raise errors.SettingsError(f"{folder} is not a folder", hint="intonaco init FOLDER makes a workspace")
        os.environ["INTONACO_WORKSPACE"] = str(Path(folder).absolute())


@frozen(kw_only=True)
class Fault:
    """An error as people and programs are told of it."""

    code: str
    message: str
    hint: str
    field: str
    exit_code: int
    error_id: str = ""

    def show(self, as_json: bool) -> None:
        """Print it: an object to standard output for programs, lines to standard error for people."""
        if as_json:
            names = ("code", "message", "hint", "field", "error_id")
            told = {"error": {name: getattr(self, name) for name in names}, "next": self.hint or "intonaco --help"}
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo(f"Error: {self.message}", err=True)
            if self.hint:
                click.echo(f"Try: {self.hint}", err=True)


INTERRUPTED = Fault(
    code="Interrupted",
    message="interrupted; what was finished is kept",
    hint="the same command, which goes on from there",
    field="",
    exit_code=130,
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        intonaco.main(given, prog_name="intonaco", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        INTERRUPTED.show("--json" in given)
        sys.exit(INTERRUPTED.exit_code)
    except _NobodyReadsError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_NOBODY_READS)
    except Exception as error:
        fault = _fault(error, given)
        fault.show("--json" in given)
        sys.exit(fault.exit_code)


def _fault(error: Exception, given: Sequence[str]) -> Fault:
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, errors.IntonacoError):
        code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNEXPECTED)
        return Fault(code=type(error).__name__, message=error.message, hint=error.hint, field=error.field, exit_code=code)
    error_id = secrets.token_hex(4)
    hint = f"the traceback is in {_log_traceback(error, error_id, given)}"
    message = f"unexpected fault {error_id}: {type(error).__name__}: {error}"
    return Fault(code="UnexpectedFault", message=message, hint=hint, field="", exit_code=UNEXPECTED, error_id=error_id)


def _usage(error: click.ClickException) -> Fault:
    context: click.Context | None = getattr(error, "ctx", None)
    names = (context.command_path if context else "intonaco").split()
    param: str | None = getattr(getattr(error, "param", None), "name", None)
    field = str(param or getattr(error, "option_name", None) or "")
    return Fault(code="UsageError", message=error.format_message(), hint=f"{' '.join(names)} --help", field=field, exit_code=2)


def _log_traceback(error: Exception, error_id: str, given: Sequence[str]) -> Path:
    """Append the traceback to the workspace's log, or to one in the temporary folder where that cannot be written."""
    import tempfile
    import traceback

    text = f"{datetime.now(UTC).isoformat()} {error_id} intonaco {' '.join(given[:1])}\n{''.join(traceback.format_exception(error))}\n"
    root = Path(os.environ.get("INTONACO_WORKSPACE") or Path.cwd())
    for folder in (root / ".intonaco" / "log", Path(tempfile.gettempdir())):
        path = folder / "intonaco-errors.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as log:
                log.write(text)
        except OSError:
            continue
        return path
    return Path(os.devnull)


def open_workspace(**overrides: Any) -> Any:
    """The workspace that the command line names."""
    from intonaco.infra.workspace import Workspace

    return Workspace.open(overrides=overrides or None)


def open_platform() -> Any:
    """The platform that the settings name on the workspace that the command line names; without one, what all have in common."""
    from intonaco.infra.platform.platform import Platform

    workspace = open_workspace()
    try:
        return (workspace.platform() if workspace.settings.platform else Platform)(workspace)
    except BaseException:
        workspace.close()
        raise


if __name__ == "__main__":
    main()
