"""What a store says of itself is well said."""

from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = ["check_lacks"]


def check_lacks(store: Store) -> None:
    """Hold that what the store lacks is a promise of its primitive, or to be shared, and comes with what could give it."""
    lacks = store.lacks()
    assert set(lacks) <= {*store.promises, Guarantee.SHARED}, "a store lacks only what its primitive promises"
    assert all(cure.strip() for cure in lacks.values()), "what could give a guarantee that a store lacks has to be said"
