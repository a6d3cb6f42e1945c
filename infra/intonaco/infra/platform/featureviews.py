"""Which feature views a name on the command line means."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intonaco.infra.features.defined.views import FeatureView
    from intonaco.infra.features.store import FeatureStore

__all__ = ["views_named"]


def views_named(store: "FeatureStore", name: str) -> "Sequence[FeatureView]":
    """The view of this name, or the views of the set of this name."""
    from intonaco.core.errors import MissingError
    from intonaco.core.schema import suggestion
    from intonaco.infra.features.defined.views import FeatureView

    kinds: tuple[str, ...] = ("view", "set")
    found = next((each for kind in kinds if (each := store.registry.find(kind, name)) is not None), None)
    if found is None:
        known = {each.name for each in store.registry.search() if each.kind in kinds}
        hint = suggestion(name, known) if known else "intonaco features apply records the definitions"
        raise MissingError(f"no feature view or set {name!r} is applied in project {store.project!r}", hint=hint, field=name)
    return [found.definition] if isinstance(found.definition, FeatureView) else store.feature_set(name).views
