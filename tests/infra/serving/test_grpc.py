"""The server over gRPC, asked by a client that is not ours: the same verdicts and the same bits as over HTTP."""

import importlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pyarrow as pa
import pytest

from intonaco.core.errors import PortInUseError, SettingsError
from intonaco.core.schema import Schema
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, RequestColumn, TableSource, columns, count, last_k, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.endpoints.deployment import Route
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.front.rpc import features_pb2, inference_pb2
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.servable import Signature
from intonaco.infra.serving.server.server import serve
from intonaco.infra.testing.doubling import HANG, Doubling, Multiplier
from intonaco.infra.testing.servers import RunningServer, deploy_multiplier, running_server
from intonaco.infra.workspace import Workspace

client_of = pytest.importorskip("tritonclient.grpc")
pytest_plugins = ("intonaco.infra.testing.servers",)

TOKEN = "a-token-of-the-tests"
AT = datetime(2024, 1, 1, 1, tzinfo=UTC)
VIEW = FeatureView(
    name="delays",
    entity=Entity("stop", {"stop": "str"}),
    source=TableSource("passed", {"late": "float64", "line": "str?", "cars": "int64?"}, time="when"),
    features=[mean("late", over="1h"), columns("line", "cars"), last_k("late", k=2, over="1h"), count(over="1h", default=0.0)],
    valid_for="40m",
)
SET = FeatureSet(name="lateness", features=[VIEW], request=[RequestColumn("x")])
DTYPES: dict[str, Any] = {"BYTES": object, "FP64": "f8", "FP32": "f4", "INT64": "i8"}
MESSAGES: Any = inference_pb2
FEATURES: Any = features_pb2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, doubling: None) -> Iterator[Workspace]:
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
        deploy_multiplier(workspace, wait_s=0)
        deploy_on_features(workspace)
        yield workspace


def deploy_on_features(workspace: Workspace) -> None:
    store = FeatureStore(workspace)
    times = [datetime(2024, 1, 1, 0, minute, tzinfo=UTC) for minute in (30, 40, 5, 45)]
    passed = {
        "stop": ["a", "a", "b", "c"],
        "when": times,
        "late": [0.1, 4.0, 1.0, 7.0],
        "line": ["ä", None, "y", "z"],
        "cars": [2**60 + 1] * 4,
    }
    workspace.tables.write("default/passed", pa.table(passed))
    store.apply([SET])
    store.materialize("lateness", AT)
    plan = store.read_plan("lateness")
    keys = {"stop": np.array(["a", "b"], dtype=object), "x": np.array([0.1, 0.2])}
    samples = store.read_offline("lateness", keys, np.full(2, int(AT.timestamp() * 1e6))).columns
    signature = Signature(inputs=plan.features, outputs=Schema.of(y="float64"))
    package = packages.build(workspace, Multiplier(), signature, samples=samples, plan=plan.to_json(), flavor=Doubling())
    Deployments(workspace).deploy("eta", Route(version=1, package=package.digest), wait_s=0)


@pytest.fixture(scope="module")
def server(served: Workspace) -> Iterator[RunningServer]:
    with running_server(served.root, **{"serving.grpc_port": 0, "serving.deadline_s": 3.0}) as server:
        server.wait_ready("twice")
        server.wait_ready("eta")
        until = time.monotonic() + 30
        while server.ask("POST", "/features/lateness:get", b'{"keys": {"stop": "a"}}')[0] != 200 and time.monotonic() < until:
            time.sleep(0.05)
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[Any]:
    with client_of.InferenceServerClient(server.grpc_address) as client:
        yield client


def tensor(name: str, datatype: str, values: list[Any]) -> Any:
    made = client_of.InferInput(name, [len(values)], datatype)
    made.set_data_from_numpy(np.array(values, dtype=DTYPES[datatype]))
    return made


def two(*x: float) -> list[Any]:
    return [tensor("x", "FP64", list(x)), tensor("note", "BYTES", ["a"] * len(x))]


