"""Follows a page of the documentation to the letter: files are written, commands are run, Python is pasted, in order.

```python, ```toml and ```csv blocks that begin with `# file: NAME` are files; other ```python blocks are pasted into one session;
```console blocks hold commands after `$ `, and below each what it prints: each line must appear, in order, `...` standing for
any text. A command that ends in `&` goes on until the page ends. The rest is prose.
"""

import json
import os
import re
import shlex
import shutil
import signal
import site
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

_BLOCK = re.compile(r"^( *)```(python|toml|console|csv)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_TIMEOUT_S = 400
_PORT = "8080"
_DONE = "\x04 done"
_SESSION = f"""
import json, sys
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    exec(compile(json.loads(line), "the page", "exec"), names)
    print({_DONE!r}, flush=True)
"""
_SCRIPT = "#!{python}\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n"
_SCRIPTS = {"intonaco": ("intonaco.infra.platform.cli", "main"), "pytest": ("pytest", "main"), "pip": ("pip._internal.cli.main", "main")}


@define(eq=False)
class Reader:
    """Somebody in an empty folder, with an environment of their own that has what this one has."""

    folder: Path
    environment: Path
    port: str
    _running: list["subprocess.Popen[str]"] = field(factory=list, init=False)
    _session: "subprocess.Popen[str] | None" = field(default=None, init=False)

    def follow(self, page: Path) -> None:
        """Do all that the page says."""
        for indent, kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            block = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
            first, _, rest = block.partition("\n")
            if first.startswith("# file: "):
                self._write(first.removeprefix("# file: ").strip(), rest)
            elif kind == "python":
                self._paste(block)
            elif kind == "console":
                self._type(block)

    def close(self) -> None:
        """Stop what goes on."""
        self._session = None
        while self._running:
            process = self._running.pop()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=30)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _paste(self, block: str) -> None:
        """All blocks of a page are one session, which `_SESSION` holds."""
        if self._session is None:
            command = [str(self.environment / "bin" / "python"), "-c", _SESSION]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            self._session = subprocess.Popen(command, **self._place(), **pipes)
            self._running.append(self._session)
        assert self._session.stdin is not None
        assert self._session.stdout is not None
        self._session.stdin.write(json.dumps(self._on_port(block)) + "\n")
        self._session.stdin.flush()
        printed = []
        while (line := self._session.stdout.readline()) and line.rstrip("\n") != _DONE:
            printed.append(line)
        assert line, f"{block}\n{''.join(printed)}"

    def _type(self, block: str) -> None:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.rstrip("\n").split("\n")
            end = next(place for place in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:place])))
            command, shown = "\n".join(lines[:end]), lines[end:]
            printed = self._start(command[:-1]) if command.endswith(" &") else self._run(["bash", "-ec", self._on_port(command)])
            _check_printed(command, [self._on_port(line) for line in shown], printed)

    def _on_port(self, text: str) -> str:
        return text.replace(_PORT, self.port)

    def _start(self, command: str) -> str:
        """Begin what goes on, and wait until it says something."""
        process = subprocess.Popen(["bash", "-ec", f"exec {self._on_port(command)}"], **self._place(), stdout=subprocess.PIPE)
        self._running.append(process)
        assert process.stdout is not None
        line: str = process.stdout.readline()
        time.sleep(1)  # its endpoints load
        return line

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, **self._place(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S, check=False)
        printed = str(done.stdout)
        assert done.returncode == 0, f"{' '.join(command)}\n{printed}"
        return printed

    def _place(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": self._variables(), "text": True, "start_new_session": True}

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTONACO_", "PYTEST_", "COV_"))}
        path = f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
        return {**kept, **quiet, "PATH": path, "VIRTUAL_ENV": str(self.environment), "INTONACO_SERVING__PORT": self.port}


def _is_whole(command: str) -> bool:
    """Whether no quote is open and no line is to be continued."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def _check_printed(command: str, shown: list[str], printed: str) -> None:
    place = 0
    for line in (line.strip() for line in shown if line.strip()):
        pattern = r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in line.split())
        found = re.compile(pattern).search(printed, place)
        assert found, f"{command}\ndoes not print\n{line}\nin\n{printed[place:]}"
        place = found.end()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    environment, folder = tmp_path / "environment", tmp_path / "empty"
    folder.mkdir()
    _make_environment(environment)
    reader = Reader(folder, environment, _free_port())
    try:
        yield reader
    finally:
        reader.close()
        shutil.rmtree(environment, ignore_errors=True)


def _make_environment(folder: Path) -> None:
    """An environment that sees all that this one has, and takes what is installed into it."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    seen = [path for path in sys.path if path.endswith("-packages")] or site.getsitepackages()
    ours = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "theirs.pth"
    ours.write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    for name, (module, function) in _SCRIPTS.items():
        script = folder / "bin" / name
        script.write_text(_SCRIPT.format(python=python, module=module, name=function))
        script.chmod(0o755)


def _free_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


@pytest.fixture
def follow(reader: Reader) -> Callable[..., Path]:
    """Follow pages, one after the other, in what begins as an empty folder; the folder."""

    def followed(*pages: Path) -> Path:
        for page in pages:
            reader.follow(page)
            reader.close()
        return reader.folder

    return followed
