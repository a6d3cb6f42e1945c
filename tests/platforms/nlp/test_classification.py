"""Intents, from sentences to an endpoint, beside the baselines that any model has to beat."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from intonaco.core import Field, Schema
from intonaco.infra import Chart, Examples, Table
from intonaco.infra.testing.servers import running_server
from intonaco.nlp.classification import TextClassification
from intonaco.nlp.intents import intent_examples
from intonaco.nlp.platform import NlpPlatform


@pytest.fixture(scope="module")
def examples() -> Examples:
    return intent_examples()


def task(model: str = "linear") -> TextClassification:
    return TextClassification("intent", group="template", model=model)  # type: ignore[arg-type]


def accuracy(model: str, examples: Examples) -> float:
    learn, held_out = task(model).split(examples)
    told = task(model).fit(learn, {}).predict(held_out.columns["text"])
    cells = task(model).evaluate({"intent": told}, held_out)
    return next(cell.value for cell in cells if cell.metric == "accuracy" and not cell.segment)


@pytest.mark.slow
def test_words_tell_more_than_keywords_and_those_more_than_the_most_frequent_intent(examples: Examples) -> None:
    linear, keywords, majority = (accuracy(model, examples) for model in ("linear", "keywords", "majority"))
    assert linear == pytest.approx(0.973, abs=0.01)
    assert keywords == pytest.approx(0.853, abs=0.02)
    assert majority == pytest.approx(0.161, abs=0.02)


def test_what_is_shown_is_the_confusion_and_the_mistakes() -> None:
    texts, names = np.array(["a", "b", "c"], dtype=object), np.array(["on", "off", "on"], dtype=object)
    shown = task().show({"intent": np.array(["on", "on", "off"], dtype=object)}, few(texts, names))
    confusion = next(block for block in shown if isinstance(block, Chart))
    mistakes = next(block for block in shown if isinstance(block, Table))
    assert (confusion.form, list(confusion.x)) == ("heatmap", ["off", "on"])
    assert {name: list(row) for name, row in confusion.series.items()} == {"off": [0.0, 1.0], "on": [0.5, 0.5]}
    assert [tuple(row) for row in mistakes.rows] == [("b", "off", "on"), ("c", "on", "off")]


def few(texts: NDArray[np.object_], names: NDArray[np.object_]) -> Examples:
    schema = Schema((Field("text", "str"), Field("intent", "str", categories=("off", "on"))))
    return Examples(columns={"text": texts, "intent": names}, schema=schema, labels=("intent",))


@pytest.mark.slow
def test_intents_go_from_sentences_to_a_server(tmp_path: Path, examples: Examples) -> None:
    with NlpPlatform.open(tmp_path) as platform:
        trained = platform.train(task(), examples)
        assert trained.cells.pick("accuracy").value > 0.95
        assert "Confusion" in trained.report.html()
        version = trained.register("intents")
        platform.deploy("intents", version)
        (answer,) = platform.predict("intents", [{"text": "turn on the light in the kitchen"}])
        assert answer == {"intent": "HassTurnOn"}
        assert platform.train(task(), examples).register("intents").new is False
    with running_server(tmp_path) as server:
        server.wait_ready("intents")
        status, told = server.infer("intents", {"text": ("BYTES", ["turn on the light in the kitchen", "what time is it"])})
        assert status == 200, told
        assert told["outputs"][0]["data"] == ["HassTurnOn", "HassGetCurrentTime"]
        status, told = server.infer("intents", {"text": ("BYTES", [None])})
        assert (status, "text" in told["error"]) == (400, True)
