"""All that `intonaco.toml` can say, checked where it is read; what is left out holds for one machine and needs no server."""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from intonaco.core.errors import InvalidError
from intonaco.core.references import DEFAULT_PROJECT, check_name
from intonaco.core.urls import StoreUrl

__all__ = ["EngineSettings", "FeatureSettings", "PluginSettings", "ServingSettings", "Settings", "StoreSettings"]


def _store_url(_: object, attribute: Any, value: str) -> None:
    StoreUrl.parse(value)


def _at_least(least: float) -> Callable[[object, Any, float], None]:
    def check(_: object, attribute: Any, value: float) -> None:
        if value < least:
            raise InvalidError(f"{attribute.name} is {value}; it must be at least {least}")

    return check


@frozen(kw_only=True)
class StoreSettings:
    """Where state is kept; a relative path is one of the workspace's folder."""

    blobs: str = field(default="file:.intonaco/blobs", validator=_store_url)
    tables: str = field(default="file:.intonaco/tables", validator=_store_url)
    keyvalue: str = field(default="lmdb:.intonaco/online", validator=_store_url)
    stream: str = field(default="sqlite:.intonaco/streams.db", validator=_store_url)
    catalog: str = field(default="sqlite:.intonaco/catalog.db", validator=_store_url)


@frozen(kw_only=True)
class EngineSettings:
    """What does the work, and with how many processes and threads."""

    tasks: str = "local"
    tables: str = "polars"
    workers: int = field(default=2, validator=_at_least(1))
    threads: int = field(default=2, validator=_at_least(1))


@frozen(kw_only=True)
class PluginSettings:
    """Plugins to leave out, and plugins without which nothing is to run."""

    disabled: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@frozen(kw_only=True)
class ServingSettings:
    """The built-in server; an address beyond loopback needs a token.

    Parameters
    ----------
    grpc_port
        Of gRPC, at the same host; 0 takes a free one, -1 leaves gRPC off. It needs the extra `grpc` of intonaco-infra.
    features_s
        How long a read of features may take, within the deadline.
    degrade
        Whether a request is answered with defaults when the store of features does not answer, and says so; else it gets 503.
    """

    host: str = "127.0.0.1"
    port: int = field(default=8080, validator=_at_least(0))
    grpc_port: int = field(default=-1, validator=_at_least(-1))
    token: str = field(default="", repr=False)
    deadline_s: float = field(default=10.0, validator=_at_least(0.001))
    features_s: float = field(default=0.5, validator=_at_least(0.001))
    degrade: bool = True
    body_limit_bytes: int = field(default=16 * 1024 * 1024, validator=_at_least(1024))
    queue_limit: int = field(default=1024, validator=_at_least(1))
    memory_limit_mb: int = field(default=2048, validator=_at_least(64))
    ledger_limit_bytes: int = field(default=256 * 1024 * 1024, validator=_at_least(1024))
    trust_code: bool = False


@frozen(kw_only=True)
class FeatureSettings:
    """Reading features; so many rows a second are kept of what is read online, to measure consistency, none if 0."""

    logged_rows_per_s: float = field(default=10.0, validator=_at_least(0))


@frozen(kw_only=True)
class Settings:
    """All that `intonaco.toml` can say."""

    project: str = field(default=DEFAULT_PROJECT, validator=lambda _, __, value: check_name(value, "project") and None)
    #: The platform that commands open, whose needs hold for every process of the workspace.
    platform: str = ""
    definitions: tuple[str, ...] = ()
    stores: StoreSettings = StoreSettings()
    engines: EngineSettings = EngineSettings()
    plugins: PluginSettings = PluginSettings()
    features: FeatureSettings = FeatureSettings()
    serving: ServingSettings = ServingSettings()
