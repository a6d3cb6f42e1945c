"""Tables whose text is compared byte by byte, as it is on SQLite, whatever the language of the database."""

from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler

__all__ = ["BinaryOrderTypes"]


class BinaryOrderTypes(PGTypeCompiler):
    """Writes the types of columns of text with the collation "C" where tables are made."""

    def visit_TEXT(self, type_: Any, **given: Any) -> str:  # noqa: N802
        return _binary(super().visit_TEXT(type_, **given), type_, given)

    def visit_VARCHAR(self, type_: Any, **given: Any) -> str:  # noqa: N802
        return _binary(super().visit_VARCHAR(type_, **given), type_, given)


def _binary(written: str, type_: Any, given: dict[str, Any]) -> str:
    column = isinstance(given.get("type_expression"), sql.Column)
    return f'{written} COLLATE "C"' if column and not type_.collation else written
