"""Packages as artifacts: what is kept is the manifest, whose digest is the package's own."""

from typing import Any

from intonaco.infra.lineage.formats import Format
from intonaco.infra.serving.packages.package import Manifest, Package

__all__ = ["PackageFormat"]


class PackageFormat(Format):
    """Packages and manifests; what comes back is the manifest, and `packages.load` of its digest the package."""

    kind = "package"

    def encode(self, value: Any) -> bytes:
        manifest: Manifest = value.manifest if isinstance(value, Package) else value
        return manifest.encode()

    def decode(self, data: bytes) -> Manifest:
        return Manifest.decode(data)
