import inspect
import re

import pytest

from intonaco.core import errors


def drawn_tree() -> dict[str, set[str]]:
    """Of each error its parents, as the docstring draws them."""
    tree: dict[str, set[str]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"(?P<indent>[│├└─ ]*)(?P<name>\w+Error)(?: \((?P<builtin>\w+)\))?", line)
        if match:
            depth = len(match["indent"]) // 4
            path[depth:] = [match["name"]]
            tree[match["name"]] = {path[depth - 1] if depth else "Exception", *filter(None, [match["builtin"]])}
    return tree


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {name: {parent.__name__ for parent in kind.__bases__} for name, kind in inspect.getmembers(errors, inspect.isclass)}
    assert drawn_tree() == real


def test_every_error_is_public() -> None:
    assert sorted(drawn_tree()) == errors.__all__


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_carries_message_hint_and_field(name: str) -> None:
    error = getattr(errors, name)("the port 80 is taken", hint="name another", field="port")
    assert str(error) == "the port 80 is taken (name another)"
    assert (error.message, error.hint, error.field) == ("the port 80 is taken", "name another", "port")


def test_a_message_without_hint_stands_alone() -> None:
    assert str(errors.MissingError("no model 'eta'")) == "no model 'eta'"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidError, ValueError),
        (errors.NotRegisteredError, LookupError),
        (errors.AlreadyExistsError, FileExistsError),
        (errors.DeadlineError, TimeoutError),
        (errors.PortInUseError, ConnectionError),
        (errors.QualityError, PermissionError),
        (errors.PluginError, ImportError),
    ],
)
def test_an_error_is_caught_as_the_builtin_that_callers_expect(kind: type[errors.IntonacoError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="went wrong"):
        raise kind("it went wrong")
