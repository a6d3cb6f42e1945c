"""Finding the flavor of a model, and flavors by name."""

from typing import Any

from intonaco.core.errors import DefinitionError, PluginError
from intonaco.core.plugins import Plugins
from intonaco.infra.serving.packages.flavor import Flavor

__all__ = ["flavor_named", "flavor_of"]


def flavor_named(plugins: Plugins, name: str) -> Flavor:
    """The flavor that a plugin offers under this name; NotRegisteredError lists the known ones."""
    found = plugins.load("flavors", name, "flavor")
    if not (isinstance(found, type) and issubclass(found, Flavor) and found.name == name):
        raise PluginError(f"what is offered as flavor {name!r} is not a Flavor of that name: {found!r}")
    return found()


def flavor_of(plugins: Plugins, model: object) -> Flavor:
    """The flavor that saves this model: that of its class, or of the nearest class above it.

    Raises
    ------
    DefinitionError
        No plugin names a flavor for any of its classes.
    """
    known = plugins.offers("model_types")
    for each in type(model).__mro__:
        offer = known.get(_qualified(each))
        if offer is not None:
            return flavor_named(plugins, offer.path)
    raise DefinitionError(
        f"no flavor saves a {_qualified(type(model))}; known: {', '.join(sorted(known)) or 'none'}",
        hint="subclass intonaco.infra.serving.packages.code.PythonModel, or write a plugin with the hooks `flavors` and `model_types`",
    )


def _qualified(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
