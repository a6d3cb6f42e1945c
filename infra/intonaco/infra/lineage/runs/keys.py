"""Keys: what identifies a call of a step, so that the same call is not run again."""

import hashlib
from collections.abc import Callable
from types import FunctionType
from typing import Any

import attrs
from attrs import define, field, frozen

from intonaco.core.discovery import load_path
from intonaco.core.errors import CorruptError
from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.code.code import Code, code_of, path_of
from intonaco.infra.lineage.code.environment import python_version, versions
from intonaco.infra.lineage.formats import has_format, is_columns
from intonaco.infra.lineage.runs.steps import Outcome, Step
from intonaco.infra.storage.tables import Snapshot

__all__ = ["Arguments", "Key", "arguments_of", "key_of", "rebuilt"]

#: A plain argument whose JSON is longer is kept as an artifact, so that keys stay small.
_LARGE = 16_384


@frozen(kw_only=True)
class Key:
    """The digest of a call, and the parts that it is made of: function, code, arguments, distributions, interpreter."""

    digest: str
    parts: dict[str, Any] = field(repr=False)


@define
class Arguments:
    """The arguments of a call as they are recorded.

    Parameters
    ----------
    trees
        Names to JSON trees, in which an artifact is `{"$artifact": [kind, digest]}`.
    artifacts
        Where in the arguments artifacts stand (`models[0]`), and which.
    classes
        Functions and classes that stand in the arguments; their code counts.
    """

    trees: dict[str, Any]
    artifacts: dict[str, Artifact]
    classes: list[Callable[..., Any] | type]


def arguments_of(bound: dict[str, Any], artifacts: Artifacts) -> Arguments:
    """Take the arguments of a call apart; what only an artifact format keeps is kept.

    Raises
    ------
    InvalidError
        One is of a type that cannot be recorded; the message says where it stands.
    """
    found = Arguments({}, {}, [])
    reader = _Reader(artifacts, found)
    for name, value in bound.items():
        found.trees[name] = reader.read(value, name)
    return found


@define
class _Reader:
    artifacts: Artifacts
    found: Arguments

    def read(self, value: Any, name: str) -> Any:
        if is_columns(value):
            return self._artifact(self.artifacts.write(value), name)
        tree = values.encode(value, name, self.other)
        if not isinstance(value, list | dict | tuple | str | bytes) or len(values.dumps(tree)) <= _LARGE or _has_marks(tree):
            return tree
        return self._artifact(self.artifacts.write(value), name)

    def other(self, value: Any, where: str) -> Any:
        if isinstance(value, Outcome):
            return self._artifact(value.artifact, where)
        if isinstance(value, Step):
            value = value.function
        if isinstance(value, FunctionType | type):
            self.found.classes.append(value)
            return {"$import": path_of(value)}
        if isinstance(value, Artifact | Snapshot) or has_format(value, self.artifacts.workspace.plugins) or not attrs.has(type(value)):
            return self._artifact(self.artifacts.write(value), where)
        return self._attrs(value, where)

    def _attrs(self, value: Any, where: str) -> Any:
        cls = type(value)
        self.found.classes.append(cls)
        fields = [each for each in attrs.fields(cls) if each.init]
        held = {each.alias: values.encode(getattr(value, each.name), f"{where}.{each.name}", self.other) for each in fields}
        return {"$attrs": [path_of(cls), held]}

    def _artifact(self, artifact: Artifact, where: str) -> Any:
        self.found.artifacts[where] = artifact
        return {"$artifact": [artifact.kind, artifact.digest]}


def _has_marks(tree: Any) -> bool:
    """Whether it holds something that the plain format would not give back."""
    if isinstance(tree, dict):
        return any(key in ("$artifact", "$attrs", "$import") or _has_marks(each) for key, each in tree.items())
    return isinstance(tree, list) and any(_has_marks(each) for each in tree)


def key_of(step: Step[..., Any], arguments: Arguments, uses: tuple[str, ...] = ()) -> Key:
    """The key of a call; `uses` are import paths whose code counts as well."""
    code = code_of([step.function, *step.uses, *uses, *arguments.classes])
    seeds = {name: arguments.trees[name] for name in step.seeds if name in arguments.trees}
    parts = {
        "function": step.path,
        "version": step.version,
        "arguments": {name: tree for name, tree in arguments.trees.items() if name not in seeds},
        "seeds": seeds,
        "code": code.symbols,
        "distributions": _versions(code, step),
        "python": python_version(),
    }
    return Key(digest=hashlib.sha256(values.dumps(parts, ordered=True).encode()).hexdigest(), parts=parts)


def _versions(code: Code, step: Step[..., Any]) -> dict[str, str]:
    return versions(tuple(sorted({*code.libraries, *step.requires})))


def rebuilt(trees: dict[str, Any], artifacts: dict[tuple[str, str], Artifact], load: Callable[[Artifact], Any]) -> dict[str, Any]:
    """The arguments of a recorded call, from their trees and the artifacts (by kind and digest) that stand in them.

    Raises
    ------
    CorruptError
        The record names an artifact that it does not list, or a class that cannot be made anew.
    """

    def artifact(held: list[str]) -> Any:
        try:
            return load(artifacts[held[0], held[1]])
        except KeyError as error:
            raise CorruptError(f"the recorded arguments name the artifact {held}, which is not among the recorded inputs") from error

    def made(held: list[Any]) -> Any:
        cls = load_path(held[0])
        if not (isinstance(cls, type) and attrs.has(cls)):
            raise CorruptError(f"the recorded arguments name {held[0]}, which is not an attrs class")
        return cls(**{name: values.decode(tree, others) for name, tree in held[1].items()})

    others: dict[str, Callable[[Any], Any]] = {"$artifact": artifact, "$attrs": made, "$import": load_path}
    return {name: values.decode(tree, others) for name, tree in trees.items()}
