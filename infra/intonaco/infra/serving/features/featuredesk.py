"""The feature desk: answers `POST /features/SET:get` from plans that were compiled before any request came.

A body is `{"keys": [{...}], "at": TIME, "offline": false}`; `keys` may be one object, and `at` is now by default. The answer is
that of `intonaco features get --json`.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import msgspec
from attrs import define, field

from intonaco.core.errors import DeadlineError, UnavailableError
from intonaco.infra.features.checking.readlog import ReadLog
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.past import PastError
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.online.watermarks import Watermark, Watermarks
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.endpoints.degradation import open_reader
from intonaco.infra.serving.features.featurerequests import FeatureDecoder, FeatureRequest
from intonaco.infra.serving.features.featurerows import read_answer
from intonaco.infra.serving.protocol.faults import fault
from intonaco.infra.serving.wire.channel import Frame, answer_frame

__all__ = ["FeatureDesk"]

Send = Callable[[bytes], None]
_LOG = logging.getLogger(__name__)
_ENCODER = msgspec.json.Encoder()
#: Of the time that a request has, for the way back.
_WAY_BACK_S = 0.02
#: What to do about a moment of the past, in the words of a request.
_PAST = 'the past is read from the tables of events: "offline": true'


@define(eq=False)
class _Set:
    """A version of a set, compiled."""

    reader: OnlineReader
    decoder: FeatureDecoder
    watermark: Watermark


@define(eq=False)
class FeatureDesk:
    """The sets of a project, ready to be read; online from one thread, offline from another, so that no scan holds up a read.

    Parameters
    ----------
    names
        Numbers of frames to what a set is asked for by (`eta`, `eta@3`, `eta@stable`), with its name and version.
    """

    store: FeatureStore
    names: Mapping[int, tuple[str, tuple[str, int]]] = field(repr=False)
    _sets: dict[tuple[str, int], "_Set"] = field(factory=dict, init=False, repr=False)
    _aside: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "offline"), init=False, repr=False)
    _sending: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _log: ReadLog | None = field(init=False, repr=False)
    _watermarks: Watermarks | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._log = self.store.read_log

    @classmethod
    def open(cls, store: FeatureStore) -> Self:
        """Compile all sets in their newest version and those that aliases name; an older one is when it is first asked for."""
        desk = cls(store, dict(enumerate(store.registry.references("set").items(), 1)))
        for number, (name, _) in desk.names.items():
            if not name.partition("@")[2].isdigit():
                desk._set(number)
        desk.follow()
        return desk

    @property
    def paths(self) -> dict[str, int]:
        """The path of each set, and of each version and alias of it, with the number that its frames carry."""
        return {f"/features/{name}:get": number for number, (name, _) in self.names.items()}

    @property
    def readers(self) -> list[OnlineReader]:
        """The readers of the sets that are compiled."""
        return [each.reader for each in self._sets.values()]

    def follow(self) -> None:
        """Look how far views are materialized by now; while the catalog does not answer, what was last known holds."""
        try:
            found = Watermarks.of(self.store.workspace.catalog, self.store.project)
        except UnavailableError as error:
            _LOG.warning("the catalog does not answer: %s", error)
        else:
            self._watermarks = found
            for each in list(self._sets.values()):
                each.watermark = found.newest(each.reader.plan)

    def answer(self, frame: Frame, send: Send) -> None:
        """Send the answer, at once or, of the past, when it is there."""
        try:
            asked = self._set(frame.version).decoder.decode(frame.body)
            if not asked.offline:
                self._send(frame, send, lambda: self._online(frame, asked))
                return
        except Exception as error:  # a body of whatever kind does not end the worker
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

    def _set(self, number: int) -> "_Set":
        name, version = self.names[number][1]
        found = self._sets.get((name, version))
        if found is None:
            reader = open_reader(self.store.workspace, self.store.read_plan(f"{name}@{version}"))
            mark = Watermark() if self._watermarks is None else self._watermarks.newest(reader.plan)
            found = self._sets[name, version] = _Set(reader, FeatureDecoder.of(reader.plan), mark)
        return found

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

    def _online(self, frame: Frame, asked: FeatureRequest) -> bytes:
        left_s = min(_left_s(frame), self.store.workspace.settings.serving.features_s)
        found = self._set(frame.version)
        try:
            found.watermark.check(asked.moments)
            answer = found.reader.read(asked.columns, asked.moments, deadline_s=left_s)
        except PastError as error:
            error.hint = _PAST
            raise
        if self._log is not None and not answer.degraded:
            self._log.offer(found.reader.plan, asked.columns, asked.moments, answer)
        return _encoded(self.names[frame.version][0], asked, answer)

    def _offline(self, frame: Frame, asked: FeatureRequest) -> bytes:
        _left_s(frame)
        name, (own, version) = self.names[frame.version]
        return _encoded(name, asked, self.store.read_offline(f"{own}@{version}", asked.columns, asked.moments))


def _left_s(frame: Frame) -> float:
    """How long the read may take; DeadlineError if it has waited for too long already."""
    left_s = frame.deadline - time.monotonic() - _WAY_BACK_S
    if left_s <= 0:
        raise DeadlineError("the request waited past its deadline and was not read", hint="send it again, when there is less load")
    return left_s


def _encoded(name: str, asked: FeatureRequest, answer: Answer) -> bytes:
    return _ENCODER.encode(read_answer(name, asked.keys, asked.at_us, answer, offline=asked.offline))
