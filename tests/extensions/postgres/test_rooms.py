"""Every room's tables on PostgreSQL."""

from collections.abc import Iterator

import pytest

from intonaco.core.plugins import Plugins, load_path
from intonaco.infra.storage import record
from intonaco.infra.storage.catalog.catalog import Catalog, Room
from intonaco.infra.testing.catalog import RoomContract

pytest_plugins = ("intonaco.ext.postgres.testing",)
pytestmark = pytest.mark.slow

ROOMS = [record.ROOM, *(load_path(offer.path) for offer in Plugins.discover().offers("catalog_rooms").values())]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.name))
class TestRoomsOnPostgres(RoomContract):
    @pytest.fixture
    def catalog(self, room: Room, postgres_url: str) -> Iterator[Catalog]:
        with Catalog.open(postgres_url, [room]) as catalog:
            yield catalog