def message(endpoint: str = "twice", **inputs: tuple[str, dict[str, Any]]) -> Any:
    """A request with typed contents."""
    asked = MESSAGES.ModelInferRequest(model_name=endpoint)
    for name, (datatype, contents) in inputs.items():
        size = len(next(iter(contents.values()), ()))
        asked.inputs.add(name=name, datatype=datatype, shape=[size], contents=MESSAGES.InferTensorContents(**contents))
    return asked


def call(server: RunningServer, method: str, asked: Any, answer: Any, **options: Any) -> Any:
    with grpc.insecure_channel(server.grpc_address) as channel:
        told = channel.unary_unary(method)(asked if isinstance(asked, bytes) else asked.SerializeToString(), **{"timeout": 10, **options})
        return answer.FromString(told)


def infer(server: RunningServer, asked: Any, **options: Any) -> Any:
    return call(server, "/inference.GRPCInferenceService/ModelInfer", asked, MESSAGES.ModelInferResponse, **options)


def get(server: RunningServer, **asked: Any) -> Any:
    return json.loads(call(server, "/intonaco.v1.Features/Get", FEATURES.GetRequest(**asked), FEATURES.GetResponse).answer)


def refused(act: Callable[[], Any]) -> tuple[str, str]:
    """Code and details."""
    with pytest.raises((grpc.RpcError, client_of.InferenceServerException)) as caught:
        act()
    error: Any = caught.value
    return (error.code().name, error.details()) if isinstance(error, grpc.RpcError) else (error.status().split(".")[1], error.message())


