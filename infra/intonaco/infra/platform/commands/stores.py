"""`intonaco stores check`: whether the store behind a URL keeps what its primitive promises."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from intonaco.core.errors import IntonacoError, InvalidError, NotRegisteredError, PluginError
from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

__all__ = ["stores"]

_TIMEOUT_S = 1800.0
_HOLDS = {"passed": "yes", "failed": "no", "skipped": "not tested"}
#: The exit code of a store that does not keep what it promises.
_REFUSED = 6
#: Words of tests that each try a guarantee, where there are such.
_TRIED_BY = {
    "durable acknowledgements": ("outlives_the_process",),
    "the greater order wins": ("greater", "same_rule_decides", "outcome_is_the_same"),
    "own writes are read at once": ("read_back_at_once",),
    "exclusive create": ("written_once", "one_wins"),
    "in order without gaps": ("offsets_count", "has_no_gap", "stays_together"),
    "whole or not at all": (
        "whole_or_not_at_all",
        "stores_nothing",
        "seen_alone",
        "with_its_batch",
        "leaves_the_previous_state",
        "leaves_nothing",  # by a failed check, by a full disk
    ),
    "no lost updates": ("holds_until_it_commits", "appends_of_two_threads", "write_at_once"),
    "snapshots": ("see_one_state", "old_version_stays", "sees_whole_versions"),
    "damage is found": ("damaged",),
}


@click.group(cls=Commands)
def stores() -> None:
    """Look at what stores keep of their promises."""


@stores.command()
@click.argument("url")
@click.option("--kind", type=click.Choice(("blobs", "tables", "keyvalue", "stream", "catalog")), help="Where a scheme offers several.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the capability report to this file.")
@answering
def check(url: str, kind: str | None, report: Path | None) -> Answer:
    """Run the conformance kit against a scratch place of the store behind URL; exit code 6 if it does not hold."""
    from intonaco.core.urls import StoreUrl
    from intonaco.infra.storage.scratch import Scratch

    if find_spec("pytest") is None or find_spec("hypothesis") is None:
        raise PluginError("the conformance kit needs pytest and hypothesis", hint="pip install 'intonaco-infra[testing]'")
    with open_workspace() as workspace:
        parsed = workspace.absolute(StoreUrl.parse(url))
        chosen = kind or _kind(workspace, parsed.scheme)
    given = url if parsed.host else f"{parsed.scheme}:{parsed.path}"
    with Scratch.make(chosen, given) as scratch, scratch.open() as store:
        promises, lacks = store.promises, dict(store.lacks())
    say(f"checking {parsed} as {chosen}: some minutes over a network")
    outcomes = _outcomes(chosen, given)
    holds = {each: "no" if each in lacks else _kept(each.value, outcomes) for each in sorted({*promises, *lacks})}
    declared = [{"guarantee": each.value, "holds": held, "what could give it": lacks.get(each, "")} for each, held in holds.items()]
    tested = [
        {"guarantee": name.removeprefix("test_").replace("_", " "), "holds": _HOLDS[outcome], "what could give it": ""}
        for name, outcome in outcomes.items()
    ]
    failed = [row["guarantee"] for row in tested if row["holds"] == "no"]
    missing = [each.value for each in lacks if each in promises]
    data = {
        "url": str(parsed),
        "kind": chosen,
        "holds": not failed and not missing,
        "lacks": {each.value: cure for each, cure in lacks.items()},
        "guarantees": outcomes,
    }
    if report is not None:
        report.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    bad = len(failed) + len(missing)
    lines = [f"{parsed} as {chosen}: {len(declared) + len(tested) - bad} guarantees hold or were not tested, {bad} do not hold."]
    following = next(iter(lacks.values())) if missing else "mend the store, or name another" if failed else f'write {chosen} = "{parsed}"'
    return Answer(data=data, lines=lines, rows=[*declared, *tested], next=following, exit_code=_REFUSED if bad else 0)


def _kept(guarantee: str, outcomes: Mapping[str, str]) -> str:
    """Whether the tests that try a guarantee say that it is kept; what none tries is only promised."""
    words = _TRIED_BY.get(guarantee, ())
    tried = {outcome for name, outcome in outcomes.items() if any(word in name for word in words)}
    return "no" if "failed" in tried else "yes" if "passed" in tried else "promised"


def _kind(workspace: Any, scheme: str) -> str:
    """What the scheme offers; InvalidError if that is several kinds."""
    from intonaco.infra.storage.stores import HOOKS

    found = [kind for kind, (hook, _) in HOOKS.items() if scheme in workspace.plugins.offers(hook)]
    if not found:
        known = sorted({name for hook, _ in HOOKS.values() for name in workspace.plugins.offers(hook)})
        raise NotRegisteredError(f"no store of the scheme {scheme!r}; known: {', '.join(known)}", hint="install the package that adds it")
    if len(found) > 1:
        raise InvalidError(f"{scheme!r} offers {', '.join(found)}", hint=f"add --kind {found[0]}", field="kind")
    return found[0]


def _outcomes(kind: str, url: str) -> dict[str, str]:
    """What pytest says of each test of the contract, run in a process of its own; the URL goes by its environment."""
    with tempfile.TemporaryDirectory(prefix="intonaco-check-") as folder:
        found = Path(folder) / "capabilities.json"
        environ = {**os.environ, "INTONACO_CHECK": json.dumps([kind, url]), "INTONACO_CAPABILITIES": str(found)}
        done = _run_pytest(folder, environ)
        if not found.exists():
            raise IntonacoError(f"the conformance kit did not run: {' '.join(done.stdout.split())[-500:]}")
        rows: list[dict[str, Any]] = json.loads(found.read_text(encoding="utf-8"))
    return {name: outcome for row in rows for name, outcome in row["guarantees"].items()}


def _run_pytest(folder: str, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    plugins = ["-p", "intonaco.infra.testing.capabilities", "-p", "no:cacheprovider"]
    plugins += ["-p", "intonaco.infra.testing.unshrunk", "--hypothesis-profile", "unshrunk"]
    (Path(folder) / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "-c", f"{folder}/pytest.ini", "--rootdir", folder]
    return subprocess.run(
        [*command, "--pyargs", "intonaco.infra.testing.checked"],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
