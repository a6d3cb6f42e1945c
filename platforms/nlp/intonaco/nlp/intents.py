"""Intents of a smart home: what people say to it, from the templates of the package `home-assistant-intents`."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from intonaco.core import Field, Schema
from intonaco.core.errors import MissingError
from intonaco.infra import Examples, step
from intonaco.nlp.sentences import Sampler

__all__ = ["intent_examples"]

#: What may stand for the names that each home gives to its own things.
_NAMES = {
    "name": ("kitchen lamp", "bedroom light", "front door", "garage fan", "living room blinds", "television", "heater", "vacuum"),
    "area": ("kitchen", "bedroom", "living room", "garage", "hallway", "office", "bathroom"),
    "floor": ("upstairs", "ground floor", "basement"),
    "message": ("dinner is ready", "time to leave", "the movie starts"),
    "timer_name": ("pizza", "laundry", "tea"),
    "timer_command": ("turn off the lights", "close the garage"),
    "shopping_list_item": ("apples", "milk", "dish soap"),
    "todo_list_item": ("call mom", "water the plants", "pay rent"),
    "search_query": ("jazz", "the beatles", "morning news"),
    "zone": ("home", "work", "school"),
}
_NUMBERS = ("5", "10", "20", "45", "80")


@step
def intent_examples(sentences_per_template: int = 12, seed: int = 0) -> Examples:
    """Sentences with their intents; the segment `template` says of which template each was made."""
    data = _read()
    sampler = Sampler(data["expansion_rules"], {**{name: _values(each) for name, each in data["lists"].items()}, **_NAMES})
    rows = [
        (sentence, intent, template_id)
        for intent, template_id, template in _templates(data)
        for sentence in _sentences(sampler, template, template_id, sentences_per_template, seed)
    ]
    text, intent, template = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    names = tuple(sorted(set(intent.tolist())))
    schema = Schema((Field("text", "str"), Field("intent", "str", categories=names)))
    columns = {"text": text, "intent": intent}
    return Examples(columns=columns, schema=schema, labels=("intent",), segments={"template": template}, source="home-assistant-intents/en")


def _templates(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for intent, held in sorted(data["intents"].items()):
        for template in dict.fromkeys(sentence for each in held["data"] for sentence in each["sentences"]):
            yield intent, hashlib.sha256(f"{intent} {template}".encode()).hexdigest()[:16], template


def _sentences(sampler: Sampler, template: str, template_id: str, many: int, seed: int) -> list[str]:
    draw = random.Random(f"{seed} {template_id}")
    return sorted({sampler.say(template, draw) for _ in range(many)} - {""})


def _values(given: Mapping[str, Any]) -> tuple[str, ...]:
    values = given.get("values")
    if not values:
        return _NUMBERS if "range" in given else ("something",)
    return tuple(each["in"] if isinstance(each, Mapping) else str(each) for each in values)


def _read() -> dict[str, Any]:
    spec = find_spec("home_assistant_intents")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "en.json"
        if path.exists():
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return data
    raise MissingError(
        "the data package home-assistant-intents is not installed",
        hint="pip install --no-deps -r requirements-data.txt, or pip install --no-deps home-assistant-intents",
    )
