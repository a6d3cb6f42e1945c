"""A deployment: the wanted state of an endpoint."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import field, frozen

from intonaco.core.errors import InvalidError
from intonaco.core.references import check_name

__all__ = ["Deployment", "Route"]


_LONGEST_NAME = 100  # the ledger's tables are named for it


def _positive(_: object, attribute: Any, value: float) -> None:
    if not value > 0:
        raise InvalidError(f"{attribute.name} is {value}; it must be greater than 0", field=attribute.name)


@frozen(kw_only=True)
class Route:
    """A version of a model that an endpoint serves, by its package, and its share of the requests."""

    version: int
    package: str
    model: str = ""
    weight: float = field(default=1.0, validator=_positive)


def _endpoint(_: object, __: object, value: str) -> None:
    check_name(value, "endpoint")
    if len(value) > _LONGEST_NAME:
        raise InvalidError(f"the endpoint's name has {len(value)} characters; it may have {_LONGEST_NAME}", field="endpoint")


def _routes(given: Sequence[Any]) -> tuple[Route, ...]:
    routes = tuple(each if isinstance(each, Route) else Route(**each) for each in given)
    if not routes:
        raise InvalidError("a deployment needs at least one version", field="routes")
    if len({route.version for route in routes}) < len(routes):
        raise InvalidError("a deployment names one version twice", field="routes")
    return routes


@frozen(kw_only=True)
class Deployment:
    """What an endpoint is to serve.

    Parameters
    ----------
    generation
        Counts the changes of what is wanted under this name; a server tells up to which one it has come.
    """

    project: str = field(validator=lambda _, __, value: check_name(value, "project") and None)
    endpoint: str = field(validator=_endpoint)
    routes: tuple[Route, ...] = field(converter=_routes)
    generation: int = 0

    def choose(self, request_id: str) -> int:
        """The version for a request: always the same for the same id, in proportion to the weights over many."""
        if len(self.routes) == 1:
            return self.routes[0].version
        point = int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest()) / 2**64
        point *= sum(route.weight for route in self.routes)
        for route in self.routes:
            point -= route.weight
            if point < 0:
                return route.version
        return self.routes[-1].version

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        routes = [{"version": each.version, "package": each.package, "model": each.model, "weight": each.weight} for each in self.routes]
        stored = {"project": self.project, "endpoint": self.endpoint, "generation": self.generation, "routes": routes}
        return msgspec.json.encode(stored).decode()

    @classmethod
    def from_json(cls, text: str) -> "Deployment":
        """Read what `to_json` wrote."""
        return cls(**msgspec.json.decode(text))
