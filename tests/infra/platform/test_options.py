"""Fields of a class as options of a command, and back."""

from typing import Any, Literal

import click
import pytest
from attrs import field, frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.platform.options import of_fields, with_fields


def _positive(_: object, attribute: Any, value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name} is at least 1")


@frozen
class Chosen:
    target: str
    depth: Literal[2, 4] = 4
    loss: Literal["absolute", "squared"] = "squared"
    rate: float | None = None
    rounds: int = field(default=1, validator=_positive)
    names: tuple[str, ...] = ("a",)
    extra: list[int] = field(factory=list)
    deep: bool = False
    seed: int = 7


def _read(*arguments: str) -> Chosen:
    found: list[dict[str, Any]] = []

    def command(**given: Any) -> None:
        found.append(given)

    click.command()(with_fields(command, Chosen, ("seed",))).main(list(arguments), standalone_mode=False)
    return of_fields(Chosen, found[0])


def test_what_is_left_out_has_its_default() -> None:
    assert _read("--target", "fare") == Chosen("fare")


def test_every_type_of_field_is_read_back() -> None:
    text = "--target fare --depth 2 --loss absolute --rate 0.5 --rounds 3 --names x --names y --extra 1 --extra 2 --deep true --task-seed 9"
    assert _read(*text.split()) == Chosen("fare", 2, "absolute", 0.5, 3, ("x", "y"), [1, 2], True, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Missing option '--target'"),
        ("--target fare --depth 3", "'3' is not one of '2', '4'"),
        ("--target fare --rate fast", "'fast' is not a valid float"),
        ("--target fare --seed 1", "No such option"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(text: str, message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        _read(*text.split())
    assert message in caught.value.format_message()


def test_what_the_class_refuses_is_an_error_that_says_why() -> None:
    with pytest.raises(InvalidError, match="rounds is at least 1"):
        _read("--target", "fare", "--rounds", "0")
