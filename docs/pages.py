"""The pages that are made rather than written: the order of the four kinds of documentation, and the reference of every module."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

KINDS = {"tutorials": "Tutorials", "how-to": "How to", "reference": "Reference", "explanation": "Explanation", "decisions": "Decisions"}
#: In the order in which they build on each other; pages of other kinds stand in the order of their names.
TUTORIALS = ["first-model", "correcting-arrival-estimates", "features-from-a-stream", "build-your-own-platform", "write-your-own-plugin"]
ROOT = Path(__file__).parents[1]
OFFERS = re.compile(r"^__all__ = ", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page of reference for each package, and put the kinds in order."""
    kinds = {title: list(pages(files, kind)) for kind, title in KINDS.items()}
    modules = []
    for package, names in packages():
        text = "".join(f"\n::: {name}\n" for name in names)
        modules.append(File.generated(config, f"reference/{package}.md", content=f"# {package}\n{text}"))
        files.append(modules[-1])
    kinds["Reference"].append({"Every module": [each.src_uri for each in modules]})
    config.nav = ["index.md", *({title: each} for title, each in kinds.items())]
    return files


def packages() -> Iterator[tuple[str, list[str]]]:
    """Each package with its public modules: those that list what they offer."""
    for portion in sorted([*ROOT.glob("*/intonaco"), *ROOT.glob("*/*/intonaco")]):
        for folder in sorted(path for path in portion.rglob("*") if path.is_dir() and path.name != "commands"):
            name = ".".join(folder.relative_to(portion.parent).parts)
            modules = [f"{name}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py")) if OFFERS.search(path.read_text())]
            if modules:
                yield name, modules


def pages(files: Files, kind: str) -> Iterator[Any]:
    """The written pages of one kind, its index first."""
    found = [file.src_uri for file in files.documentation_pages() if file.src_uri.startswith(f"{kind}/")]
    yield from sorted((each for each in found if not each.endswith("-template.md")), key=place)


def place(uri: str) -> tuple[bool, int, str]:
    """By what the pages of a kind are ordered."""
    name = uri.rpartition("/")[2].removesuffix(".md")
    return name != "index", TUTORIALS.index(name) if name in TUTORIALS else len(TUTORIALS), uri
