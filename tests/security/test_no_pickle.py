"""Nothing of ours unpickles, forks or evaluates text, by whatever library: what is stored and sent is data alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [path for folder in ("core", "infra", "platforms", "extensions") for path in sorted((ROOT / folder).rglob("*.py"))]

MODULES = {"_pickle", "cloudpickle", "dill", "joblib", "marshal", "multiprocessing", "pickle", "shelve"}
NAMES = {"ProcessPoolExecutor", "allow_pickle", "eval", "exec", "fork", "forkpty"}

#: A package with code runs what it holds: in a process of its own, and only where the server's settings trust code.
#: A read plan is compiled to a function whose source holds nothing that stands in the plan but whole numbers (test_plan_source).
ALLOWED = {("infra/intonaco/infra/serving/packages/code.py", "exec"), ("infra/intonaco/infra/features/online/plansource.py", "exec")}


def used(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Modules that are imported and names that are called or given as keywords, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((name, node.lineno) for name in [(node.module or "").partition(".")[0], *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
            yield from ((each, node.lineno) for each in [name, *(keyword.arg or "" for keyword in node.keywords if not refuses(keyword))])


def refuses(keyword: ast.keyword) -> bool:
    """Whether a keyword says False."""
    return isinstance(keyword.value, ast.Constant) and keyword.value.value is False


@pytest.mark.parametrize("folder", ["core", "infra", "platforms", "extensions"])
def test_nothing_unpickles_forks_or_evaluates_text(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == folder
        for name, line in used(ast.parse(path.read_text()))
        if name in MODULES | NAMES and (str(path.relative_to(ROOT)), name) not in ALLOWED
    ]
    assert found == []
