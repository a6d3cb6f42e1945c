import json
import time
from typing import Any

import numpy as np
import pytest
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.endpoints.batcher import Batcher
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Answer, Scorer
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.serving.wire.channel import AnswerFrames, Frame, RequestFrames, answer_frame, request_frame

SIGNATURE = Signature(inputs=Schema.of(x="float64?"), outputs=Schema.of(y="float64", kind="str?"))


@define(eq=False)
class Noting(Servable):
    """Answers twice the input, fails on 13, and notes the size of each batch."""

    signature: Signature = SIGNATURE
    batches: list[int] = field(factory=list)

    def predict(self, columns: Columns) -> dict[str, Column]:
        x = np.asarray(columns["x"])
        self.batches.append(len(x))
        if (x == 13).any():
            raise ArithmeticError("thirteen")
        return {"y": x * 2, "kind": np.array(["even"] * len(x), dtype=object)}


@frozen
class Kept:
    records: list[tuple[list[str], list[int], NDArray[np.int64]]] = field(factory=list)

    def record(self, ids: Any, counts: Any, at_us: NDArray[np.int64], given: Columns, answer: Answer) -> None:
        self.records.append((list(ids), list(counts), at_us))


def batcher(servable: Servable, recorder: Kept | None = None) -> Batcher:
    route = Route(version=3, package="0" * 64)
    endpoint = Endpoint.of(Deployment(project="default", endpoint="twice", routes=(route,)), {3: Scorer(3, servable)})
    return Batcher(endpoint, recorder)


def frame(number: int, *x: float | None, deadline: float | None = None, version: int = 0, **more: Any) -> Frame:
    body = {"inputs": [{"name": "x", "shape": [len(x)], "datatype": "FP64", "data": list(x)}], **more}
    return Frame(number, time.monotonic() + 10 if deadline is None else deadline, version, json.dumps(body).encode())


def told(answers: bytes) -> dict[int, tuple[int, dict[str, Any]]]:
    return {number: (status, json.loads(body)) for number, status, body in AnswerFrames().feed(answers)}


def values(answer: tuple[int, dict[str, Any]]) -> Any:
    return answer[1]["outputs"][0]["data"]


def test_all_that_waits_is_scored_as_one_batch_and_answered_one_by_one() -> None:
    servable = Noting()
    answers = told(batcher(servable).answer([frame(1, 1.0), frame(2, 2.0, 3.0), frame(3, 4.0)]))
    assert servable.batches == [4]
    assert {number: values(answer) for number, answer in answers.items()} == {1: [2.0], 2: [4.0, 6.0], 3: [8.0]}


def test_rows_that_depend_on_each_other_are_not_merged() -> None:
    servable = Noting(Signature(inputs=SIGNATURE.inputs, outputs=SIGNATURE.outputs, rows_independent=False))
    batcher(servable).answer([frame(1, 1.0), frame(2, 2.0, 3.0)])
    assert servable.batches == [1, 2]


def test_a_bad_request_is_refused_alone() -> None:
    answers = told(batcher(Noting()).answer([frame(1, 1.0), Frame(2, time.monotonic() + 1, 0, b"{"), frame(3, 4.0)]))
    assert [answers[number][0] for number in (1, 2, 3)] == [200, 400, 200]


def test_a_row_that_cannot_be_scored_fails_alone() -> None:
    answers = told(batcher(Noting()).answer([frame(1, 1.0), frame(2, 13.0), frame(3, 4.0)]))
    assert [answers[number][0] for number in (1, 2, 3)] == [200, 500, 200]
    assert answers[2][1]["error_id"]
    assert "thirteen" not in json.dumps(answers[2][1])


def test_a_request_past_its_deadline_is_not_scored() -> None:
    servable = Noting()
    answers = told(batcher(servable).answer([frame(1, 1.0, deadline=time.monotonic() - 1)]))
    assert (answers[1][0], answers[1][1]["code"], servable.batches) == (504, "deadline", [])


def test_a_version_that_is_not_served_is_not_found() -> None:
    answers = told(batcher(Noting()).answer([frame(1, 1.0, version=9), frame(2, 1.0, version=3)]))
    assert [answers[1][0], answers[2][0]] == [404, 200]


def test_an_answer_names_its_version_and_has_an_id_of_its_own() -> None:
    answers = told(batcher(Noting()).answer([frame(1, 1.0, id="a"), frame(2, 1.0)]))
    assert (answers[1][1]["model_name"], answers[1][1]["model_version"], answers[1][1]["id"]) == ("twice", "3", "a")
    assert answers[1][1]["parameters"]["prediction_id"] != answers[2][1]["parameters"]["prediction_id"]


def test_a_missing_value_is_null_on_both_ways() -> None:
    assert values(told(batcher(Noting()).answer([frame(1, None, 1.0)]))[1]) == [None, 2.0]


def test_the_outputs_asked_for_come_in_the_order_asked_for() -> None:
    asked = [{"name": "kind"}, {"name": "y"}]
    answers = told(batcher(Noting()).answer([frame(1, 1.0, outputs=asked), frame(2, 1.0, outputs=[{"name": "z"}])]))
    assert [output["name"] for output in answers[1][1]["outputs"]] == ["kind", "y"]
    assert (answers[2][0], answers[2][1]["field"]) == (400, "z")


def test_each_row_is_recorded_with_its_moment() -> None:
    kept = Kept()
    batcher(Noting(), kept).answer([frame(1, 1.0, 2.0, parameters={"at": 7}), frame(2, 3.0, parameters={"at": 9})])
    ((ids, counts, at_us),) = kept.records
    assert (len(set(ids)), counts, at_us.tolist()) == (2, [2, 1], [7, 7, 9])


def test_an_image_goes_in_and_a_vector_comes_out() -> None:
    inputs = Schema((Field("image", "uint8", shape=(2, 2)),))
    outputs = Schema((Field("scores", "float32", shape=(2,)),))

    @define(eq=False)
    class Summing(Servable):
        signature: Signature

        def predict(self, columns: Columns) -> dict[str, Column]:
            image = np.asarray(columns["image"])
            return {"scores": np.stack([image.sum((1, 2)), image.max((1, 2))], axis=1).astype(np.float32)}

    body = {"inputs": [{"name": "image", "shape": [2, 2, 2], "datatype": "UINT8", "data": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}]}
    asked = Frame(1, time.monotonic() + 1, 0, json.dumps(body).encode())
    answers = told(batcher(Summing(Signature(inputs=inputs, outputs=outputs))).answer([asked]))
    (output,) = answers[1][1]["outputs"]
    assert (output["shape"], output["data"]) == ([2, 2], [10.0, 4.0, 26.0, 8.0])


@pytest.mark.parametrize("cut", [1, 7, 30, 1000])
def test_frames_come_whole_however_the_bytes_are_cut(cut: int) -> None:
    sent = [(number, b"x" * (number * 37)) for number in range(8)]
    stream, frames = b"".join(request_frame(number, 1.5, 2, body) for number, body in sent), RequestFrames()
    got = [each for start in range(0, len(stream), cut) for each in frames.feed(stream[start : start + cut])]
    assert [(each.number, each.deadline, each.version, each.body) for each in got] == [(number, 1.5, 2, body) for number, body in sent]
    stream, answers = b"".join(answer_frame(number, 200, body) for number, body in sent), AnswerFrames()
    heard = [each for start in range(0, len(stream), cut) for each in answers.feed(stream[start : start + cut])]
    assert heard == [(number, 200, body) for number, body in sent]
