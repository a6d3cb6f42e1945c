"""An environment made of built wheels with byte code, kept under `.cache/` and made anew when a source has changed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["environment"]

ROOT = Path(__file__).parents[1]
FOLDERS = ("core", "infra", "extensions/lightgbm", "extensions/sklearn", "platforms/general", "platforms/nlp", "platforms/vision", ".")
_KEPT = ROOT / ".cache" / "benchmarks"


def environment() -> Path:
    """The folder of programs of an environment with all distributions installed from wheels."""
    folder, stamp = _KEPT / "venv", _KEPT / "installed"
    digest = _digest()
    if not stamp.exists() or stamp.read_text() != digest:
        stamp.unlink(missing_ok=True)
        if not (folder / "bin" / "python").exists():
            _run(sys.executable, "-m", "venv", folder)
        _install(folder / "bin" / "python")
        stamp.write_text(digest)
    return folder / "bin"


def _install(python: Path) -> None:
    wheels = _KEPT / "wheels"
    for old in wheels.glob("*.whl"):
        old.unlink()
    for each in FOLDERS:
        _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels, cwd=ROOT / each)
    built = sorted(wheels.glob("*.whl"))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--compile"]
    _run(*pip, "-c", ROOT / "constraints.txt", *built)
    _run(*pip, "--no-deps", "--force-reinstall", *built)  # the version stays the same while the code changes


def _digest() -> str:
    files = [path for each in FOLDERS if each != "." for path in sorted((ROOT / each).rglob("*.py"))]
    files += [ROOT / "constraints.txt", *ROOT.glob("pyproject.toml"), *ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")]
    found = hashlib.sha256(sys.version.encode())
    for path in files:
        found.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _run(*command: object, cwd: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
