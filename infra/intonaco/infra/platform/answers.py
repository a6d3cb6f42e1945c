"""What a command answers: one JSON object for programs, a page for people, and what to do next."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from attrs import field, frozen

from intonaco.core.errors import IntonacoError

__all__ = ["Answer", "answering", "hinted", "plain", "say"]


@frozen(kw_only=True)
class Answer:
    """The result of a command.

    Parameters
    ----------
    data
        What `--json` prints, as one object together with `next`.
    lines
        What people read before the table.
    rows
        A table for people: one mapping of column to value for each row.
    next
        The command to go on with.
    exit_code
        0 unless the command found what it was to look for, such as damage.
    """

    data: Mapping[str, Any]
    lines: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    next: str = ""
    exit_code: int = 0
    picture: str = field(default="", repr=False)


def answering(function: Callable[..., Answer]) -> Callable[..., None]:
    """Give a command the option `--json` and print what it answers."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @wraps(function)
    def command(*args: Any, as_json: bool, **kwargs: Any) -> None:
        answer = function(*args, **kwargs)
        _print_json(answer) if as_json else _print_page(answer)
        if answer.exit_code:
            raise SystemExit(answer.exit_code)

    return command


def say(text: str) -> None:
    """Tell people how it goes, on standard error."""
    click.echo(text, err=True)


@contextmanager
def hinted(kind: type[IntonacoError], hint: str) -> Iterator[None]:
    """Errors of this kind with a hint in the words of the command line, in place of Python's."""
    try:
        yield
    except kind as error:
        error.hint = hint
        raise


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN and the infinities become null, foreign numbers become Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _print_json(answer: Answer) -> None:
    click.echo(json.dumps({**plain(answer.data), "next": answer.next}, ensure_ascii=False, allow_nan=False))


def _print_page(answer: Answer) -> None:
    for line in answer.lines:
        click.echo(_printable(line))
    if answer.picture:
        click.echo(answer.picture)
    if answer.rows:
        _print_table(answer.rows)
    if answer.next:
        click.echo(f"\nNext: {answer.next}")


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, soft_wrap=False)
    with console.capture() as shown:
        console.print(table)
    click.echo(shown.get(), nl=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = _number(value) if isinstance(value, float) else str(value)
    return _printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"


def _printable(text: str) -> str:
    """Without characters that steer a terminal, but the ends of lines."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
