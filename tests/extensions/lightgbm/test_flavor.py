from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intonaco.core.columns import Columns, Masked
from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.core.schema import Field, Schema
from intonaco.ext.lightgbm.flavor import LightGBMFlavor
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.matrix import MatrixForm
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.testing.flavors import FlavorContract

_INPUTS = Schema(
    (
        Field("origin", "str", categories=("EWR", "JFK", "LGA")),
        Field("tailnum", "str", nullable=True, categories=("N1", "N2", "N3")),
        Field("delay", "float64", nullable=True),
        Field("hour", "int64"),
        Field("late", "bool"),
    )
)


def _rows(count: int) -> dict[str, Any]:
    random = np.random.default_rng(7)
    delay = random.normal(size=count)
    delay[::9] = np.nan
    return {
        "origin": random.choice(np.array(["EWR", "JFK", "LGA"], dtype=object), count),
        "tailnum": Masked(random.choice(np.array(["N1", "N2", "N3"], dtype=object), count), random.random(count) < 0.1),
        "delay": delay,
        "hour": random.integers(0, 24, count),
        "late": random.random(count) < 0.3,
    }


def _train(objective: str, labels: Any, **params: Any) -> lightgbm.Booster:
    form = MatrixForm.of(_INPUTS)
    data = lightgbm.Dataset(form.matrix(_rows(400)), labels, categorical_feature=form.categorical)
    fixed = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "seed": 1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train({"objective": objective, **fixed, **params}, data, 12)


def _regression() -> lightgbm.Booster:
    rows = _rows(400)
    return _train("l1", np.nan_to_num(rows["delay"]) * 3 + rows["hour"] + (rows["origin"] == "JFK") * 4)


def _classes(count: int) -> Any:
    return (np.asarray(_rows(400)["hour"]) * 7 // 5) % count


class TestLightGBMRegression(FlavorContract):
    @pytest.fixture
    def flavor(self) -> Flavor:
        return LightGBMFlavor()

    @pytest.fixture
    def model(self) -> Any:
        return _regression()

    @pytest.fixture
    def again(self) -> Any:
        return _regression()

    @pytest.fixture
    def signature(self) -> Signature:
        return Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))

    @pytest.fixture
    def columns(self) -> dict[str, Any]:
        return _rows(400)


class TestLightGBMClasses(TestLightGBMRegression):
    @pytest.fixture
    def model(self) -> Any:
        return _train("multiclass", _classes(3), num_class=3)

    @pytest.fixture
    def again(self) -> Any:
        return _train("multiclass", _classes(3), num_class=3)

    @pytest.fixture
    def signature(self) -> Signature:
        outputs = Schema((Field("label", "str", categories=("a", "b", "c")), Field("scores", "float64", shape=(3,))))
        return Signature(inputs=_INPUTS, outputs=outputs)


def test_a_label_is_the_category_of_the_greatest_score() -> None:
    outputs = Schema((Field("label", "str", categories=("no", "yes")), Field("p", "float64"), Field("both", "float64", shape=(2,))))
    signature = Signature(inputs=_INPUTS, outputs=outputs)
    flavor = LightGBMFlavor()
    answer: dict[str, Any] = flavor.load(flavor.save(_train("binary", _classes(2)), signature), signature).predict(_rows(50))
    assert list(answer["label"]) == ["yes" if p > 0.5 else "no" for p in answer["p"]]
    np.testing.assert_array_equal(answer["both"][:, 1], answer["p"])


def test_an_estimator_of_the_sklearn_interface_is_saved_as_its_booster() -> None:
    model = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, n_jobs=1, min_child_samples=5)
    model.fit(MatrixForm.of(_INPUTS).matrix(_rows(100)), np.arange(100.0))
    signature = Signature(inputs=_INPUTS, outputs=Schema.of(y="float64"))
    assert LightGBMFlavor().save(model, signature) == LightGBMFlavor().save(model.booster_, signature)


def test_a_category_that_was_not_seen_in_training_is_scored_as_missing() -> None:
    signature = Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))
    flavor = LightGBMFlavor()
    servable = flavor.load(flavor.save(_regression(), signature), signature)
    rows = _rows(3)
    unknown = _error(servable, signature.settle({**rows, "tailnum": np.array(["N9"] * 3, dtype=object)}))
    missing = _error(servable, {**rows, "tailnum": Masked(np.array(["N1"] * 3, dtype=object), np.ones(3, dtype=np.bool_))})
    np.testing.assert_array_equal(unknown, missing)


def test_a_model_of_another_width_is_refused() -> None:
    narrow = Signature(inputs=_INPUTS.select(["delay", "hour"]), outputs=Schema.of(error="float64"))
    with pytest.raises(DefinitionError, match="trained on 5 features; the signature's inputs make 2"):
        LightGBMFlavor().save(_regression(), narrow)
    wide = Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))
    with pytest.raises(CorruptError, match="trained on 5 features"):
        LightGBMFlavor().load(LightGBMFlavor().save(_regression(), wide), narrow)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_a_score_is_the_same_to_the_bit_in_every_batch(sizes: list[int]) -> None:
    booster, form = _BOOSTER, MatrixForm.of(_INPUTS)
    signature = Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))
    servable = LightGBMFlavor().load({"model.txt": booster}, signature)
    rows = _rows(400)
    whole: Any = servable.predict(rows)["error"]
    first = 0
    for size in sizes:
        part = {name: _slice(column, first, first + size) for name, column in rows.items()}
        np.testing.assert_array_equal(_error(servable, part), whole[first : first + size])
        first = (first + size) % 400 if first + size < 400 else 0
    assert form.width == 5


def _error(servable: Servable, rows: Columns) -> Any:
    return servable.predict(rows)["error"]


def _slice(column: Any, first: int, last: int) -> Any:
    return Masked(column.values[first:last], column.missing[first:last]) if isinstance(column, Masked) else column[first:last]


_BOOSTER = LightGBMFlavor().save(_regression(), Signature(inputs=_INPUTS, outputs=Schema.of(error="float64")))["model.txt"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_torn_or_altered_text_is_refused_or_answers_and_never_crashes(data: st.DataObject) -> None:
    signature = Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))
    text = bytearray(_BOOSTER)
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.integers(0, len(text) - 1))
        text[first : first + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from([b"", b"-", b"9", b"999999", b"\n", b" ", b"="]))
    try:
        servable = LightGBMFlavor().load({"model.txt": bytes(text)}, signature)
    except CorruptError:
        return
    assert len(servable.predict(_rows(20))["error"]) == 20


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"left_child=", b"left_child=0 "),
        (b"split_feature=", b"split_feature=77 "),
        (b"max_feature_idx=4", b"max_feature_idx=400"),
        (b"num_tree_per_iteration=1", b"num_tree_per_iteration=5"),
    ],
)
def test_a_text_that_would_lead_the_parser_astray_is_corrupt(old: bytes, new: bytes) -> None:
    signature = Signature(inputs=_INPUTS, outputs=Schema.of(error="float64"))
    assert old in _BOOSTER
    with pytest.raises(CorruptError):
        LightGBMFlavor().load({"model.txt": _BOOSTER.replace(old, new, 1)}, signature)
