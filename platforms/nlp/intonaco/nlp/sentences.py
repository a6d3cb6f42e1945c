"""Sentences from templates: random walks through what a template allows."""

import random
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from hassil import expression as grammar
from hassil.parse_expression import parse_sentence

__all__ = ["Sampler"]

_DEEPEST = 40


@define
class Sampler:
    """Says sentences of templates in the language of `hassil`: `(turn|switch) on [the] {name}`.

    Parameters
    ----------
    rules
        Names of rules (`<the>`) to their templates.
    slots
        Names of lists (`{color}`) to what may stand there, each a template.
    """

    rules: Mapping[str, str]
    slots: Mapping[str, tuple[str, ...]]
    _parsed: dict[str, Any] = field(factory=dict, init=False, repr=False)

    def say(self, template: str, draw: random.Random) -> str:
        """One sentence of the template, each choice drawn evenly."""
        return " ".join(self._walk(self._parse(template), draw, 0).lower().split())

    def _parse(self, template: str) -> Any:
        if template not in self._parsed:
            self._parsed[template] = parse_sentence(template).expression
        return self._parsed[template]

    def _walk(self, node: Any, draw: random.Random, depth: int) -> str:
        if depth > _DEEPEST:
            return ""
        match node:
            case grammar.TextChunk():
                return str(node.original_text)
            case grammar.Alternative():
                return self._walk(draw.choice(node.items), draw, depth + 1)
            case grammar.Permutation():
                return " ".join(self._walk(item, draw, depth + 1) for item in draw.sample(node.items, len(node.items)))
            case grammar.Group():
                return "".join(self._walk(item, draw, depth + 1) for item in node.items)
            case grammar.RuleReference():
                return self._walk(self._parse(self.rules[node.rule_name]), draw, depth + 1)
            case grammar.ListReference():
                return self._walk(self._parse(draw.choice(self.slots.get(node.list_name, ("something",)))), draw, depth + 1)
        return ""