@pytest.mark.slow
class TestProtocol:
    def test_tritonclient_reads_metadata_and_health_and_scores(self, client: Any) -> None:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert (client.is_model_ready("twice"), client.is_model_ready("twice", "1")) == (True, True)
        assert (client.is_model_ready("twice", "9"), client.is_model_ready("other")) == (False, False)
        assert client.get_server_metadata().name == "intonaco"
        told = client.get_model_metadata("twice", as_json=True)
        assert [(each["name"], each["datatype"], each["shape"]) for each in told["inputs"]] == [
            ("x", "FP64", ["-1"]),
            ("note", "BYTES", ["-1"]),
        ]
        answer = client.infer("twice", two(0.1, 0.2), request_id="7", outputs=[client_of.InferRequestedOutput("y")])
        assert (answer.as_numpy("y").tolist(), answer.get_response().id) == ([0.2, 0.4], "7")
        assert answer.get_response().parameters["prediction_id"].string_param

    def test_asynchronous_clients_are_answered_too(self, client: Any) -> None:
        answers: list[Any] = []
        for each in range(20):
            client.async_infer("twice", two(float(each)), lambda result, error: answers.append(error or result.as_numpy("y").tolist()))
        until = time.monotonic() + 20
        while len(answers) < 20 and time.monotonic() < until:
            time.sleep(0.01)
        assert sorted(answers) == [[2.0 * each] for each in range(20)]

    def test_every_bit_is_that_of_http_raw_and_typed(self, server: RunningServer, client: Any) -> None:
        values = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308 / 2, 2.0**53 + 2, 123456.789e-30]
        status, told = server.infer("twice", {"x": ("FP64", values), "note": ("BYTES", ["a", "é", "\0", '"', "😀", "", "a:b"])})
        assert status == 200
        over_http = np.array(told["outputs"][0]["data"]).tobytes()
        asked = [tensor("x", "FP64", values), tensor("note", "BYTES", ["a", "é", "\0", '"', "😀", "", "a:b"])]
        assert client.infer("twice", asked).as_numpy("y").tobytes() == over_http
        typed = infer(server, message(x=("FP64", {"fp64_contents": values}), note=("BYTES", {"bytes_contents": [b"a"] * 7})))
        assert np.array(typed.outputs[0].contents.fp64_contents).tobytes() == over_http
        assert len(typed.raw_output_contents) == 0

    def test_features_statuses_and_ages_are_those_of_http(self, server: RunningServer, client: Any) -> None:
        stops, at = ["a", "b", "nobody"], AT.isoformat()
        inputs: dict[str, Any] = {"stop": ("BYTES", stops), "x": ("FP64", [1.0, 2.0, 3.0])}
        status, told = server.infer("eta", inputs, parameters={"at": at, "features": True})
        assert status == 200, told
        answer = client.infer("eta", [tensor(name, *given) for name, given in inputs.items()], parameters={"at": at, "features": True})
        response = answer.get_response()
        assert [each.name for each in response.outputs] == [each["name"] for each in told["outputs"]]
        for each in told["outputs"]:
            assert seen_over_grpc(answer, each["name"]) == each["data"], each["name"]
        by_name = {each["name"]: each["data"] for each in told["outputs"]}
        assert by_name["age_us.line"][2] is None
        assert by_name["status.count_1h"] == [0, 4, 4]
        assert by_name["feature.cars"][0] == 2**60 + 1
        assert answer.as_numpy("age_us.line").tolist()[2] == -1
        assert response.parameters["missing.age_us.line"].string_param == "2"

    def test_a_feature_set_is_answered_byte_for_byte_as_over_http(self, server: RunningServer) -> None:
        keys = [{"stop": "a", "x": 0.1}, {"stop": "b"}, {"stop": None}]
        for more in ({"at": AT.isoformat()}, {"at_us": int(AT.timestamp() * 1e6), "offline": True}):
            body = {"keys": keys, "at": more.get("at", more.get("at_us")), "offline": more.get("offline", False)}
            status, told = server.ask("POST", "/features/lateness:get", json.dumps(body).encode())
            assert status == 200
            assert get(server, set="lateness", keys=json.dumps(keys), **more) == told
        statuses = [row["features"]["count_1h"]["status"] for row in get(server, set="lateness", keys=json.dumps(keys))["rows"]]
        assert statuses == ["defaulted"] * 3

    def test_missing_values_are_told_by_their_positions(self, server: RunningServer, client: Any) -> None:
        inputs = [tensor("stop", "BYTES", ["a", "b"]), tensor("x", "FP64", [np.nan, 2.0])]
        answer = client.infer("eta", inputs, parameters={"missing.x": "0", "missing.stop": "1", "at": AT.isoformat(), "features": True})
        data: dict[str, Any] = {"stop": ("BYTES", ["a", None]), "x": ("FP64", [None, 2.0])}
        _, told = server.infer("eta", data, parameters={"at": AT.isoformat(), "features": True})
        for each in told["outputs"]:
            assert seen_over_grpc(answer, each["name"]) == each["data"], each["name"]


def seen_over_grpc(answer: Any, name: str) -> list[Any]:
    """An output as JSON has it."""
    parameters = answer.get_response().parameters
    array = answer.as_numpy(name)
    values = [value.decode() if isinstance(value, bytes) else value for value in array.reshape(-1).tolist()]
    values = [None if value != value else value for value in values]
    missing = parameters[f"missing.{name}"].string_param if f"missing.{name}" in parameters else ""
    for place in filter(None, missing.split(",")):
        values[int(place)] = None
    if f"lengths.{name}" not in parameters:
        return values if array.ndim == 1 else np.array(values, dtype=object).reshape(array.shape).tolist()
    lengths = [int(each) for each in parameters[f"lengths.{name}"].string_param.split(",")]
    rows = iter(values)
    return [None if length < 0 else [next(rows) for _ in range(length)] for length in lengths]


