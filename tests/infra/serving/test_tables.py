import pytest

from intonaco.infra.serving.tables import ROOM
from intonaco.infra.storage.rooms import Room
from intonaco.infra.testing.catalog import RoomContract


class TestServingRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM
