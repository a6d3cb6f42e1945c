"""PROMISES A2 for blobs and tables in files: a full disk, on a small tmpfs in a mount namespace of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_WRITER = """
import json, os, sys
import numpy as np, pyarrow as pa
from intonaco.core.errors import UnavailableError
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.files import FileBlobStore

folder = sys.argv[1]
tables, blobs = DeltaTableStore.open(f"file:{folder}/tables"), FileBlobStore.open(f"file:{folder}/blobs")
first = tables.write("default/t", pa.table({"n": [1, 2, 3]}))
found = {"refused": [], "corrupt": 0, "leftovers": 0, "retries": 0}
for turn in range(20):
    filler = f"{folder}/filler"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
    with open(filler, "wb") as file:
        file.write(bytes(max(0, free - 4096 * turn)))
    rows = pa.table({"n": np.random.default_rng(turn).integers(0, 2**62, 16000)})
    for write in (lambda: tables.write("default/t", rows), lambda: blobs.create(f"b/{turn}", bytes(120_000))):
        try:
            write()
            found["refused"].append("")
        except UnavailableError as error:
            found["refused"].append(str(error))
    os.unlink(filler)
    with DeltaTableStore.open(f"file:{folder}/tables") as fresh:
        found["corrupt"] += len(fresh.damaged("default/t")) + (fresh.read(fresh.snapshot("default/t", 0))["n"].to_pylist() != [1, 2, 3])
        found["leftovers"] += len(fresh.blobs.leftovers(-1)) + len(blobs.leftovers(-1))
        fresh.expire("default/t", [0], older_than_s=-1)
    blobs.create(f"b/{turn}", bytes(120_000))
    blobs.delete(f"b/{turn}")
    found["retries"] += 1
print(json.dumps(found))
"""


def test_a_full_disk_is_one_line_and_the_old_version_stays(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path}"
    allowed = unshare and not subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True, timeout=60, check=False).returncode
    if unshare is None or not allowed:
        pytest.skip("unshare is missing or may not mount here")
    command = [unshare, "-m", "sh", "-c", f'{mount} && exec "$0" "$@"', sys.executable, "-c", _WRITER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["refused"]) == 40
    assert all("No space" in each and str(tmp_path) in each and "\n" not in each for each in found["refused"])
    assert (found["corrupt"], found["leftovers"], found["retries"]) == (0, 0, 20)