@pytest.mark.slow
class TestRefusals:
    @pytest.mark.parametrize(
        ("x", "note"),
        [
            (("FP32", [1.0]), ("BYTES", ["a"])),
            (("FP64", [1.0, 2.0]), ("BYTES", ["a"])),
            (("FP64", []), ("BYTES", [])),
            (("FP64", [np.nan]), ("BYTES", ["a"])),
            (("FP64", [np.inf]), ("BYTES", ["a"])),
            (("FP64", [888.0]), ("BYTES", ["a"])),
        ],
    )
    def test_the_verdict_is_that_of_http(self, server: RunningServer, client: Any, x: Any, note: Any) -> None:
        status, told = server.infer("twice", {"x": x, "note": note})
        code, details = refused(lambda: client.infer("twice", [tensor("x", *x), tensor("note", *note)]))
        assert (status, code) in {(400, "INVALID_ARGUMENT"), (500, "INTERNAL")}
        if not np.isfinite(x[1]).all() or status == 500:
            return  # the words differ: JSON knows null, gRPC positions; error ids differ
        assert told["error"] in details
        assert f"field: {told['field']}" in details
        assert told["hint"] in details

    def test_a_value_that_may_not_be_missing_is_refused_alike(self, server: RunningServer, client: Any) -> None:
        _, told = server.infer("twice", {"x": ("FP64", [None]), "note": ("BYTES", ["a"])})
        assert told["error"] in refused(lambda: client.infer("twice", two(1.0), parameters={"missing.x": "0"}))[1]

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            (message(x=("FP64", {"fp32_contents": [1.0]}), note=("BYTES", {"bytes_contents": [b"a"]})), "stands in fp64_contents"),
            (message(x=("FP64", {"fp64_contents": [1.0]}), note=("BYTES", {"bytes_contents": [b"\xff"]})), "not UTF-8"),
            (message(x=("FP16", {}), note=("BYTES", {"bytes_contents": [b"a"]})), "expected FP64"),
            (message(y=("FP64", {"fp64_contents": [1.0]})), "unknown input 'y'"),
            (b"\xff\xff\xff", "the message is none of this method"),
        ],
    )
    def test_what_is_wrong_is_named(self, server: RunningServer, asked: Any, words: str) -> None:
        code, details = refused(lambda: infer(server, asked))
        assert (code, words in details) == ("INVALID_ARGUMENT", True), details

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            ([b"1234567", b"\1\0\0\0a"], "no whole values of FP64"),
            ([b"12345678", b"\2\0\0\0a"], "end within a value"),
            ([b"12345678", b"\2\0"], "end within a value"),
            ([b"12345678"], "1 raw_input_contents for 2 inputs"),
        ],
    )
    def test_raw_tensors_that_are_cut_off_are_refused(self, server: RunningServer, raw: list[bytes], words: str) -> None:
        asked = message(x=("FP64", {}), note=("BYTES", {}))
        for each in asked.inputs:
            each.ClearField("contents")
        asked.raw_input_contents.extend(raw)
        assert words in refused(lambda: infer(server, asked))[1]

    @pytest.mark.parametrize(
        ("missing", "words"), [("x", "no list of positions"), ("7", "none at the missing position 7"), ("0,,1", "no list of positions")]
    )
    def test_positions_that_are_none_are_refused(self, client: Any, missing: str, words: str) -> None:
        assert words in refused(lambda: client.infer("twice", two(1.0), parameters={"missing.note": missing}))[1]
        assert "names no input" in refused(lambda: client.infer("twice", two(1.0), parameters={"missing.z": "0"}))[1]

    def test_what_is_not_there_is_told_with_what_is(self, server: RunningServer, client: Any) -> None:
        for name, version in (("other", ""), ("twice", "9"), ("twice/versions/1", ""), ("../twice", "")):
            code, details = refused(partial(client.infer, name, two(1.0), model_version=version))
            assert (code, "endpoints: eta, twice" in details) == ("NOT_FOUND", True)
        assert refused(lambda: client.get_model_metadata("other"))[0] == "NOT_FOUND"
        assert refused(lambda: get(server, set="other", keys="{}"))[0] == "NOT_FOUND"
        assert refused(lambda: call(server, "/inference.GRPCInferenceService/Other", b"", FEATURES.GetResponse))[0] == "UNIMPLEMENTED"

    def test_keys_that_are_none_are_refused_as_over_http(self, server: RunningServer) -> None:
        for keys in ("{", '{"stop": 1}', "[]", '{"stop": "a", "stop": "b"}', '{"stop": "a"}, "keys": {}'):
            code, details = refused(partial(get, server, set="lateness", keys=keys))
            assert (code, "field: " in details) == ("INVALID_ARGUMENT", True)

    def test_a_message_beyond_the_limit_is_refused(self, client: Any) -> None:
        x = np.zeros(3 * 2**20)
        large = client_of.InferInput("x", [len(x)], "FP64")
        large.set_data_from_numpy(x)
        assert refused(lambda: client.infer("twice", [large]))[0] == "RESOURCE_EXHAUSTED"
        assert client.infer("twice", two(1.0)).as_numpy("y").tolist() == [2.0]

    def test_compressed_messages_are_not_taken(self, client: Any) -> None:
        assert refused(lambda: client.infer("twice", two(1.0), compression_algorithm="gzip"))[0] == "UNIMPLEMENTED"

    def test_the_clients_deadline_holds_and_then_the_servers(self, server: RunningServer, client: Any) -> None:
        began = time.monotonic()
        assert refused(lambda: client.infer("twice", two(HANG), client_timeout=0.3))[0] == "DEADLINE_EXCEEDED"
        assert time.monotonic() - began < 2.0
        code, details = refused(lambda: client.infer("twice", two(1.0), client_timeout=20))
        assert (code, "code: deadline" in details or "worker_died" in details) in {("DEADLINE_EXCEEDED", True), ("UNAVAILABLE", True)}
        server.wait_ready("twice")
        until = time.monotonic() + 20
        while server.infer("twice", {"x": ("FP64", [1.0]), "note": ("BYTES", ["a"])})[0] != 200:
            assert time.monotonic() < until


