"""The feature desk: answers `POST /features/SET:get` from plans that were compiled before any request came.

A body is `{"keys": [{...}], "at": TIME, "offline": false}`; `keys` may be one object, and `at` is now by default. The answer is
that of `intonaco features get --json`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import DeadlineError, IntonacoError, SchemaError
from intonaco.infra.features.answer import Answer
from intonaco.infra.features.reader import OnlineReader
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.channel import Frame, answer_frame
from intonaco.infra.serving.faults import fault
from intonaco.infra.serving.featurerows import key_columns, read_answer
from intonaco.infra.serving.requests import microseconds
from intonaco.infra.serving.strictjson import parse

__all__ = ["FeatureDesk"]

Send = Callable[[bytes], None]
_ENCODER = msgspec.json.Encoder()
_KEYS = ("keys", "at", "offline")
#: Of the time that a request has, for the way back.
_WAY_BACK_S = 0.02


@frozen
class _Asked:
    """A request for features."""

    keys: list[dict[str, Any]]
    at_us: int
    offline: bool

    @classmethod
    def of(cls, body: bytes) -> "_Asked":
        """The request in a body; SchemaError names what is wrong with it."""
        given = parse(body)
        if not isinstance(given, dict) or "keys" not in given or set(given) - set(_KEYS):
            wrong = next((name for name in given if name not in _KEYS), "keys") if isinstance(given, dict) else "keys"
            raise SchemaError("the body is an object of keys, at and offline", hint='{"keys": [{"origin": "JFK"}]}', field=wrong[:100])
        at = given.get("at")
        at_us = time.time_ns() // 1000 if at is None else microseconds(at)
        if not isinstance(given.get("offline", False), bool):
            raise SchemaError(f"offline is {given['offline']!r:.40}, expected true or false", field="offline")
        return cls(_rows(given["keys"]), at_us, given.get("offline", False))


def _rows(keys: Any) -> list[dict[str, Any]]:
    rows = keys if isinstance(keys, list) else [keys]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise SchemaError("keys is an object, or a list of at least one", hint='[{"origin": "JFK"}]', field="keys")
    return rows


@define(eq=False)
class FeatureDesk:
    """The sets of a project, ready to be read; online from one thread, offline from another, so that no scan holds up a read."""

    store: FeatureStore
    readers: dict[int, OnlineReader] = field(repr=False)
    _aside: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "offline"), init=False, repr=False)
    _sending: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    def open(cls, store: FeatureStore) -> Self:
        """Compile the plans of all sets that are applied."""
        plans = store.read_plans()
        return cls(store, {number: OnlineReader(plan, store.workspace.keyvalue) for number, plan in enumerate(plans, 1)})

    @property
    def paths(self) -> dict[str, int]:
        """The path of each set, with the number that its frames carry."""
        return {f"/features/{reader.plan.name}:get": number for number, reader in self.readers.items()}

    def answer(self, frame: Frame, send: Send) -> None:
        """Send the answer, at once or, of the past, when it is there."""
        try:
            asked = _Asked.of(frame.body)
            if not asked.offline:
                self._send(frame, send, lambda: self._online(frame, asked))
                return
        except IntonacoError as error:
            self._tell(frame, send, *fault(error))
            return
        self._aside.submit(self._send, frame, send, lambda: self._offline(frame, asked))

    def close(self) -> None:
        """Let go of the thread; what waits for it is not answered."""
        self._aside.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _send(self, frame: Frame, send: Send, read: Callable[[], bytes]) -> None:
        try:
            body = read()
        except Exception as error:  # whatever is wrong with one request is told to its caller
            self._tell(frame, send, *fault(error))
        else:
            self._tell(frame, send, 200, body)

    def _tell(self, frame: Frame, send: Send, status: int, body: bytes) -> None:
        with self._sending:
            send(answer_frame(frame.number, status, body))

    def _online(self, frame: Frame, asked: _Asked) -> bytes:
        _left_s(frame)
        reader = self.readers[frame.version]
        columns = key_columns(reader.plan, asked.keys)
        return _encoded(reader.plan.name, asked, reader.read(columns, _moments(asked)))

    def _offline(self, frame: Frame, asked: _Asked) -> bytes:
        _left_s(frame)
        plan = self.readers[frame.version].plan
        columns = key_columns(plan, asked.keys)
        return _encoded(plan.name, asked, self.store.read_offline(plan.name, columns, _moments(asked)))


def _left_s(frame: Frame) -> float:
    """How long the read may take; DeadlineError if it has waited for too long already."""
    left_s = frame.deadline - time.monotonic() - _WAY_BACK_S
    if left_s <= 0:
        raise DeadlineError("the request waited past its deadline and was not read", hint="send it again, when there is less load")
    return left_s


def _moments(asked: _Asked) -> NDArray[np.int64]:
    return np.full(len(asked.keys), asked.at_us, dtype=np.int64)


def _encoded(name: str, asked: _Asked, answer: Answer) -> bytes:
    return _ENCODER.encode(read_answer(name, asked.keys, asked.at_us, answer, offline=asked.offline))
