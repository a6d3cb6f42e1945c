import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.core.schema import Field, Schema
from intonaco.ext.sklearn.flavor import SklearnFlavor
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.servable import Signature
from intonaco.infra.testing.flavors import FlavorContract

_TEXTS = ["turn the light on", "light on please", "close the door", "shut the door now", "what time is it", "tell me the time"] * 4
_LABELS = ["light", "light", "door", "door", "time", "time"] * 4
_LABEL = Field("label", "str", categories=("door", "light", "time"))


class _SklearnContract(FlavorContract):
    @pytest.fixture
    def flavor(self) -> Flavor:
        return SklearnFlavor()

    @pytest.fixture
    def model(self) -> Any:
        return self._train()

    @pytest.fixture
    def again(self) -> Any:
        return self._train()

    def _train(self) -> Any:
        raise NotImplementedError


class TestTextPipeline(_SklearnContract):
    def _train(self) -> Any:
        return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), stop_words="english"), LogisticRegression()).fit(_TEXTS, _LABELS)

    @pytest.fixture
    def signature(self) -> Signature:
        outputs = Schema((_LABEL, Field("scores", "float64", shape=(3,))))
        return Signature(inputs=Schema.of(text="str?"), outputs=outputs, tolerance=1e-9)

    @pytest.fixture
    def columns(self) -> dict[str, Any]:
        return {"text": np.array(_TEXTS, dtype=object)}


def _images() -> dict[str, Any]:
    return {"image": np.random.default_rng(3).integers(0, 255, (60, 8, 8)).astype(np.uint8)}


class TestImages(_SklearnContract):
    def _train(self) -> Any:
        pixels = np.asarray(_images()["image"]).reshape(60, -1).astype(np.float64)
        labels = np.array(["0", "1", "2"] * 20)
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(pixels, labels)

    @pytest.fixture
    def signature(self) -> Signature:
        outputs = Schema((Field("label", "str", categories=("2", "0", "1")), Field("scores", "float64", shape=(3,))))
        return Signature(inputs=Schema((Field("image", "uint8", shape=(8, 8)),)), outputs=outputs, tolerance=1e-9)

    @pytest.fixture
    def columns(self) -> dict[str, Any]:
        return _images()


class TestTable(_SklearnContract):
    def _train(self) -> Any:
        rows = _table()
        return RandomForestRegressor(8, random_state=1).fit(np.column_stack([rows["a"], rows["b"]]), np.asarray(rows["a"]) * 2)

    @pytest.fixture
    def signature(self) -> Signature:
        return Signature(inputs=Schema.of(a="float64", b="int64"), outputs=Schema.of(y="float64"), tolerance=1e-12)

    @pytest.fixture
    def columns(self) -> dict[str, Any]:
        return _table()


def _table() -> dict[str, Any]:
    random = np.random.default_rng(5)
    return {"a": random.normal(size=80), "b": random.integers(0, 9, 80)}


def test_scores_come_in_the_order_of_the_labels_categories() -> None:
    model = HistGradientBoostingClassifier(random_state=1, max_iter=5, min_samples_leaf=5)
    rows = _table()
    model.fit(np.column_stack([rows["a"], rows["b"]]), np.where(np.asarray(rows["a"]) > 0, 1, 0))
    outputs = Schema((Field("label", "str", categories=("1", "0")), Field("scores", "float64", shape=(2,))))
    signature = Signature(inputs=Schema.of(a="float64", b="int64"), outputs=outputs)
    answer: dict[str, Any] = SklearnFlavor().load(SklearnFlavor().save(model, signature), signature).predict(rows)
    expected = np.asarray(model.predict_proba(np.column_stack([rows["a"], rows["b"]])))[:, [1, 0]]
    np.testing.assert_allclose(answer["scores"], expected, rtol=1e-12)
    assert list(answer["label"]) == ["1" if first > second else "0" for first, second in expected]


def test_a_model_with_a_type_that_is_not_sklearns_own_is_refused_when_saving() -> None:
    model = make_pipeline(FunctionTransformer(_double), StandardScaler()).fit(np.ones((4, 2)))
    with pytest.raises(DefinitionError, match="_double, which the sklearn flavor never loads"):
        SklearnFlavor().save(model, Signature(inputs=Schema.of(a="float64", b="float64"), outputs=Schema.of(y="float64")))


def _double(values: Any) -> Any:
    return values * 2


def test_other_categories_than_the_models_classes_are_refused() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(_TEXTS, _LABELS)
    outputs = Schema((Field("label", "str", categories=("door", "light", "weather")),))
    with pytest.raises(DefinitionError, match="other categories than the model's classes"):
        SklearnFlavor().save(model, Signature(inputs=Schema.of(text="str"), outputs=outputs))


def _text_files() -> tuple[Signature, bytes]:
    signature = Signature(inputs=Schema.of(text="str"), outputs=Schema((_LABEL,)), tolerance=1e-9)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(_TEXTS, _LABELS)
    return signature, SklearnFlavor().save(model, signature)["model.skops"]


def _forged(data: bytes, change: Any) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(content))).encode() if name == "schema.json" else content)
    return made.getvalue()


def test_a_forged_archive_that_names_another_type_is_refused_and_runs_nothing(tmp_path: Any) -> None:
    signature, data = _text_files()
    canary = tmp_path / "canary"

    def call_system(schema: dict[str, Any]) -> dict[str, Any]:
        command = json.dumps(f"touch {canary}")
        atom = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": command, "is_json": True}
        arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [atom]}
        return {**schema, "__class__": "system", "__module__": "os", "__loader__": "ConstructorFromReduceNode", "content": arguments}

    with pytest.raises(CorruptError, match="types that the sklearn flavor never writes"):
        SklearnFlavor().load({"model.skops": _forged(data, call_system)}, signature)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/passwd", "folder/1.npy"])
def test_an_archive_with_members_in_folders_is_refused(name: str) -> None:
    signature, data = _text_files()
    made = io.BytesIO(data)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(CorruptError, match="names that skops does not give"):
        SklearnFlavor().load({"model.skops": made.getvalue()}, signature)


def test_an_archive_that_grows_when_unpacked_is_refused() -> None:
    signature, data = _text_files()
    made = io.BytesIO(data)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", b"\0" * 50_000_000)
    with pytest.raises(CorruptError, match="compressed"):
        SklearnFlavor().load({"model.skops": made.getvalue()}, signature)
