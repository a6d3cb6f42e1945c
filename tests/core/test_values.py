import pytest

from intonaco.core.errors import InvalidError
from intonaco.core.values import as_tuple


def test_what_can_be_gone_through_is_kept_as_a_tuple() -> None:
    assert as_tuple(["a", "b"]) == as_tuple(letter for letter in "ab") == ("a", "b")


@pytest.mark.parametrize("given", ["ab", b"ab", ""])
def test_one_text_is_not_taken_for_its_letters(given: str) -> None:
    with pytest.raises(InvalidError, match="where a list was expected"):
        as_tuple(given)
