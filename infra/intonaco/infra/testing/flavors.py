"""What every flavor must hold."""

import json
import os
import pickletools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intonaco.core.columns import Column, Columns, Masked, present, rows_of, take
from intonaco.core.errors import CorruptError, IntonacoError
from intonaco.core.schema import Schema
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.flavors import flavor_of
from intonaco.infra.serving.packages.loading import load_in_own_process
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.packages import build, load
from intonaco.infra.serving.packages.rows import same_rows
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.workspace import Workspace

__all__ = ["FlavorContract"]


class FlavorContract:
    """Subclass it with the fixtures `flavor`, `model`, `again` (trained anew in the same way), `signature` and `columns`.

    The flavor must be offered by an installed plugin, and `columns` hold at least ten rows.
    """

    @pytest.fixture
    def flavor(self) -> Flavor:
        """The flavor under test."""
        raise NotImplementedError("the subclass provides the fixture `flavor`")

    @pytest.fixture
    def model(self) -> Any:
        """A trained model."""
        raise NotImplementedError("the subclass provides the fixture `model`")

    @pytest.fixture
    def again(self) -> Any:
        """The same model, trained once more from the same data."""
        raise NotImplementedError("the subclass provides the fixture `again`")

    @pytest.fixture
    def signature(self) -> Signature:
        """What the model takes and gives."""
        raise NotImplementedError("the subclass provides the fixture `signature`")

    @pytest.fixture
    def columns(self) -> Columns:
        """Rows that fit the signature's inputs."""
        raise NotImplementedError("the subclass provides the fixture `columns`")

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Iterator[Workspace]:
        """An empty workspace."""
        with Workspace.open(tmp_path) as workspace:
            yield workspace

    @pytest.fixture
    def files(self, flavor: Flavor, model: Any, signature: Signature) -> dict[str, bytes]:
        """The saved model."""
        return flavor.save(model, signature)

    @pytest.fixture
    def servable(self, flavor: Flavor, files: dict[str, bytes], signature: Signature) -> Servable:
        """The saved model, loaded."""
        return flavor.load(files, signature)

    def test_it_is_found_by_the_class_of_its_models(self, flavor: Flavor, model: Any, workspace: Workspace) -> None:
        assert type(flavor_of(workspace.plugins, model)) is type(flavor)

    def test_answers_fit_the_signature(self, servable: Servable, signature: Signature, columns: Columns) -> None:
        answer = servable.predict(signature.settle(columns))
        signature.outputs.check(answer, "the answer")
        assert rows_of(answer) == rows_of(columns)

    def test_a_model_loaded_and_saved_again_answers_alike(
        self, flavor: Flavor, files: dict[str, bytes], signature: Signature, columns: Columns
    ) -> None:
        rows = signature.settle(columns)
        first, second = (flavor.load(files, signature).predict(rows) for _ in range(2))
        assert same_rows(first, second, signature.outputs, 0.0) == ""

    def test_equal_models_are_saved_as_equal_bytes(self, flavor: Flavor, files: dict[str, bytes], again: Any, signature: Signature) -> None:
        assert flavor.save(again, signature) == files

    def test_a_row_alone_is_answered_as_among_others(self, servable: Servable, signature: Signature, columns: Columns) -> None:
        rows = signature.settle(columns)
        answer = servable.predict(rows)
        for row in range(min(rows_of(rows), 50)):
            alone = servable.predict(take(rows, slice(row, row + 1)))
            assert same_rows(alone, take(answer, slice(row, row + 1)), signature.outputs, signature.tolerance) == ""

    def test_the_order_of_rows_does_not_matter(self, servable: Servable, signature: Signature, columns: Columns) -> None:
        rows = signature.settle(columns)
        turned = np.arange(rows_of(rows))[::-1]
        answer, expected = servable.predict(take(rows, turned)), take(servable.predict(rows), turned)
        assert same_rows(answer, expected, signature.outputs, signature.tolerance) == ""

    def test_no_rows_make_an_empty_answer(self, servable: Servable, signature: Signature, columns: Columns) -> None:
        answer = servable.predict(signature.settle(take(columns, slice(0, 0))))
        signature.outputs.check(answer, "the answer")

    def test_a_missing_value_is_answered_where_it_is_allowed(self, servable: Servable, signature: Signature, columns: Columns) -> None:
        for each in signature.inputs:
            if each.nullable:
                gone: Column = _missing(columns[each.name])
                signature.outputs.check(servable.predict(signature.settle({**columns, each.name: gone})), f"without {each.name}")

    def test_the_payload_names_nothing_as_a_pickle_would(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            assert not _is_pickle(data), name

    def test_an_inert_flavor_says_how_its_files_start(self, flavor: Flavor, files: dict[str, bytes]) -> None:
        if flavor.inert:
            assert files.keys() == flavor.magic.keys()
            assert all(files[name].startswith(start) and start for name, start in flavor.magic.items())

    def test_what_it_did_not_write_is_corrupt(self, flavor: Flavor, files: dict[str, bytes], signature: Signature) -> None:
        for name in files if flavor.inert else ():
            for damaged in (b"", b"\x80\x04cos\nsystem\n", files[name][: len(files[name]) // 2]):
                with pytest.raises(CorruptError):
                    flavor.load({**files, name: damaged}, signature)

    def test_a_signature_that_does_not_fit_is_refused_when_saving(self, flavor: Flavor, model: Any, signature: Signature) -> None:
        if flavor.inert:
            wrong = Signature(inputs=signature.inputs, outputs=Schema.of(answer="bytes"))
            with pytest.raises(IntonacoError):
                flavor.save(model, wrong)

    @pytest.mark.slow
    def test_a_package_is_proved_in_a_clean_process_and_equal_models_make_it_once(
        self, workspace: Workspace, model: Any, again: Any, signature: Signature, columns: Columns
    ) -> None:
        first, second = (build(workspace, each, signature, samples=columns) for each in (model, again))
        assert first == second
        package: Package = load(workspace, first.digest)
        answer = load_in_own_process(package, workspace.plugins).predict(signature.settle(package.samples))
        assert same_rows(answer, package.scores, signature.outputs, signature.tolerance) == ""

    @pytest.mark.slow
    def test_loading_starts_no_process_and_opens_no_connection(
        self, flavor: Flavor, files: dict[str, bytes], signature: Signature, tmp_path: Path
    ) -> None:
        if not flavor.inert:
            pytest.skip("a flavor with code may do what it likes in its own process")
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / "signature.json").write_text(json.dumps(signature.to_json()))
        command = [sys.executable, "-c", _WATCHED, type(flavor).__module__, type(flavor).__qualname__, str(tmp_path), *files]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))
        assert done.returncode == 0, done.stderr


