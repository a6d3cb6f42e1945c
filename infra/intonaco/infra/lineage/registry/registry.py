"""The model registry: immutable versions, movable aliases, and who moved what when."""

import time
from collections.abc import Iterable, Mapping

import sqlalchemy as sql
from attrs import define, evolve, field

from intonaco.core.errors import InvalidError
from intonaco.core.references import Reference, check_name
from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.lineage.registry.lines import (
    Line,
    aliases_of,
    insert_uses,
    models_of,
    moves_of,
    newest_of,
    number_of,
    sealed,
    tables_of_run,
    versions_of,
)
from intonaco.infra.lineage.registry.versions import Move, Version, row_of_move, row_of_version, version_of_row
from intonaco.infra.lineage.tables import MOVES, USES, VERSIONS
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
        newest, package = newest_of(connection, line)
        if package == draft.package:
            return versions_of(connection, line, newest)[0]
        version = evolve(draft, number=newest + 1, new=True)
        connection.execute(VERSIONS.insert(), sealed(row_of_version(version)))
        read = [*uses, *tables_of_run(connection, version.run_id)]
        insert_uses(connection, line, version.number, [Reference.parse(each, project=line.project) for each in read])
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
            number = number_of(connection, line, parsed.version)
            return versions_of(connection, line, number)[0]

    def models(self) -> list[str]:
        """The names of all models of the project, sorted."""
        with self.workspace.catalog.read() as connection:
            return models_of(connection, self.project)

    def versions(self, model: str, partition: str = "") -> list[Version]:
        """All versions of a model, the oldest first; MissingError if there is no such model."""
        line = self._line(model, partition)
        with self.workspace.catalog.read() as connection:
            return versions_of(connection, line)

    def aliases(self, model: str, partition: str = "") -> dict[str, int]:
        """The aliases of a model and the numbers of the versions that they name."""
        with self.workspace.catalog.read() as connection:
            return aliases_of(connection, self._line(model, partition))

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
            before = aliases_of(connection, line).get(alias)
            if number is not None:
                versions_of(connection, line, number)
            move = Move(alias=alias, before=before, after=number, by=by, why=why, at_us=moved)
            if before != number:
                self._move(connection, line, move)
            return move

    def _move(self, connection: sql.Connection, line: Line, move: Move) -> None:
        connection.execute(MOVES.insert(), sealed({**line.keys(), **row_of_move(move)}))
        self.workspace.catalog.record_change(connection, "aliases", str(line.at(move.alias)), at_us=move.at_us)

    def history(self, model: str, partition: str = "") -> list[Move]:
        """All moves of the model's aliases, the oldest first."""
        line = self._line(model, partition)
        with self.workspace.catalog.read() as connection:
            return moves_of(connection, line)

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


def _check_alias(alias: str, by: str) -> None:
    check_name(alias, "alias")
    if alias.isdigit() or alias in _NOT_ALIASES:
        hint = "a number names a version, and no version at all the newest"
        raise InvalidError(f"{alias!r} cannot be an alias", hint=hint, field="alias")
    if not by:
        raise InvalidError("an alias is moved by somebody", hint="say who with by=", field="by")
