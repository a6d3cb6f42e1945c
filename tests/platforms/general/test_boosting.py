import numpy as np
import pytest

from intonaco.core import Schema
from intonaco.core.errors import SchemaError
from intonaco.general.boosting import numbers
from intonaco.infra import Examples


def test_a_text_is_no_number_to_be_told() -> None:
    names = np.array(["a", "b"], dtype=object)
    examples = Examples(columns={"km": np.array([1.0, 2.0]), "kind": names}, schema=Schema.of(km="float64", kind="str"), labels=("kind",))
    with pytest.raises(SchemaError, match="label 'kind' is str, expected numbers"):
        numbers(examples, "kind")
