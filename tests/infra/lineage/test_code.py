import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from intonaco.core.errors import ConflictError, DefinitionError
from intonaco.infra.lineage.code.code import Code, code_of, path_of

Write = Callable[..., ModuleType]

_STEPS = """
import math
import numpy as np
import parts
from parts import LIMIT as TOP
from parts import Model

def fit(rows):
    \"\"\"Fit.\"\"\"
    return np.mean(clean(rows)) + math.pi

def clean(rows):
    import late
    return [late.turn(row) for row in rows if row < TOP and parts.keep(row)]

def annotated(model: "Model") -> float:
    return model.score()

def unused():
    return 1
"""
_PARTS = """
from attrs import frozen
from deeper import *
LIMIT = 10
OPTIONS = {"a": 1}
OPTIONS["b"] = 2

def keep(row):
    return row > FLOOR and OPTIONS

class Base:
    def score(self):
        return scale(1)

class Model(Base):
    name: str = "m"

def scale(x):
    return x * 2
"""
_MODULES = {"steps_a": _STEPS, "parts": _PARTS, "late": "def turn(x):\n    return -x\n", "deeper": "FLOOR = 0\n"}


def _symbols(code: Code) -> set[str]:
    return set(code.symbols)


def test_code_reaches_through_imports_attributes_stars_and_bodies(written: Write) -> None:
    code = code_of([written(**_MODULES).fit])
    assert _symbols(code) == {"steps_a:fit", "steps_a:clean", "parts:LIMIT", "parts:keep", "parts:OPTIONS", "deeper:FLOOR", "late:turn"}
    assert code.libraries == ("numpy",)


def test_annotations_and_base_classes_count(written: Write) -> None:
    code = code_of([written(**_MODULES).annotated])
    assert _symbols(code) == {"steps_a:annotated", "parts:Model", "parts:Base", "parts:scale"}


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("late", "return -x", "return x"),
        ("parts", "LIMIT = 10", "LIMIT = 11"),
        ("parts", 'OPTIONS["b"] = 2', 'OPTIONS["b"] = 3'),
        ("deeper", "FLOOR = 0", "FLOOR = 1"),
        ("steps_a", "math.pi", "math.e"),
    ],
)
def test_a_change_anywhere_below_changes_the_code(written: Write, module: str, before: str, after: str) -> None:
    first = code_of([written(**_MODULES).fit])
    changed = _MODULES | {module: _MODULES[module].replace(before, after)}
    second = code_of([written(**changed).fit])
    assert [name for name in first.symbols if first.symbols[name] != second.symbols[name]] != []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Fit."""', '"""Fit well."""'),
        ("def unused", "# said\ndef unused"),
        ("return 1", "return 2"),
        ("fit(rows):", "fit(\n    rows\n):"),
    ],
)
def test_docstrings_comments_layout_and_code_that_is_not_reached_do_not_count(written: Write, before: str, after: str) -> None:
    first = code_of([written(**_MODULES).fit])
    second = code_of([written(**_MODULES | {"steps_a": _STEPS.replace(before, after)}).fit])
    assert first == second


def test_code_is_the_same_whether_modules_are_loaded_or_not(written: Write) -> None:
    module = written(**_MODULES)
    before = code_of([module.fit])
    assert "late" not in sys.modules
    module.clean([1])
    assert code_of([module.fit]) == before


def test_our_own_code_counts_wherever_it_is_installed() -> None:
    assert "intonaco.infra.lineage.cells:Cell" in _symbols(code_of(["intonaco.infra.lineage.cells:Cell"]))


def test_stores_are_a_boundary() -> None:
    symbols = _symbols(code_of(["intonaco.infra.lineage.artifacts:Artifacts"]))
    assert not [name for name in symbols if name.startswith("intonaco.infra.storage")]


def test_a_module_that_is_handed_on_counts_whole(written: Write) -> None:
    module = written(
        giver="import taker\ndef go():\n    return use(taker)\ndef use(module):\n    return module.x\n", taker="x = 1\ny = 2\n"
    )
    assert _symbols(code_of([module.go])) == {"giver:go", "giver:use", "taker:x", "taker:y"}


def test_circles_of_imports_end(written: Write) -> None:
    head = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    module = written(
        one=f"{head}    from two import lost\nimport two\ndef f():\n    return two.g() or lost\n",
        two=f"{head}    from one import lost\nimport one\ndef g():\n    return one.f()\n",
    )
    assert _symbols(code_of([module.f])) == {"one:f", "two:g"}


def test_relative_imports_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pack_of_test" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("from .top import value\n")
    (package.parent / "top.py").write_text("value = 3\n")
    (package / "__init__.py").write_text("")
    (package / "low.py").write_text("from .. import value\nfrom ..top import value as again\ndef f():\n    return value + again\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert _symbols(code_of(["pack_of_test.inner.low:f"])) == {"pack_of_test.inner.low:f", "pack_of_test.top:value"}


def test_a_function_inside_another_cannot_be_named() -> None:
    def inner() -> None: ...

    with pytest.raises(DefinitionError, match="inner"):
        path_of(inner)


def test_a_function_without_source_is_told() -> None:
    with pytest.raises(DefinitionError, match="nothing"):
        code_of(["intonaco.infra.lineage.cells:nothing"])


def test_a_file_that_changed_after_its_import_is_refused(written: Write) -> None:
    module = written(moved="def f():\n    return 1\n")
    Path(str(module.__file__)).write_text("def f():\n    return 2\n")
    with pytest.raises(ConflictError, match=r"moved\.py was changed after moved was imported: f differs"):
        code_of([module.f])


def test_a_script_counts_by_the_name_of_its_file(tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "train_it.py"
    script.write_text(
        "from intonaco.infra.lineage.code.code import code_of\n"
        "def helper():\n    return 1\n"
        "def fit():\n    return helper()\n"
        "print(*code_of([fit]).symbols)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["train_it:fit", "train_it:helper"]


def test_a_notebook_counts_by_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    main.__dict__["In"] = ["", "def f():\n    return 1", "%matplotlib inline", "def g():\n    return f()", "def f():\n    return 2"]
    monkeypatch.setitem(sys.modules, "__main__", main)
    newest = code_of(["__main__:g"])
    main.__dict__["In"] = ["", "def f():\n    return 2", "def g():\n    return f()"]
    assert set(newest.symbols) == {"__main__:f", "__main__:g"}
    assert code_of(["__main__:g"]) == newest
