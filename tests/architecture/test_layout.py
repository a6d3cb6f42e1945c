import ast
import re
import subprocess
from pathlib import Path
from typing import Any

Distributions = dict[Path, dict[str, Any]]

VAGUE = {"base", "common", "helpers", "manager", "misc", "util", "utils"}
MODELLING = {"catboost", "lightgbm", "sklearn", "tensorflow", "torch", "transformers", "xgboost"}


def ours(root: Path, *folders: str) -> list[Path]:
    return [path for folder in folders or ("core", "infra", "platforms", "extensions") for path in sorted((root / folder).rglob("*.py"))]


def test_the_namespace_has_no_init(distributions: Distributions, root: Path) -> None:
    for folder in distributions:
        assert not list((root / folder / "intonaco").glob("__init__.py")), folder
        assert not (root / folder / "intonaco/ext/__init__.py").exists(), folder


def test_mypy_knows_every_distribution(distributions: Distributions, workspace: dict[str, Any]) -> None:
    assert sorted(workspace["tool"]["mypy"]["mypy_path"].split(":")) == sorted(map(str, distributions))


def test_one_version_everywhere(distributions: Distributions, workspace: dict[str, Any]) -> None:
    versions = {str(folder): file["project"]["version"] for folder, file in distributions.items()}
    assert set(versions.values()) == {workspace["project"]["version"]}, versions


def test_siblings_are_pinned_to_the_one_version(distributions: Distributions, workspace: dict[str, Any]) -> None:
    for file in [workspace, *distributions.values()]:
        extras = file["project"].get("optional-dependencies", {}).values()
        for wanted in [*file["project"]["dependencies"], *(each for extra in extras for each in extra)]:
            if wanted.startswith("intonaco"):
                assert wanted.endswith(f"=={workspace['project']['version']}"), wanted


def test_every_distribution_is_named_typed_and_licensed(distributions: Distributions, root: Path) -> None:
    licence = (root / "LICENSE").read_bytes()
    for folder, file in distributions.items():
        portion = root / folder / "intonaco" / ("ext" if folder.parts[0] == "extensions" else "") / folder.name
        assert file["project"]["name"] == f"intonaco-{folder.name}"
        assert (portion / "py.typed").exists(), portion
        assert not (root / folder / "LICENSE").is_symlink()
        assert (root / folder / "LICENSE").read_bytes() == licence, folder
        assert (root / folder / "README.md").exists(), folder


def test_the_extras_are_the_platforms_and_extensions(distributions: Distributions, workspace: dict[str, Any]) -> None:
    optional = {folder.name for folder in distributions if folder.parts[0] in ("extensions", "platforms")} - {"general"}
    assert set(workspace["project"]["optional-dependencies"]) - {"dev", "docs"} == optional


def test_the_makefile_installs_every_platform_and_extension(workspace: dict[str, Any], root: Path) -> None:
    extras = set(workspace["project"]["optional-dependencies"]) - {"docs"}
    match = re.search(r"-e '\.\[(.*)\]'\n\t@\$\(PIP\) --no-deps", (root / "Makefile").read_text())
    assert match is not None
    assert set(match[1].split(",")) == extras


def test_no_module_has_a_vague_name(root: Path) -> None:
    assert [path for path in ours(root, "core", "infra", "platforms", "extensions", "tests") if path.stem in VAGUE] == []


def test_the_inits_of_rooms_and_extensions_are_a_docstring(root: Path) -> None:
    for path in ours(root, "extensions"):
        if path.name == "__init__.py":
            assert len(ast.parse(path.read_text()).body) == 1, path


def test_tests_are_no_packages(root: Path) -> None:
    assert list((root / "tests").rglob("__init__.py")) == []


def test_platforms_import_modelling_libraries_inside_functions_alone(root: Path) -> None:
    for path in ours(root, "platforms"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            assert not {name.partition(".")[0] for name in names} & MODELLING, path


def test_functions_and_files_are_short(root: Path) -> None:
    for path in ours(root):
        source = path.read_text()
        assert len(source.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.body[-1].end_lineno or 0) - node.body[
                    ast.get_docstring(node) is not None and len(node.body) > 1
                ].lineno < 60, node.name


def test_git_ignores_no_source(root: Path) -> None:
    given = "\n".join(str(path) for path in ours(root))
    ignored = subprocess.run(
        ["git", "check-ignore", "--stdin"], input=given, cwd=root, capture_output=True, text=True, timeout=30, check=False
    )
    assert ignored.stdout == ""


def test_pins_hold_every_dependency_once_and_no_address(distributions: Distributions, workspace: dict[str, Any], root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+", line)] == []
    pinned = [canonical(line) for line in lines]
    assert len(pinned) == len(set(pinned))
    for file in [workspace, *distributions.values()]:
        extras = file["project"].get("optional-dependencies", {}).values()
        wanted = {canonical(each) for each in [*file["project"]["dependencies"], *(name for extra in extras for name in extra)]}
        assert {name for name in wanted if not name.startswith("intonaco")} <= set(pinned)


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>!~ ;]", requirement)[0]).lower()
