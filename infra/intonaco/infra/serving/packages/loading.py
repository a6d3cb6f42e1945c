"""The one place where a package becomes a servable.

Trust is the loader's setting, never the package's: only flavors that installed plugins offer are loaded, what a flavor may do
is asked of the flavor, and a payload is looked at before any library parses it.
"""

from collections.abc import Mapping

from intonaco.core.errors import CorruptError, RefusedError
from intonaco.core.plugins import Plugins
from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.flavors import flavor_named
from intonaco.infra.serving.packages.locks import PYTHON, check_version
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.servable import Servable
from intonaco.infra.serving.packages.target import Target

__all__ = ["load_in_own_process", "load_servable"]


def load_servable(
    package: Package, plugins: Plugins, *, trust_code: bool = False, target: Target | None = None, resources: Resources | None = None
) -> Servable:
    """A servable of the package: of this process if it is inert, else of the target.

    Parameters
    ----------
    trust_code
        Whether packages that hold code may be loaded at all.
    target
        Where packages that hold code are loaded; they never are in this process.

    Raises
    ------
    RefusedError
        The package holds code and that is not trusted here, or its libraries have other versions here.
    CorruptError
        The payload is not what its flavor writes.
    NotRegisteredError
        No plugin offers its flavor.
    """
    flavor = _flavor(package, plugins)
    if flavor.inert:
        return flavor.load(package.files, package.signature)
    if not trust_code:
        hint = "set serving.trust_code = true if you trust all who can register models"
        raise RefusedError(f"package {package.digest[:12]} holds code (flavor {flavor.name!r}), and code is not trusted here", hint=hint)
    if target is None:
        raise RefusedError(f"package {package.digest[:12]} holds code (flavor {flavor.name!r}) and is loaded only by a process of its own")
    return target.load(package, resources or Resources())


def load_in_own_process(package: Package, plugins: Plugins) -> Servable:
    """A servable of the package, whatever it holds; called by nothing but a process that was started for this package alone."""
    return _flavor(package, plugins).load(package.files, package.signature)


def _flavor(package: Package, plugins: Plugins) -> Flavor:
    """The package's flavor, once nothing speaks against loading it."""
    flavor = flavor_named(plugins, package.manifest.flavor)
    if package.manifest.inert != flavor.inert:
        said = f"package {package.digest[:12]} says inert = {package.manifest.inert}"
        raise CorruptError(f"{said}, its flavor {flavor.name!r} says {flavor.inert}")
    if flavor.inert:
        _check_payload(package, flavor)
    _check_environment(package, flavor)
    return flavor


def _check_payload(package: Package, flavor: Flavor) -> None:
    if package.files.keys() != flavor.magic.keys():
        held = f"package {package.digest[:12]} holds {sorted(package.files)}"
        raise CorruptError(f"{held}; flavor {flavor.name!r} writes {sorted(flavor.magic)}")
    for name, start in flavor.magic.items():
        if not package.files[name].startswith(start):
            raise CorruptError(f"file {name!r} of package {package.digest[:12]} does not start as flavor {flavor.name!r} writes it")


def _check_environment(package: Package, flavor: Flavor) -> None:
    """Refuse other major and minor versions; patches keep formats and results."""
    locked: Mapping[str, str] = package.manifest.environment
    missing = sorted({*flavor.requires, PYTHON} - locked.keys())
    if missing:
        raise CorruptError(f"package {package.digest[:12]} locks no version of {missing[0]!r}")
    for name in flavor.requires if flavor.inert else (*flavor.requires, PYTHON):
        check_version(name, locked[name], f"package {package.digest[:12]}")
