"""Any model written in Python, packed with its code.

What such a package holds runs when it is loaded, so it is loaded only where code is trusted, and there in a process of its own.
Its state is what the model itself writes; nothing is pickled.
"""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from attrs import define, frozen

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.infra.lineage.code.code import code_of, path_of
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.locks import check_version
from intonaco.infra.serving.packages.servable import Servable, Signature

__all__ = ["PythonFlavor", "PythonModel"]

_INDEX = "model.json"


class PythonModel(ABC):
    """A model of your own: subclass it at the top of a module, and it can be packed, registered and served.

    The module and all project code that the class reaches travel with the package; third-party libraries are locked to their
    versions. An instance is called from one thread at a time.
    """

    __slots__ = ()

    @abstractmethod
    def predict(self, columns: Columns) -> Mapping[str, Column]:
        """The outputs of the signature, for columns that were checked against its inputs."""

    @abstractmethod
    def save(self) -> dict[str, bytes]:
        """The state as named files; equal bytes for equal states."""

    @classmethod
    @abstractmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """The model whose state `save` wrote."""


class PythonFlavor(Flavor):
    """Packs a `PythonModel`: `code/` holds the modules, `state/` what the model saved, `model.json` says what to load."""

    __slots__ = ()

    name = "python"
    inert = False
    requires = ("intonaco-core", "intonaco-infra")

    def save(self, model: Any, signature: Signature) -> dict[str, bytes]:
        if not isinstance(model, PythonModel):
            raise DefinitionError(f"the python flavor saves a PythonModel, not a {type(model).__name__}")
        if type(model).__module__ == "__main__":
            hint = "define it in a module of its own, which a server can import without running your script"
            raise DefinitionError(f"the class {type(model).__qualname__} is defined in a script", hint=hint)
        code = code_of([type(model)])
        modules = sorted({symbol.partition(":")[0] for symbol in code.symbols} - {"intonaco"})
        files = _sources([module for module in modules if not module.startswith("intonaco.")])
        index = {"class": path_of(type(model)), "libraries": _locked(code.libraries)}
        state = {f"state/{name}": bytes(data) for name, data in model.save().items()}
        return {_INDEX: json.dumps(index, sort_keys=True).encode(), **files, **state}

    def load(self, files: Mapping[str, bytes], signature: Signature) -> Servable:
        index = _read_index(files)
        _check_libraries(index["libraries"])
        _serve_sources({_module(name): (name, data) for name, data in files.items() if name.startswith("code/")})
        module, _, name = index["class"].partition(":")
        kind = getattr(import_module(module), name, None)
        if not (isinstance(kind, type) and issubclass(kind, PythonModel)):
            raise CorruptError(f"the package's class {index['class']} is not a PythonModel")
        state = {name.removeprefix("state/"): data for name, data in files.items() if name.startswith("state/")}
        return PythonServable(signature, kind.load(state))


@frozen
class PythonServable(Servable):
    """A model of the user's own."""

    signature: Signature
    model: PythonModel

    def predict(self, columns: Columns) -> dict[str, Column]:
        return dict(self.model.predict(columns))


def _sources(modules: Sequence[str]) -> dict[str, bytes]:
    """The files of modules, and of the packages around them, under `code/`."""
    around = {".".join(module.split(".")[:depth]) for module in modules for depth in range(1, module.count(".") + 1)}
    files = {}
    for module in sorted({*modules, *around}):
        path = _file(module)
        if path is not None:
            name = module.replace(".", "/")
            files[f"code/{name}/__init__.py" if path.name == "__init__.py" else f"code/{name}.py"] = path.read_bytes()
    return files


def _file(module: str) -> Path | None:
    """Where a module's source lies; None for a folder without `__init__.py`."""
    spec = find_spec(module)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _module(name: str) -> str:
    return name.removeprefix("code/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _locked(libraries: Sequence[str]) -> dict[str, str]:
    known = packages_distributions()
    names = sorted({name for library in libraries for name in known.get(library, ()) if not name.startswith("intonaco")})
    return {name: version(name) for name in names}


def _read_index(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads(files[_INDEX])
        return {"class": str(index["class"]), "libraries": {str(name): str(text) for name, text in index["libraries"].items()}}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CorruptError(f"{_INDEX} of the package cannot be read: {error}") from error


def _check_libraries(libraries: Mapping[str, str]) -> None:
    for name, locked in libraries.items():
        check_version(name, locked, "the package's code")


def _serve_sources(sources: Mapping[str, tuple[str, bytes]]) -> None:
    """Let the package's modules be imported under their own names; those that are loaded already stay."""
    if any(module not in sys.modules for module in sources):
        sys.meta_path.insert(0, _Packed(dict(sources)))


@define(eq=False)
class _Packed(MetaPathFinder, Loader):
    """Finds and loads the modules of a package."""

    sources: dict[str, tuple[str, bytes]]

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in self.sources:
            name, _ = self.sources[fullname]
            return spec_from_loader(fullname, self, origin=f"package:{name}", is_package=name.endswith("/__init__.py"))
        if any(module.startswith(f"{fullname}.") for module in self.sources):
            folder = ModuleSpec(fullname, None, is_package=True)
            folder.submodule_search_locations = []
            return folder
        return None

    def exec_module(self, module: ModuleType) -> None:
        name, data = self.sources[module.__name__]
        exec(compile(data, f"package:{name}", "exec"), module.__dict__)
