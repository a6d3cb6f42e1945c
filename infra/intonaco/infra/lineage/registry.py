"""The model registry: immutable versions, movable aliases, and who moved what when."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sql
from attrs import define, evolve, field

from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.references import Reference, check_name
from intonaco.core.schema import suggestion
from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.lineage.tables import INPUTS, MOVES, USES, VERSIONS
from intonaco.infra.lineage.versions import Line, Move, Version, row_of_version, version_of_row
from intonaco.infra.storage.databases import serialize
from intonaco.infra.storage.seals import seal, verify
from intonaco.infra.workspace import Workspace

__all__ = ["Move", "Registry", "Version"]

_NOT_ALIASES = ("latest", "newest")


@define(eq=False)
class Registry:
    """The models of a project.

    A reference may name another project's model (`maps/eta@3`). Every change is one transaction of the catalog and is told
    under the topics `versions` and `aliases` of its changes.
    """

    workspace: Workspace = field(repr=False)
    project: str = ""

    def __attrs_post_init__(self) -> None:
        self.project = self.project or self.workspace.settings.project

    def register(
        self,
        model: str,
        package: str,
        *,
        run_id: str,
        cells: Iterable[Cell] = (),
        reports: Mapping[str, str] | None = None,
        parents: Iterable[str] = (),
        uses: Iterable[str] = (),
        held_out: bool = False,
        notes: str = "",
        partition: str = "",
        at_us: int | None = None,
    ) -> Version:
        """The new version of a package, or the newest one if that is of the same package.

        Parameters
        ----------
        package
            The digest of a package that was built.
        reports
            Names to digests of artifacts.
        parents
            References of the versions that it was made from.
        uses
            References of the features and tables that it reads; the tables that its run read are added.
        """
        line = self._line(model, partition)
        draft = Version(
            project=line.project,
            model=line.model,
            partition=line.partition,
            number=0,
            package=package,
            run_id=run_id,
            created_us=time.time_ns() // 1000 if at_us is None else at_us,
            cells=Cells(cells),
            held_out=held_out,
            reports=dict(reports or {}),
            parents=tuple(str(Reference.parse(parent, kind="model", project=self.project)) for parent in parents),
            notes=notes,
        )
        with self.workspace.catalog.transaction() as connection:
            return self._insert(connection, line, draft, uses)

    def _insert(self, connection: sql.Connection, line: Line, draft: Version, uses: Iterable[str]) -> Version:
        serialize(connection)  # so that numbers are without gaps
        newest = _newest(connection, line)
        if newest is not None and newest.package == draft.package:
            return newest
        version = evolve(draft, number=newest.number + 1 if newest else 1, new=True)
        connection.execute(VERSIONS.insert(), _sealed(row_of_version(version)))
        read = [*uses, *_tables_of_run(connection, version.run_id)]
        _insert_uses(connection, line, version.number, [Reference.parse(each, project=line.project) for each in read])
        self.workspace.catalog.record_change(connection, "versions", version.reference, at_us=version.created_us)
        return version

    def version(self, reference: "str | Version") -> Version:
        """The version that a reference names: by its number, by an alias, or the newest.

        Raises
        ------
        MissingError
            There is no such model, or no such version or alias of it; the message names those that there are.
        """
        if isinstance(reference, Version):
            return reference
        parsed = Reference.parse(reference, kind="model", project=self.project)
        line = Line(parsed.project, parsed.name, parsed.partition)
        with self.workspace.catalog.read() as connection:
            number = _number(connection, line, parsed.version)
            return _versions(connection, line, number)[0]

    def models(self) -> list[str]:
        """The names of all models of the project, sorted."""
        with self.workspace.catalog.read() as connection:
            return _models(connection, self.project)

    def versions(self, model: str, partition: str = "") -> list[Version]:
        """All versions of a model, the oldest first; MissingError if there is no such model."""
        line = self._line(model, partition)
        with self.workspace.catalog.read() as connection:
            return _versions(connection, line)

    def aliases(self, model: str, partition: str = "") -> dict[str, int]:
        """The aliases of a model and the numbers of the versions that they name."""
        with self.workspace.catalog.read() as connection:
            return _aliases(connection, self._line(model, partition))

    def set_alias(
        self, model: str, alias: str, number: int | None, *, by: str, why: str = "", partition: str = "", at_us: int | None = None
    ) -> Move:
        """Let an alias name another version, or none (None), and remember who did it and why.

        Raises
        ------
        MissingError
            There is no such version.
        InvalidError
            The alias looks like a number or means something already, or nobody is named.
        """
        line = self._line(model, partition)
        _check_alias(alias, by)
        moved = time.time_ns() // 1000 if at_us is None else at_us
        with self.workspace.catalog.transaction() as connection:
            serialize(connection)
            before = _aliases(connection, line).get(alias)
            if number is not None:
                _versions(connection, line, number)
            move = Move(alias=alias, before=before, after=number, by=by, why=why, at_us=moved)
            if before != number:
                self._move(connection, line, move)
            return move

    def _move(self, connection: sql.Connection, line: Line, move: Move) -> None:
        connection.execute(MOVES.insert(), _sealed({**line.keys(), **_row_of_move(move)}))
        self.workspace.catalog.record_change(connection, "aliases", str(line.at(move.alias)), at_us=move.at_us)

    def history(self, model: str, partition: str = "") -> list[Move]:
        """All moves of the model's aliases, the oldest first."""
        line = self._line(model, partition)
        with self.workspace.catalog.read() as connection:
            return _moves(connection, line)

    def uses(self, reference: str) -> list[Version]:
        """The versions, of any project, that were made from a table or read a feature: who feels it if that changes."""
        parsed = Reference.parse(reference, project=self.project)
        wanted = [USES.c.reference == str(evolve(parsed, version="")), *([USES.c.at == parsed.version] if parsed.version else [])]
        columns = ("project", "model", "partition", "number")
        join = sql.and_(*(VERSIONS.c[name] == USES.c[name] for name in columns))
        query = sql.select(VERSIONS).join(USES, join).where(*wanted).distinct().order_by(*(VERSIONS.c[name] for name in columns))
        with self.workspace.catalog.read() as connection:
            return [version_of_row(row) for row in connection.execute(query).mappings()]

    def _line(self, model: str, partition: str) -> Line:
        return Line(self.project, check_name(model, "model"), partition)


