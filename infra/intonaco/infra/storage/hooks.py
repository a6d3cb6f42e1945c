"""What plugins can offer to storage; each runs in the driver, in workers and in servers."""

from intonaco.core.plugins import hookspec

__all__ = ["blob_stores", "catalog_databases", "catalog_rooms", "key_value_stores", "streams", "table_stores"]


@hookspec
def blob_stores() -> dict[str, str]:
    """URL schemes to import paths of `BlobStore` classes."""


@hookspec
def table_stores() -> dict[str, str]:
    """URL schemes to import paths of `TableStore` classes."""


@hookspec
def key_value_stores() -> dict[str, str]:
    """URL schemes to import paths of `KeyValueStore` classes."""


@hookspec
def streams() -> dict[str, str]:
    """URL schemes to import paths of `Stream` classes."""


@hookspec
def catalog_databases() -> dict[str, str]:
    """URL schemes to import paths of `Database` classes, which hold a catalog."""


@hookspec
def catalog_rooms() -> dict[str, str]:
    """Names of rooms to import paths of their `Room`: tables that they own in the catalog, with their migrations."""
