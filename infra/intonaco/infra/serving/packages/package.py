"""Packages: a manifest and a payload that any process can load and score.

Format 1. The manifest is one JSON object, keys sorted, without spaces; its SHA-256 is the package's digest, and it names each
file of the payload by its SHA-256. It holds no time and no run, so that equal models make equal packages.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from attrs import field, frozen

from intonaco.core.columns import Column
from intonaco.core.errors import CorruptError, IntonacoError
from intonaco.infra.serving.packages.rows import columns_from_json
from intonaco.infra.serving.packages.servable import Signature

__all__ = ["FORMAT", "MANIFEST_LIMIT_BYTES", "PAYLOAD_LIMIT_BYTES", "Manifest", "Package", "PayloadFile"]

FORMAT = 1
MANIFEST_LIMIT_BYTES = 64 * 1024 * 1024
PAYLOAD_LIMIT_BYTES = 8 * 1024 * 1024 * 1024
FILES_LIMIT = 10_000

T = TypeVar("T")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PayloadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a payload."""

    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a package says of itself.

    Parameters
    ----------
    inert
        What the flavor said when the package was made; the loader asks the flavor, and refuses a package that says otherwise.
    environment
        Distributions that the flavor needs, to the versions with which the package was made; `python` is the interpreter's.
    plan
        The read plan of the features, as its room writes it; None if the model reads none.
    samples, scores
        Rows of the inputs and the answers to them, as `rows.columns_to_json` writes them.
    """

    format: int
    flavor: str
    inert: bool
    signature: dict[str, Any]
    environment: dict[str, str]
    files: dict[str, PayloadFile]
    plan: dict[str, Any] | None
    samples: dict[str, list[Any]]
    scores: dict[str, list[Any]]

    def encode(self) -> bytes:
        """The one way to write this manifest."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """Read what `encode` wrote, and nothing else.

        Raises
        ------
        CorruptError
            It is not a manifest of a format that is known here, names a file that could leave a folder, or was not written by `encode`.
        """
        try:
            probe = msgspec.json.decode(data[:MANIFEST_LIMIT_BYTES], type=dict[str, Any])
            if probe.get("format") != FORMAT:
                given = f"the package has format {probe.get('format')!r}"
                raise CorruptError(f"{given}; this version reads format {FORMAT}", hint="a newer Intonaco may read it")
            manifest = msgspec.convert(probe, cls)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise CorruptError(f"the manifest of the package cannot be read: {error}") from error
        manifest._check_files()
        if manifest.encode() != data:
            raise CorruptError("the manifest of the package was not written by Intonaco: keys out of order, twice, or with spaces")
        return manifest

    def _check_files(self) -> None:
        if len(self.files) > FILES_LIMIT:
            raise CorruptError(f"the package names {len(self.files)} files; the limit is {FILES_LIMIT}")
        for name, file in self.files.items():
            if len(name) > 200 or _FILE_NAME.fullmatch(name) is None:
                raise CorruptError(f"the package names the file {name[:200]!r}, which could leave its folder")
            if _DIGEST.fullmatch(file.sha256) is None or file.size_bytes < 0:
                raise CorruptError(f"the package's file {name!r} has no proper digest and size")
        if sum(file.size_bytes for file in self.files.values()) > PAYLOAD_LIMIT_BYTES:
            raise CorruptError(f"the package's files are larger than {PAYLOAD_LIMIT_BYTES} bytes together")


@frozen(kw_only=True)
class Package:
    """A manifest and the files it names, verified.

    Parameters
    ----------
    digest
        SHA-256 of the manifest.
    files
        Names to bytes; part of no comparison, as the manifest holds their digests.
    """

    digest: str
    manifest: Manifest = field(repr=False, eq=False)
    files: Mapping[str, bytes] = field(repr=False, eq=False)

    @classmethod
    def of(cls, manifest: Manifest, files: Mapping[str, bytes]) -> "Package":
        """The package of this manifest; CorruptError if the files are not those that it names."""
        package = cls(digest=hashlib.sha256(manifest.encode()).hexdigest(), manifest=manifest, files=dict(files))
        if manifest.files.keys() != files.keys():
            raise CorruptError(f"package {package.digest[:12]} names the files {sorted(manifest.files)}, but holds {sorted(files)}")
        for name, file in manifest.files.items():
            if len(files[name]) != file.size_bytes or hashlib.sha256(files[name]).hexdigest() != file.sha256:
                raise CorruptError(f"file {name!r} of package {package.digest[:12]} is not the one that its manifest names")
        return package

    @cached_property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return _read("signature", lambda: Signature.from_json(self.manifest.signature))

    @cached_property
    def samples(self) -> dict[str, Column]:
        """The sample rows."""
        return _read("sample rows", lambda: columns_from_json(self.manifest.samples, self.signature.inputs))

    @cached_property
    def scores(self) -> dict[str, Column]:
        """The answers to the sample rows, when the package was made."""
        return _read("scores", lambda: columns_from_json(self.manifest.scores, self.signature.outputs))


def _read(what: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (IntonacoError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(f"the {what} of the package cannot be read: {error}") from error
