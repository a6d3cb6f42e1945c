"""A scratch place is beside the store, and its URL opens it in another process too."""

import pytest

from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.storage.scratch import Scratch


@pytest.mark.parametrize(
    "text",
    [
        "redis://:secret@127.0.0.1:6379/0?prefix=check",
        "redis://me:p%40ss%2Fword@127.0.0.1:6379/0",
        "postgresql://me@db/ml?schema=check",
        "redis://127.0.0.1:6379/0",
        "lmdb:/var/online?map_size_gb=4",
    ],
)
def test_the_url_keeps_who_may_use_it(text: str) -> None:
    place = StoreUrl.parse(text)
    assert StoreUrl.parse(Scratch(place, LmdbStore).url) == place
