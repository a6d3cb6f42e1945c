"""Projects have one owner, and a version needs a held-out evaluation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from intonaco.core.errors import AlreadyExistsError, InvalidError, MissingError
from intonaco.infra.launch.projects import Projects
from intonaco.infra.launch.tables import ROOM
from intonaco.infra.storage.catalog.catalog import Room
from intonaco.infra.testing.catalog import RoomContract
from intonaco.infra.workspace import Workspace


class TestLaunchRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[Projects]:
    with Workspace.open(tmp_path) as workspace:
        yield Projects(workspace)


def test_a_project_is_found_by_its_name(projects: Projects) -> None:
    projects.register("maps", "Map Services", "arrival times")
    assert projects.get("maps").owner == "Map Services"


def test_registering_again_with_the_same_owner_changes_nothing(projects: Projects) -> None:
    first = projects.register("maps", "Map Services")
    assert projects.register("maps", "Map Services") == first


def test_another_team_cannot_take_a_project(projects: Projects) -> None:
    projects.register("maps", "Map Services")
    with pytest.raises(AlreadyExistsError, match="owned by 'Map Services'"):
        projects.register("maps", "Eats")


def test_a_project_needs_an_owner(projects: Projects) -> None:
    with pytest.raises(InvalidError, match="needs an owner"):
        projects.register("maps", " ")


def test_an_unknown_project_is_an_error_with_a_suggestion(projects: Projects) -> None:
    projects.register("maps", "Map Services")
    with pytest.raises(MissingError, match="did you mean 'maps'"):
        projects.get("map")
