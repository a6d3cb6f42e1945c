"""Batches: all requests that wait, decoded, scored together where the model allows it, and answered one by one."""

import itertools
import time
import uuid
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from attrs import define, evolve, field
from numpy.typing import NDArray

from intonaco.core.columns import Columns
from intonaco.core.errors import DeadlineError
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Answer, Scorer
from intonaco.infra.serving.protocol.answers import Output, encode_answer, select
from intonaco.infra.serving.protocol.faults import fault
from intonaco.infra.serving.protocol.requests import Request, RequestDecoder
from intonaco.infra.serving.protocol.tensors import listed
from intonaco.infra.serving.wire.channel import Frame, answer_frame

__all__ = ["Batcher", "Recorder"]


class Recorder(Protocol):
    """Keeps what was predicted, before it is told."""

    def record(self, ids: Sequence[str], counts: Sequence[int], at_us: NDArray[np.int64], given: Columns, answer: Answer) -> None:
        """Keep one scored batch: `counts[i]` rows belong to the request `ids[i]`."""


@define(slots=True, eq=False)
class _Asked:
    """One request on its way through a batch."""

    frame: Frame
    request: Request
    prediction_id: str
    scorer: Scorer


@define(eq=False)
class Batcher:
    """Answers frames for one endpoint, without timers: a batch is what waits when the last one is done."""

    endpoint: Endpoint
    recorder: Recorder | None
    decoder: RequestDecoder = field(init=False)
    _only: Scorer | None = field(init=False)
    _prefix: str = field(factory=lambda: uuid.uuid4().hex[:16], init=False)
    _numbers: "itertools.count[int]" = field(factory=itertools.count, init=False)

    def __attrs_post_init__(self) -> None:
        self.decoder = RequestDecoder.of(self.endpoint.inputs)
        scorers = list(self.endpoint.scorers.values())
        self._only = scorers[0] if len(scorers) == 1 else None

    def answer(self, frames: Sequence[Frame]) -> bytes:
        """The answer frames for these requests; a fault of one is answered to it alone."""
        now = time.monotonic()
        told: list[bytes] = []
        groups: dict[int, list[_Asked]] = {}
        for frame in frames:
            try:
                asked = self._asked(frame, now)
            except Exception as error:  # whatever is wrong with one request is told to its caller
                told.append(answer_frame(frame.number, *fault(error)))
            else:
                groups.setdefault(asked.scorer.version, []).append(asked)
        for group in groups.values():
            merged = [group] if group[0].scorer.signature.rows_independent else [[asked] for asked in group]
            for batch in merged:
                told += self._scored(batch)
        return b"".join(told)

    def _asked(self, frame: Frame, now: float) -> _Asked:
        if frame.deadline < now:
            raise DeadlineError("the request waited past its deadline and was not scored", hint="send it again, when there is less load")
        request = self.decoder.decode(frame.body)
        prediction_id = f"{self._prefix}-{next(self._numbers)}"
        scorer = self._only
        if scorer is None or frame.version:
            scorer = self.endpoint.scorer(request.id or prediction_id, frame.version)
        return _Asked(frame, request, prediction_id, scorer)

    def _scored(self, batch: list[_Asked]) -> list[bytes]:
        try:
            return self._score(batch)
        except Exception as error:
            if len(batch) == 1:
                return [answer_frame(batch[0].frame.number, *fault(error))]
        return [told for asked in batch for told in self._scored([asked])]

    def _score(self, batch: list[_Asked]) -> list[bytes]:
        requests = [asked.request for asked in batch]
        counts = [request.rows for request in requests]
        columns = self._columns(requests)
        at_us = _moments(requests, counts)
        scorer = batch[0].scorer
        answer = scorer.score(columns, at_us)
        if self.recorder is not None:
            self.recorder.record([asked.prediction_id for asked in batch], counts, at_us, columns, answer)
        return self._told(batch, answer, scorer)

    def _columns(self, requests: list[Request]) -> Columns:
        columns = {}
        data = requests[0].data
        if len(requests) > 1:
            data = [list(itertools.chain(*parts)) for parts in zip(*[each.data for each in requests], strict=True)]
        for place, tensor in enumerate(self.decoder.tensors):
            values = data[place]
            lengths = [each.shapes[place][1] for each in requests for _ in range(each.rows)] if tensor.varies else ()
            columns[tensor.field.name] = tensor.column(values, lengths)
        return columns

    def _told(self, batch: list[_Asked], answer: Answer, scorer: Scorer) -> list[bytes]:
        outputs = _outputs(answer.columns, scorer.signature.outputs, apart=len(batch) > 1)
        read = _features(answer, scorer) if any(asked.request.features for asked in batch) else []
        told, first, name = [], 0, self.endpoint.deployment.endpoint
        for asked in batch:
            request, last = asked.request, first + asked.request.rows
            try:
                shown = select(outputs, request.outputs) if request.outputs else outputs
                if request.features:
                    shown = [*shown, *read]
                body = encode_answer(name, scorer.version, asked.prediction_id, request.id, shown, first, last, answer.degraded)
                told.append(answer_frame(asked.frame.number, 200, body))
            except Exception as error:
                told.append(answer_frame(asked.frame.number, *fault(error)))
            first = last
        return told


def _moments(requests: list[Request], counts: list[int]) -> NDArray[np.int64]:
    now = time.time_ns() // 1000
    moments = [now if request.at_us is None else request.at_us for request in requests]
    return np.repeat(np.array(moments, dtype=np.int64), counts)


def _outputs(columns: Columns, schema: Schema, *, apart: bool) -> list[Output]:
    return [Output.of(each, listed(columns[each.name]), apart=apart) for each in schema]


def _features(answer: Answer, scorer: Scorer) -> list[Output]:
    """Features, their statuses and their ages as outputs, so that what a model saw can be compared."""
    shown = []
    for each in scorer.features:
        shown.append(Output.of(evolve(each, name=f"feature.{each.name}"), listed(answer.features[each.name])))
        shown.append(Output.of(Field(f"status.{each.name}", "uint8"), listed(answer.statuses[each.name])))
        if each.name in answer.ages_us:
            ages = [None if age < 0 else age for age in answer.ages_us[each.name].tolist()]
            shown.append(Output.of(Field(f"age_us.{each.name}", "int64", nullable=True), ages))
    return shown
