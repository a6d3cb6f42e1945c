"""What a definition means, apart from how it is called and described."""

import hashlib
from typing import Any

import msgspec

from intonaco.infra.features.defined.entities import Entity
from intonaco.infra.features.defined.functions import RequestFunction
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView

__all__ = ["Definition", "digest", "function_meaning", "kind_of", "meaning"]

Definition = Entity | FeatureView | FeatureSet | Labels

#: Stands in front of what is hashed; another rule needs another number, so that old digests stay comparable.
_RULE = 1


def kind_of(definition: Definition) -> str:
    """The word for it in the catalog: entity, view, set or labels."""
    return {Entity: "entity", FeatureView: "view", FeatureSet: "set", Labels: "labels"}[type(definition)]


def meaning(definition: Definition) -> dict[str, Any]:
    """Plain values that change if and only if answers may change."""
    if isinstance(definition, Entity):
        return {"keys": _keys(definition)}
    if isinstance(definition, FeatureView):
        return definition.meaning()
    if isinstance(definition, Labels):
        return {name: getattr(definition, name) for name in ("table", "keys", "value", "final", "at")}
    uses = [use.meaning() for use in definition.features]
    request = [(column.name, column.dtype, column.is_feature) for column in definition.request]
    functions = [function_meaning(each) for each in definition.functions]
    return {"features": uses, "request": request, "functions": functions}


def function_meaning(function: RequestFunction) -> tuple[Any, ...]:
    """What a request-time function is called and computes; parameters only where there are some, so that old digests stay."""
    plain = (function.name, function.function, function.arguments)
    return (*plain, function.parameters) if function.parameters else plain


def digest(definition: Definition) -> str:
    """SHA-256 of the meaning."""
    return hashlib.sha256(msgspec.json.encode([_RULE, kind_of(definition), meaning(definition)], order="deterministic")).hexdigest()


def _keys(entity: Entity) -> list[tuple[str, str]]:
    return [(key.name, key.dtype) for key in entity.keys]
