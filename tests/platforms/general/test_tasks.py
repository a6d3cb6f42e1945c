"""Regression, correction and classification on data whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from intonaco.core import Field, Schema
from intonaco.core.columns import Masked
from intonaco.core.errors import SchemaError
from intonaco.general.classification import Classification
from intonaco.general.correction import Correction
from intonaco.general.platform import GeneralPlatform
from intonaco.general.regression import Regression
from intonaco.infra import Chart, Examples

ROWS = 2_000


def examples(seed: int = 0) -> Examples:
    """Rows whose `y` is 3 x, plus 10 in the north, and whose `sign` is that of x; x is sometimes missing."""
    draw = np.random.default_rng(seed)
    x, side = draw.normal(size=ROWS), draw.choice(["north", "south"], ROWS).astype(object)
    sign = np.where(x > 0, "plus", "minus").astype(object)
    y = 3 * x + np.where(side == "north", 10.0, 0.0)
    x = np.where(draw.random(ROWS) < 0.05, np.nan, x)
    fields = (
        Field("x", "float64", nullable=True),
        Field("side", "str", categories=("north", "south")),
        Field("y", "float64", unit="min"),
        Field("sign", "str"),
    )
    return Examples(
        columns={"x": x, "side": side, "y": y, "sign": sign},
        schema=Schema(fields),
        labels=("y", "sign"),
        segments={"half": np.where(np.arange(ROWS) % 2, "odd", "even").astype(object)},
    )


def only(label: str) -> Examples:
    given = examples()
    other = ({"y", "sign"} - {label}).pop()
    columns = {name: column for name, column in given.columns.items() if name != other}
    schema = Schema(tuple(field for field in given.schema if field.name != other))
    return Examples(columns=columns, schema=schema, labels=(label,), segments=given.segments)


class TestRegression:
    def test_outputs_bear_the_name_and_the_unit_of_the_label(self) -> None:
        assert Regression("y").outputs(only("y")) == Schema((Field("y", "float64", unit="min"),))

    def test_every_parameter_of_its_space_is_one_that_the_fit_takes(self) -> None:
        space = Regression("y").space()
        middle = {name: dimension.low for name, dimension in space.items()}  # type: ignore[attr-defined]
        model = Regression("y", rounds=2).fit(only("y"), middle)
        assert space.keys() == middle.keys()
        assert model.params["num_leaves"] == middle["num_leaves"]

    def test_a_label_that_is_missing_is_refused(self) -> None:
        given = only("y")
        y = np.asarray(given.columns["y"])
        holed = Examples(
            columns={**given.columns, "y": Masked(y, np.arange(ROWS) == 3)}, schema=given.schema, labels=("y",), segments=given.segments
        )
        with pytest.raises(SchemaError, match="'y' is missing"):
            Regression("y").fit(holed, {})

    def test_errors_are_measured_overall_and_by_segment(self) -> None:
        given = only("y")
        truth = np.asarray(given.columns["y"])
        cells = {(cell.segment, cell.metric): cell for cell in Regression("y").evaluate({"y": truth + 2.0}, given)}
        assert cells["", "mae"].value == pytest.approx(2.0)
        assert cells["", "bias"].value == pytest.approx(2.0)
        assert cells["", "mse"].value == pytest.approx(4.0)
        assert (cells["half=odd", "mae"].n, cells["half=even", "mae"].n) == (ROWS // 2, ROWS // 2)

    def test_what_the_trees_use_comes_the_greatest_first(self) -> None:
        given = only("y")
        (chart,) = Regression("y", rounds=20).explain(Regression("y", rounds=20).fit(given, {}), given)
        assert isinstance(chart, Chart)
        assert list(chart.x) == ["side", "x"]
        assert sum(chart.series["share of gain"]) == pytest.approx(1.0)  # type: ignore[arg-type]


class TestCorrection:
    def test_the_estimate_itself_is_measured_beside_the_corrected_one(self) -> None:
        given = only("y")
        truth = np.asarray(given.columns["y"])
        cells = {(cell.segment, cell.metric): cell.value for cell in Correction("y").evaluate({"y": truth - 1.0}, given)}
        assert cells["", "mae"] == pytest.approx(1.0)
        assert cells["", "base_mae"] == pytest.approx(np.abs(truth).mean())
        assert ("half=odd", "base_mae") in cells


class TestClassification:
    def test_classes_are_those_that_are_there_sorted(self) -> None:
        assert Classification("sign").outputs(only("sign"))["sign"].categories == ("minus", "plus")

    def test_one_class_is_too_few(self) -> None:
        given = only("sign").take(np.asarray(only("sign").columns["sign"]) == "plus")
        with pytest.raises(SchemaError, match="needs two"):
            Classification("sign").fit(given, {})

    def test_accuracy_and_error_rate_add_up(self) -> None:
        given = only("sign")
        told = np.asarray(given.columns["sign"]).copy()
        told[:500] = "neither"
        cells = {(cell.segment, cell.metric): cell.value for cell in Classification("sign").evaluate({"sign": told}, given)}
        assert (cells["", "error_rate"], cells["", "accuracy"]) == (0.25, 0.75)


@pytest.mark.slow
class TestFromExamplesToAnEndpoint:
    @pytest.fixture
    def platform(self, tmp_path: Path) -> GeneralPlatform:
        return GeneralPlatform.open(tmp_path)

    def test_a_number_is_learned_searched_deployed_and_told(self, platform: GeneralPlatform) -> None:
        with platform:
            trained = platform.train(Regression("y", rounds=60), only("y"), trials=2, seed=3)
            assert trained.cells.pick("mae").value < 1.0
            platform.deploy("y", trained.register("y"))
            north, south = platform.predict("y", [{"x": 1.0, "side": "north"}, {"x": 1.0, "side": "south"}])
            assert north["y"] == pytest.approx(13.0, abs=1.5)
            assert south["y"] == pytest.approx(3.0, abs=1.5)

    def test_a_name_is_learned_and_told(self, platform: GeneralPlatform) -> None:
        with platform:
            trained = platform.train(Classification("sign", rounds=20), only("sign"))
            assert trained.cells.pick("accuracy").value > 0.9
            platform.deploy("sign", trained.register("sign"))
            assert platform.predict("sign", [{"x": 2.0, "side": "north"}, {"x": -2.0, "side": "north"}]) == [
                {"sign": "plus"},
                {"sign": "minus"},
            ]

    def test_the_same_examples_make_the_same_package(self, tmp_path: Path) -> None:
        digests = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            with GeneralPlatform.open(tmp_path / name) as platform:
                digests.append(platform.train(Correction("y", rounds=40), only("y"), trials=2, seed=3).package)
        assert digests[0] == digests[1]
