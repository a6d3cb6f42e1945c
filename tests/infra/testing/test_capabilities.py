import json
from pathlib import Path

import pytest

from intonaco.infra.testing.capabilities import VARIABLE

pytest_plugins = ["pytester"]

_TEST = """
import pytest
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.testing.blobs import BlobStoreContract

class Wrong(FileBlobStore):
    def read(self, name):
        return super().read(name) + b"!"

class TestWrong(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return Wrong.open(f"file:{tmp_path}")
"""


@pytest.mark.slow
def test_a_run_writes_which_guarantees_are_kept(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(_TEST)
    report = Path(pytester.path) / "report.json"
    monkeypatch.setenv(VARIABLE, str(report))
    done = pytester.runpytest_subprocess(
        "-p", "intonaco.infra.testing.capabilities", "-k", "written_once or hostile_name or created_is_there"
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["E*assert b'first!' == b'first'"])  # the contract's own assertion shows its values
    (found,) = json.loads(report.read_text())
    assert (found["contract"], found["implementation"]) == ("BlobStoreContract", "TestWrong")
    assert found["guarantees"] == {
        "test_a_hostile_name_is_refused_by_every_verb": "passed",
        "test_a_name_is_written_once": "failed",
        "test_what_was_created_is_there_after_opening_again": "failed",  # it has no `url`
    }
