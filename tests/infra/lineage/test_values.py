import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.lineage.values import decode, dumps, encode, loads

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))
    | st.timedeltas()
)
_KEYS = st.text() | st.sampled_from(["$float", "$tuple", "$dict", "$", ""]) | st.integers() | st.binary()
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(_KEYS, inner), max_leaves=12
)


def _through_text(value: Any) -> Any:
    return decode(loads(dumps(encode(value))))


def _typed(value: Any) -> Any:
    """The value with the type of each part, so that 1, 1.0 and True differ."""
    if isinstance(value, list | tuple):
        return type(value), [_typed(each) for each in value]
    if isinstance(value, dict):
        return dict, [(_typed(key), _typed(each)) for key, each in value.items()]
    return type(value), repr(value)


@given(_VALUES)
def test_a_plain_value_comes_back_with_the_type_of_each_part(value: Any) -> None:
    assert _typed(_through_text(value)) == _typed(value)


@given(_VALUES)
def test_the_text_is_strict_json_of_one_line(value: Any) -> None:
    text = dumps(encode(value))
    assert "\n" not in text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(st.dictionaries(st.text(), st.integers()))
def test_ordered_text_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    turned = dict(reversed(value.items()))
    assert dumps(encode(turned), ordered=True) == dumps(encode(value), ordered=True)


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2])
def test_floats_come_back_to_the_bit(value: float) -> None:
    assert repr(_through_text(value)) == repr(value)


def test_nan_comes_back() -> None:
    assert math.isnan(_through_text(math.nan))


def test_a_number_of_numpy_is_one_of_python() -> None:
    assert _typed(_through_text([np.int32(3), np.float64(0.5), np.bool_(True)])) == _typed([3, 0.5, True])


@pytest.mark.parametrize("value", [{1, 2}, object(), np.zeros(2), 1j])
def test_what_is_not_plain_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(InvalidError, match=r"params\.a\[1\] is a"):
        encode({"a": [0, value]}, "params")


@pytest.mark.parametrize("tree", [{"$nothing": 1}, {"$bytes": "*"}, {"$datetime": "soon"}])
def test_a_tree_that_cannot_be_read_is_corrupt(tree: Any) -> None:
    with pytest.raises(CorruptError):
        decode(tree)


def test_dates_and_times_keep_their_kind() -> None:
    value = [date(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC), timedelta(days=-1, microseconds=1)]
    assert _through_text(value) == value
