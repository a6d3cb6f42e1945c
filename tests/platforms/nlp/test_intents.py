"""Sentences with their intents, from the templates of the data package."""

from importlib.util import find_spec

import numpy as np
import pytest

from intonaco.core.columns import Column
from intonaco.core.errors import MissingError
from intonaco.infra import Examples
from intonaco.nlp import intents
from intonaco.nlp.classification import TextClassification
from intonaco.nlp.intents import intent_examples

TASK = TextClassification("intent", group="template")


@pytest.fixture(scope="module")
def examples() -> Examples:
    return intent_examples()


def texts(column: Column) -> list[str]:
    return list(np.asarray(column).tolist())


def test_sentences_are_the_same_on_every_run() -> None:
    first, again, other = (texts(intent_examples(sentences_per_template=1, seed=seed).columns["text"]) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_sentences_are_said_as_people_say_them(examples: Examples) -> None:
    for text in np.asarray(examples.columns["text"])[::50]:
        assert text == " ".join(text.lower().split())
        assert not set(text) & set("[]()<>{}|")


def test_no_template_stands_on_both_sides_of_the_split(examples: Examples) -> None:
    learn, held_out = TASK.split(examples)
    assert len(learn) + len(held_out) == len(examples)
    assert 0.1 < len(held_out) / len(examples) < 0.3
    assert not set(texts(learn.segments["template"])) & set(texts(held_out.segments["template"]))


def test_every_intent_that_is_held_out_was_learned(examples: Examples) -> None:
    learn, held_out = TASK.split(examples)
    assert set(texts(held_out.columns["intent"])) <= set(texts(learn.columns["intent"]))


def test_without_groups_rows_are_split_as_they_come(examples: Examples) -> None:
    _, held_out = TextClassification("intent").split(examples)
    assert len(held_out) == pytest.approx(len(examples) / 5, abs=1)


def test_a_missing_data_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "find_spec", lambda name: find_spec("no_such_package"))
    with pytest.raises(MissingError, match="home-assistant-intents") as caught:
        intent_examples()
    assert "pip install --no-deps -r requirements-data.txt" in caught.value.hint