def _newest(connection: sql.Connection, line: Line) -> Version | None:
    query = sql.select(VERSIONS).where(line.where(VERSIONS)).order_by(VERSIONS.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else version_of_row(row)


def _versions(connection: sql.Connection, line: Line, number: int | None = None) -> list[Version]:
    one = [] if number is None else [VERSIONS.c.number == number]
    query = sql.select(VERSIONS).where(line.where(VERSIONS), *one).order_by(VERSIONS.c.number)
    found = [version_of_row(row) for row in connection.execute(query).mappings()]
    if not found:
        raise _missing(connection, line, "" if number is None else str(number))
    return found


def _number(connection: sql.Connection, line: Line, version: str) -> int:
    if version.isdigit():
        return int(version)
    if version:
        aliases = _aliases(connection, line)
        if version not in aliases:
            raise _missing(connection, line, version)
        return aliases[version]
    newest: int | None = connection.execute(sql.select(sql.func.max(VERSIONS.c.number)).where(line.where(VERSIONS))).scalar()
    if newest is None:
        raise _missing(connection, line, "")
    return newest


def _missing(connection: sql.Connection, line: Line, version: str) -> MissingError:
    newest = connection.execute(sql.select(sql.func.max(VERSIONS.c.number)).where(line.where(VERSIONS))).scalar()
    if newest is None:
        return MissingError(f"no {line}", hint=suggestion(line.model, _models(connection, line.project)), field=line.model)
    aliases = ", ".join(sorted(_aliases(connection, line))) or "none"
    return MissingError(f"{line} has no version {version!r}", hint=f"its versions are 1 to {newest}, its aliases: {aliases}", field=version)


def _models(connection: sql.Connection, project: str) -> list[str]:
    query = sql.select(VERSIONS.c.model).where(VERSIONS.c.project == project).distinct().order_by(VERSIONS.c.model)
    return list(connection.execute(query).scalars())


def _moves(connection: sql.Connection, line: Line) -> list[Move]:
    rows = connection.execute(sql.select(MOVES).where(line.where(MOVES)).order_by(MOVES.c.id)).mappings()
    return [_move_of_row(row) for row in rows]


def _aliases(connection: sql.Connection, line: Line) -> dict[str, int]:
    """What the last move of each alias says."""
    last = {move.alias: move.after for move in _moves(connection, line)}
    return {alias: number for alias, number in sorted(last.items()) if number is not None}


def _check_alias(alias: str, by: str) -> None:
    check_name(alias, "alias")
    if alias.isdigit() or alias in _NOT_ALIASES:
        hint = "a number names a version, and no version at all the newest"
        raise InvalidError(f"{alias!r} cannot be an alias", hint=hint, field="alias")
    if not by:
        raise InvalidError("an alias is moved by somebody", hint="say who with by=", field="by")


def _tables_of_run(connection: sql.Connection, run_id: str) -> list[str]:
    query = sql.select(INPUTS.c.reference).where(INPUTS.c.run == run_id, INPUTS.c.reference != "").distinct()
    return list(connection.execute(query).scalars())


def _insert_uses(connection: sql.Connection, line: Line, number: int, read: Iterable[Reference]) -> None:
    for each in dict.fromkeys(read):
        plain = str(evolve(each, version=""))
        connection.execute(USES.insert(), _sealed({**line.keys(), "number": number, "reference": plain, "at": each.version}))


def _row_of_move(move: Move) -> dict[str, Any]:
    return {name: getattr(move, name) for name in ("alias", "before", "after", "by", "why", "at_us")}


def _sealed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "seal": seal(row)}


def _move_of_row(row: sql.RowMapping) -> Move:
    verify(row, leave_out=("id",), where="the history of aliases")
    return Move(**{name: row[name] for name in ("alias", "before", "after", "by", "why", "at_us")})
