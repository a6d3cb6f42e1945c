"""Sentences from templates."""

import random

import pytest

from intonaco.nlp.sentences import Sampler

SAMPLER = Sampler({"the": "[the|my]"}, {"color": ("red", "dark blue"), "loop": ("{loop}",)})


def said(template: str) -> set[str]:
    draw = random.Random(7)
    return {SAMPLER.say(template, draw) for _ in range(200)}


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("Turn on", {"turn on"}),
        ("(turn|switch) on", {"turn on", "switch on"}),
        ("open [it]", {"open", "open it"}),
        ("paint <the> wall", {"paint wall", "paint the wall", "paint my wall"}),
        ("paint {color}", {"paint red", "paint dark blue"}),
        ("a {unheard} thing", {"a something thing"}),
        ("(now;go)", {"now go", "go now"}),
    ],
)
def test_every_sentence_of_a_template_is_said_sooner_or_later(template: str, sentences: set[str]) -> None:
    assert said(template) == sentences


def test_a_template_that_names_itself_comes_to_an_end() -> None:
    assert said("on and {loop}") == {"on and"}
