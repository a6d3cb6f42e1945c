"""Digits, from pictures to an endpoint."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from attrs import frozen

from intonaco.infra import Examples, Images
from intonaco.infra.testing.servers import running_server
from intonaco.vision.classification import ImageClassification
from intonaco.vision.digits import digit_examples
from intonaco.vision.platform import VisionPlatform

pytestmark = pytest.mark.slow


@frozen
class Served:
    """Digits learned, registered and deployed in a workspace."""

    platform: VisionPlatform
    held_out: Examples
    accuracy: float
    blocks: tuple[object, ...]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    learn, held_out = digit_examples(part="training"), digit_examples(part="held_out")
    with VisionPlatform.open(tmp_path_factory.mktemp("digits")) as platform:
        trained = platform.train(ImageClassification("digit"), learn, held_out=held_out)
        platform.deploy("digits", trained.register("digits"))
        yield Served(platform, held_out, trained.cells.pick("accuracy").value, tuple(trained.report.blocks))


def test_at_least_94_of_100_digits_are_told(served: Served) -> None:
    assert served.accuracy >= 0.94


def test_mistakes_are_shown_as_pictures(served: Served) -> None:
    images = [block for block in served.blocks if isinstance(block, Images)]
    assert images
    assert " taken for " in images[0].captions[0]


def test_a_picture_goes_from_a_nested_list_to_its_digit(served: Served) -> None:
    pictures = np.asarray(served.held_out.columns["image"])[:5]
    told = served.platform.predict("digits", [{"image": picture.tolist()} for picture in pictures])
    assert sum(row["digit"] == digit for row, digit in zip(told, np.asarray(served.held_out.columns["digit"])[:5], strict=True)) >= 4


def test_the_server_takes_pictures_of_their_shape_and_no_other(served: Served) -> None:
    pictures = np.asarray(served.held_out.columns["image"])[:3]
    expected = [row["digit"] for row in served.platform.predict("digits", [{"image": each.tolist()} for each in pictures])]
    with running_server(served.platform.workspace.root) as server:
        server.wait_ready("digits")
        tensor: dict[str, object] = {"name": "image", "datatype": "UINT8", "shape": [3, 28, 28], "data": pictures.ravel().tolist()}
        status, told = server.ask("POST", "/v2/models/digits/infer", body(tensor))
        assert (status, told.get("outputs", [{}])[0].get("data")) == (200, expected), told
        for wrong in ({"shape": [3, 28, 27]}, {"shape": [3, 28]}, {"datatype": "FP32"}, {"data": [300] * pictures.size}):
            status, told = server.ask("POST", "/v2/models/digits/infer", body({**tensor, **wrong}))
            assert (status, "image" in told["error"]) == (400, True), told


def body(tensor: dict[str, object]) -> bytes:
    return json.dumps({"inputs": [tensor]}).encode()
