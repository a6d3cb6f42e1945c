"""The proof of a package: a clean process loads it from the store and scores its sample rows.

Run as `python -m intonaco.infra.serving.packages.proof`, with one JSON object on standard input.
"""

import json
import subprocess
import sys

from intonaco.core.columns import Columns, concatenate, rows_of, take
from intonaco.core.errors import DeadlineError, RefusedError
from intonaco.core.schema import Schema
from intonaco.infra.serving.packages.keeping import read_package
from intonaco.infra.serving.packages.loading import load_in_own_process
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.rows import same_rows
from intonaco.infra.serving.packages.servable import Servable
from intonaco.infra.workspace import Workspace

__all__ = ["prove", "scoring_fault"]

TIMEOUT_S = 120.0


def prove(workspace: Workspace, package: Package) -> None:
    """Score the sample rows of a stored package in a process of their own.

    Raises
    ------
    RefusedError
        The process died, could not load the package, or scored otherwise; the message says which.
    DeadlineError
        It took too long.
    """
    asked = {"root": str(workspace.root), "stores.blobs": workspace.settings.stores.blobs, "digest": package.digest}
    command = [sys.executable, "-P", "-m", "intonaco.infra.serving.packages.proof"]
    try:
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(f"package {package.digest[:12]} was not loaded and scored within {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise RefusedError(f"package {package.digest[:12]} is not accepted: {_reason(done)}", hint="no version was made of it")


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode < 0:
        return f"a clean process that loaded it was killed by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines() or ["it said nothing"]
    return f"in a clean process, {lines[-1]}"


def scoring_fault(package: Package, servable: Servable) -> str:
    """Why the servable does not score the package's sample rows as recorded; empty if it does."""
    signature, samples, scores = package.signature, package.samples, package.scores
    rows = signature.settle(samples, "the sample rows")
    answer = servable.predict(rows)
    signature.outputs.check(answer, "the answer")
    column = same_rows(answer, scores, signature.outputs, signature.tolerance)
    if column:
        return f"output {column!r} differs from the one recorded"
    if signature.rows_independent:
        return _single_fault(servable, rows, answer, signature.outputs, signature.tolerance)
    return ""


def _single_fault(servable: Servable, rows: Columns, answer: Columns, outputs: Schema, tolerance: float) -> str:
    singly = concatenate([servable.predict(take(rows, slice(row, row + 1))) for row in range(rows_of(rows))])
    column = same_rows(answer, singly, outputs, tolerance)
    return f"output {column!r} of a row alone differs from that of the row among others: set the signature's tolerance" if column else ""


def main() -> None:
    """Prove the package that standard input names; the exit code is 0 if it holds."""
    asked = json.loads(sys.stdin.read())
    with Workspace.open(asked["root"], overrides={"stores.blobs": asked["stores.blobs"]}) as workspace:
        package = read_package(workspace.blobs, asked["digest"])
        fault = scoring_fault(package, load_in_own_process(package, workspace.plugins))
    if fault:
        raise SystemExit(fault)


if __name__ == "__main__":
    main()
