"""Moments on the command line: given in ISO 8601 with an offset, or in microseconds since 1970; shown in ISO 8601."""

import click

__all__ = ["iso", "moment"]

_EARLIEST_US = -62_135_596_800_000_000  # the beginning of the year 1


def moment(value: str) -> int:
    """Microseconds since 1970, as the type of an option."""
    from intonaco.core.errors import SchemaError
    from intonaco.infra.serving.protocol.requests import microseconds

    try:
        return microseconds(int(value) if value.removeprefix("-").isdecimal() else value)
    except SchemaError:
        how = "write ISO 8601 with its offset, 2013-10-19T18:00:00Z, or microseconds since 1970"
        raise click.BadParameter(f"{value!r} is not a moment; {how}") from None


def iso(at_us: int) -> str | None:
    """A moment in ISO 8601; None for one before all times."""
    from intonaco.infra.lineage.runs.records import moment

    return None if at_us < _EARLIEST_US else moment(at_us).isoformat().replace("+00:00", "Z")
