"""Making packages, and reading them from the workspace's blobs."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intonaco.core.columns import Columns, rows_of, take
from intonaco.core.errors import InvalidError
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.flavors import flavor_of
from intonaco.infra.serving.packages.keeping import keep_package, read_package
from intonaco.infra.serving.packages.locks import locked
from intonaco.infra.serving.packages.package import FORMAT, Manifest, Package, PayloadFile
from intonaco.infra.serving.packages.proof import prove
from intonaco.infra.serving.packages.rows import columns_to_json
from intonaco.infra.serving.packages.servable import Signature

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["SAMPLE_ROWS", "build", "load"]

#: How many of the rows that `build` is given stand in the manifest.
SAMPLE_ROWS = 16


def build(
    workspace: "Workspace",
    model: object,
    signature: Signature,
    *,
    samples: Columns,
    plan: Mapping[str, Any] | None = None,
    flavor: Flavor | None = None,
) -> Package:
    """Pack a model, and prove in a clean process that the package scores its sample rows as the model does here.

    Equal models with equal signature, plan and samples make the same package, digest and all.

    Parameters
    ----------
    samples
        Rows of the inputs, as they are served; the first few are kept in the manifest.
    plan
        The read plan of the features, as JSON values.
    flavor
        How to save the model; by default found by its class.

    Raises
    ------
    DefinitionError
        No flavor saves such a model, or the signature does not fit it.
    RefusedError
        The clean process scored otherwise, or one row otherwise than the same row among others.
    """
    chosen = flavor or flavor_of(workspace.plugins, model)
    package = _packed(chosen, model, signature, samples, plan)
    keep_package(workspace.blobs, package)
    prove(workspace, package)
    return package


def _packed(flavor: Flavor, model: object, signature: Signature, samples: Columns, plan: Mapping[str, Any] | None) -> Package:
    files = flavor.save(model, signature)
    rows = signature.settle(take(samples, slice(0, SAMPLE_ROWS)), "the sample rows")
    if rows_of(rows) == 0:
        raise InvalidError("a package needs at least one sample row to be proved on", field="samples")
    scores = flavor.load(files, signature).predict(rows)
    signature.outputs.check(scores, f"the answer of the {flavor.name} model")
    manifest = Manifest(
        format=FORMAT,
        flavor=flavor.name,
        inert=flavor.inert,
        signature=signature.to_json(),
        environment=locked(flavor.requires),
        files={name: PayloadFile(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()},
        plan=None if plan is None else dict(plan),
        samples=columns_to_json(rows, signature.inputs),
        scores=columns_to_json(scores, signature.outputs),
    )
    return Package.of(manifest, files)


def load(workspace: "Workspace", digest: str) -> Package:
    """The package of this digest, each byte verified.

    Raises
    ------
    MissingError
        It, or one of its files, is not stored.
    CorruptError
        It is damaged, or not a package.
    """
    return read_package(workspace.blobs, digest)