@pytest.mark.slow
def test_a_call_whose_message_does_not_come_is_ended_and_holds_nobody_up(server: RunningServer, client: Any) -> None:
    never = threading.Event()
    with grpc.insecure_channel(server.grpc_address) as channel:
        ask = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        began = time.monotonic()
        calls = [ask.future(iter(lambda: never.wait(20), True), timeout=30) for _ in range(20)]
        assert client.infer("twice", two(1.0), client_timeout=2).as_numpy("y").tolist() == [2.0]
        assert {call.code().name for call in calls} == {"DEADLINE_EXCEEDED"}
        assert 9.0 < time.monotonic() - began < 15.0
        never.set()


@pytest.mark.slow
def test_without_the_token_every_method_but_health_is_closed(served: Workspace) -> None:
    with running_server(served.root, **{"serving.grpc_port": 0, "serving.token": TOKEN}) as server:
        inference = "/inference.GRPCInferenceService/"
        closed = [inference + each for each in ("ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer", "Other")]
        for method in (*closed, "/intonaco.v1.Features/Get", "/other/Other"):
            for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", TOKEN),)):
                code, details = refused(partial(call, server, method, b"", FEATURES.GetResponse, metadata=metadata))
                assert (code, "code: unauthorized" in details) == ("UNAUTHENTICATED", True), method
        with client_of.InferenceServerClient(server.grpc_address) as client:
            assert client.is_server_live()
            assert client.is_server_ready() in (True, False)
            assert client.get_server_metadata({"authorization": f"Bearer {TOKEN}"}).name == "intonaco"


@pytest.mark.slow
def test_what_was_accepted_is_answered_when_the_server_stops(served: Workspace) -> None:
    with running_server(served.root, **{"serving.grpc_port": 0}) as server:
        server.wait_ready("twice")
        codes: list[str] = []
        asking = [threading.Thread(target=ask_on, args=(server.grpc_address, codes)) for _ in range(4)]
        for each in asking:
            each.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        for each in asking:
            each.join(30)
        assert server.process.wait(30) == 0
        assert codes.count("OK") > 20
        assert set(codes) <= {"OK", "UNAVAILABLE"}
        assert codes.count("UNAVAILABLE") <= 4


