"""What a store says of itself is well said."""

from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = ["check_lacks"]


def check_lacks(store: Store) -> None:
    """Hold that the store says what it lacks: of the promises of its primitive, or to be shared, each with what could give it."""
    assert type(store).lacks is not Store.lacks, "a store says itself what it lacks, if only that it lacks nothing"
    lacks = store.lacks()
    assert set(lacks) <= {*store.promises, Guarantee.SHARED}, "a store lacks only what its primitive promises"
    assert all(cure.strip() for cure in lacks.values()), "what could give a guarantee that a store lacks has to be said"
