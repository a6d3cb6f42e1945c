"""Groups of commands that say what might have been meant."""

from typing import ClassVar

import click

__all__ = ["Commands"]


class Commands(click.Group):
    """A group whose error of an unknown command names the nearest known one."""

    #: What its commands are called in the error.
    noun: ClassVar[str] = "command"

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from intonaco.core.fields import suggestion

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            group = f" of {ctx.info_name!r}" if ctx.parent else ""
            raise click.UsageError(f"no {self.noun} {args[0]!r}{group}; {suggestion(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)
