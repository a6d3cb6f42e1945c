"""Packages in a blob store."""

from intonaco.core.errors import CorruptError
from intonaco.infra.serving.packages.package import MANIFEST_LIMIT_BYTES, Manifest, Package
from intonaco.infra.storage.blobs import BlobStore, SupportsStatuses, blob_name, get, put

__all__ = ["keep_package", "read_manifest", "read_package"]


def keep_package(blobs: BlobStore, package: Package) -> None:
    """Keep the package: its files first, the manifest that names them last."""
    for data in package.files.values():
        put(blobs, data)
    put(blobs, package.manifest.encode())


def read_package(blobs: BlobStore, digest: str) -> Package:
    """The package of this digest in a blob store."""
    manifest = read_manifest(blobs, digest)
    return Package.of(manifest, {name: _read(blobs, file.sha256, file.size_bytes, name) for name, file in manifest.files.items()})


def read_manifest(blobs: BlobStore, digest: str) -> Manifest:
    """The manifest of the package of this digest; nothing of its payload is read."""
    return Manifest.decode(_read(blobs, digest, MANIFEST_LIMIT_BYTES, "the manifest"))


def _read(blobs: BlobStore, digest: str, limit: int, what: str) -> bytes:
    """The blob of this digest, if it is not larger than it may be; it is measured before it is read."""
    if isinstance(blobs, SupportsStatuses) and any(status.size_bytes > limit for status in blobs.statuses(blob_name(digest))):
        raise CorruptError(f"{what} of the package is larger than {limit} bytes: blob {digest}")
    return get(blobs, digest)