#: Loads in a process in which starting another, connecting, unpickling and evaluating text end it.
_WATCHED = """
import importlib, json, sys
from pathlib import Path
from intonaco.infra.serving.packages.servable import Signature
kind = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
folder = Path(sys.argv[3])
files = {name: (folder / name).read_bytes() for name in sys.argv[4:]}
signature = Signature.from_json(json.loads((folder / "signature.json").read_text()))
kind().load(files, signature)
watched = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.find_class")
def watch(event, arguments):
    if event.startswith(watched):
        raise SystemExit(f"loading did {event} {arguments}")
sys.addaudithook(watch)
kind().load(files, signature)
"""


def _missing(column: Column) -> Column:
    """The column without a value in its first row."""
    values = column.values if isinstance(column, Masked) else column
    assert isinstance(values, np.ndarray)
    if values.dtype.kind == "f":
        copy = values.copy()
        copy[0] = np.nan
        return copy
    gone = ~present(column)
    gone[0] = True
    return Masked(values, gone)


def _is_pickle(data: bytes) -> bool:
    """Whether the bytes can be taken apart as a pickle that names something."""
    try:
        return any(code.name in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "INST", "OBJ") for code, _, _ in pickletools.genops(data))
    except Exception:  # pickletools raises what it meets
        return False
