"""Projects: problems with an owner."""

import time

import sqlalchemy as sql
from attrs import define, field, frozen

from intonaco.core.errors import AlreadyExistsError, ConflictError, InvalidError, MissingError
from intonaco.core.references import check_name
from intonaco.core.schema import suggestion
from intonaco.infra.launch.tables import PROJECTS
from intonaco.infra.workspace import Workspace

__all__ = ["Project", "Projects"]


@frozen(kw_only=True)
class Project:
    """A problem, and the team that owns what is built for it."""

    name: str
    owner: str
    description: str = ""
    made_us: int = 0


@define(eq=False)
class Projects:
    """The projects of a workspace."""

    workspace: Workspace = field(kw_only=False)

    def register(self, name: str, owner: str, description: str = "") -> Project:
        """Make a project; one that is there with the same owner stays as it is.

        Raises
        ------
        InvalidError
            The name cannot be one, or there is no owner.
        AlreadyExistsError
            Another team owns it.
        """
        check_name(name, "project")
        if not owner.strip():
            raise InvalidError(f"project {name!r} needs an owner", hint="name the team that answers for it", field="owner")
        project = Project(name=name, owner=owner, description=description, made_us=time.time_ns() // 1000)
        try:
            with self.workspace.catalog.transaction() as connection:
                connection.execute(PROJECTS.insert().values(name=name, owner=owner, description=description, made_us=project.made_us))
        except ConflictError:
            return self._same(project)
        return project

    def get(self, name: str) -> Project:
        """The project of this name; MissingError if there is none."""
        found = {project.name: project for project in self.all()}
        if name not in found:
            raise MissingError(f"no project {name!r}", hint=suggestion(name, found), field=name)
        return found[name]

    def all(self) -> list[Project]:
        """All projects by name."""
        with self.workspace.catalog.read() as connection:
            rows = connection.execute(sql.select(PROJECTS).order_by(PROJECTS.c.name))
            return [Project(**row) for row in rows.mappings()]

    def _same(self, wanted: Project) -> Project:
        held = self.get(wanted.name)
        if held.owner != wanted.owner:
            raise AlreadyExistsError(f"project {wanted.name!r} is owned by {held.owner!r}, not {wanted.owner!r}", field=wanted.name)
        return held
