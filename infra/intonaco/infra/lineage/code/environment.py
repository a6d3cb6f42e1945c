"""What a run ran in: the state of the code's repository, the interpreter, and all installed distributions."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["environment", "git_state", "lock", "python_version", "versions"]

_GIT = ("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
_GIT_TIMEOUT_S = 5.0


@cache
def git_state(folder: Path) -> dict[str, Any]:
    """Commit, branch and whether tracked files are changed; empty outside a repository or without git.

    Asked once per process: code that is loaded stays as it was.
    """
    try:
        done = subprocess.run(_GIT, cwd=folder, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.splitlines()
    heads = dict(line.removeprefix("# branch.").split(" ", 1) for line in lines if line.startswith("# branch."))
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": heads.get("oid", ""), "branch": heads.get("head", ""), "dirty": dirty}


@cache
def lock() -> tuple[str, ...]:
    """`name==version` of every installed distribution, sorted; read once per process."""
    found = (_name_and_version(each.read_text("METADATA") or "") for each in metadata.distributions())
    return tuple(sorted({f"{name}=={version}" for name, version in found if name}, key=str.lower))


def _name_and_version(text: str) -> tuple[str, str]:
    """The two fields, without parsing the whole of the metadata."""
    fields = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if line.startswith(("Name: ", "Version: ")))
    return fields.get("Name", ""), fields.get("Version", "")


def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """The distributions behind top-level modules or by name, to their versions; what is not installed has none (`""`)."""
    return dict(sorted(_version(name) for name in libraries))


@cache
def _version(name: str) -> tuple[str, str]:
    try:
        return name, metadata.version(name)
    except metadata.PackageNotFoundError:
        return next(((each.name, each.version) for each in metadata.distributions() if _holds(each, name)), (name, ""))


def _holds(distribution: metadata.Distribution, module: str) -> bool:
    """Whether it installed the top-level module; its list of files is searched as text, parsing all of them takes 0.4 s."""
    record = "\n" + (distribution.read_text("RECORD") or "")
    return f"\n{module}/__init__.py," in record or f"\n{module}.py," in record


def python_version() -> str:
    """Major and minor version of the interpreter."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def environment() -> dict[str, Any]:
    """The interpreter, the machine and the installed distributions, as plain values."""
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": threads,
        "distributions": list(lock()),
    }