def ask_on(address: str, codes: list[str]) -> None:
    """Ask one after the other until the server takes no more."""
    asked = message(x=("FP64", {"fp64_contents": [1.0]}), note=("BYTES", {"bytes_contents": [b"a"]})).SerializeToString()
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        while "UNAVAILABLE" not in codes[-1:]:
            try:
                ask(asked, timeout=20)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
                return


@pytest.mark.slow
def test_a_port_in_use_is_told(server: RunningServer, served: Workspace) -> None:
    for port in (int(server.grpc_address.split(":")[1]), int(server.address.split(":")[1])):
        with pytest.raises(PortInUseError, match="in use") as caught:
            serve(served, port=0, grpc_port=port)
        assert caught.value.field == "serving.grpc_port"


@pytest.mark.slow
@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_each_name_of_this_machine_is_listened_on_and_a_front_end_that_died_comes_back_there(served: Workspace, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with running_server(served.root, **{"serving.grpc_port": 0, "serving.host": host}) as server:
        server.wait_ready("twice")
        assert server.grpc_address.rpartition(":")[0] in ("127.0.0.1", "[::1]")
        fronts = [each for each in psutil.Process(server.process.pid).children() if "frontprocess" in " ".join(each.cmdline())]
        fronts[0].kill()
        fronts[0].wait(10)
        until = time.monotonic() + 30
        asked = message(x=("FP64", {"fp64_contents": [1.0]}), note=("BYTES", {"bytes_contents": [b"a"]}))
        while time.monotonic() < until:
            try:
                assert list(infer(server, asked).outputs[0].contents.fp64_contents) == [2.0]
                return
            except grpc.RpcError:
                time.sleep(0.1)
        pytest.fail("nobody answers after the front end died")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_the_command_tells_the_address(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "intonaco.infra.platform.cli",
        "-C",
        str(tmp_path),
        "serve",
        "--port",
        "0",
        "--grpc-port",
        "0",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with client_of.InferenceServerClient(told["grpc"]) as client:
            assert client.is_server_live()
            assert not client.is_server_ready()
        process.terminate()
        assert process.wait(30) == 0


def test_without_its_libraries_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Workspace.open(tmp_path) as workspace, pytest.raises(SettingsError, match="not installed") as caught:
        serve(workspace, port=0, grpc_port=0)
    assert caught.value.hint == "pip install 'intonaco-infra[grpc]'"


def test_its_libraries_are_not_loaded_while_it_is_off() -> None:
    served = "intonaco.infra.serving.server.server, intonaco.infra.serving.front.frontprocess"
    code = f"import sys, {served}; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_client_of_the_protocol_lives_in_the_same_process() -> None:
    theirs = importlib.import_module("tritonclient.grpc.service_pb2")
    asked = message(x=("FP64", {"fp64_contents": [1.0]}))
    asked.parameters["at"].int64_param = 7
    asked.raw_input_contents.append(b"1")
    assert theirs.ModelInferRequest.FromString(asked.SerializeToString()).parameters["at"].int64_param == 7
    assert str(theirs.ModelInferRequest.FromString(asked.SerializeToString())) == str(asked)


@pytest.mark.slow
def test_the_generated_code_is_that_of_the_definitions(root_of_infra: Path, tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    kept = sorted((root_of_infra / "intonaco/infra/serving/front/rpc").glob("*.proto"))
    sources = [str(each.relative_to(root_of_infra)) for each in kept]
    command = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", *sources]
    subprocess.run(command, check=True, cwd=root_of_infra, timeout=60)
    for each in kept:
        code = each.with_name(f"{each.stem}_pb2.py")
        assert (tmp_path / code.relative_to(root_of_infra)).read_bytes() == code.read_bytes()


@pytest.fixture
def root_of_infra() -> Path:
    return Path(__file__).parents[3] / "infra"
