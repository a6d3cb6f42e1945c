"""The process of one package with code: reads columns from a pipe, scores, and writes columns; it has nothing else.

Run as `python -I -m intonaco.infra.serving.packages.targetprocess` by the target `process`.
"""

import os
import resource
import sys
from typing import BinaryIO

import msgspec

from intonaco.core.plugins import Plugins
from intonaco.infra.serving.packages.loading import load_in_own_process
from intonaco.infra.serving.packages.package import Manifest, Package
from intonaco.infra.serving.packages.processes import LENGTH, Task, Told
from intonaco.infra.serving.packages.servable import Servable
from intonaco.infra.serving.wire.columnframes import pack, unpack
from intonaco.infra.serving.wire.processlife import die_with_parent, ignore_interrupts

__all__ = ["main"]


def main() -> None:
    """Load the package that comes first, then score until the pipe closes."""
    die_with_parent()
    ignore_interrupts()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the package prints must not stand among the answers
    requests = sys.stdin.buffer
    task = msgspec.msgpack.decode(_read(requests) or b"", type=Task)
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory_mb << 20, task.memory_mb << 20))
    try:
        servable = _load(task)
    except Exception as error:
        _tell(answers, Told(fault=_reason(error)))
        return
    _tell(answers, Told())
    while data := _read(requests):
        _tell(answers, _scored(servable, data))


def _load(task: Task) -> Servable:
    package = Package.of(Manifest.decode(task.manifest), task.files)
    return load_in_own_process(package, Plugins.discover())


def _scored(servable: Servable, data: bytes) -> Told:
    try:
        return Told(columns=pack(servable.predict(unpack(data))))
    except Exception as error:
        return Told(fault=_reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


def _read(pipe: BinaryIO) -> bytes:
    """The next frame; empty at the end."""
    head = pipe.read(LENGTH.size)
    return pipe.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _tell(pipe: BinaryIO, told: Told) -> None:
    data = msgspec.msgpack.encode(told)
    pipe.write(LENGTH.pack(len(data)) + data)
    pipe.flush()


if __name__ == "__main__":
    main()
