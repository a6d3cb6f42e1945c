"""Calls: the methods of the services, each a translation of what the front end does for HTTP."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

import grpc
import msgspec
from attrs import define, field
from google.protobuf.message import DecodeError

from intonaco.core.errors import SchemaError
from intonaco.infra.serving.front.front import SERVER, FrontEnd
from intonaco.infra.serving.front.lanes import Told
from intonaco.infra.serving.front.rpc import features_pb2, inference_pb2
from intonaco.infra.serving.front.rpc.inputs import request_body
from intonaco.infra.serving.front.rpc.outputs import model_metadata, response
from intonaco.infra.serving.front.rpc.refusals import code_of, text_of
from intonaco.infra.serving.protocol.answers import encode_error
from intonaco.infra.serving.protocol.faults import fault

__all__ = ["Calls"]

_MESSAGES: Any = inference_pb2
_FEATURES: Any = features_pb2
_INFERENCE: Final = "/inference.GRPCInferenceService/"
_OPEN: Final = frozenset({f"{_INFERENCE}ServerLive", f"{_INFERENCE}ServerReady"})
#: A request that does not come whole in time is refused, as over HTTP.
_REQUEST_TIMEOUT_S = 10.0
#: A request from so many bytes on is translated beside the loop, so that others are answered meanwhile.
_LARGE_BYTES = 64 * 1024
_CLOSING = 503, encode_error("the server is shutting down", code="draining", hint="ask another one")

Method = Callable[[bytes, float], Awaitable[Told]]


@define(eq=False)
class Calls(grpc.GenericRpcHandler):  # type: ignore[misc]
    """What the front end answers over gRPC.

    A method takes the bytes of a request and the seconds that its client waits, and gives what HTTP would: 200 and the bytes of a
    response, or another status and the object of a refusal. While it is `closing` it takes no new calls but those of health.
    """

    app: FrontEnd
    closing: bool = False
    under_way: int = field(default=0, init=False)
    _methods: dict[str, Method] = field(init=False)

    def __attrs_post_init__(self) -> None:
        inference = (self.ServerLive, self.ServerReady, self.ServerMetadata, self.ModelReady, self.ModelMetadata, self.ModelInfer)
        self._methods = {_INFERENCE + method.__name__: method for method in inference}
        self._methods["/intonaco.v1.Features/Get"] = self.Get

    def service(self, details: Any) -> Any:
        """The handler of a call; nothing of its message has been read yet, and nothing will be without a valid token."""
        given = next((value for name, value in details.invocation_metadata if name == "authorization"), "")
        authorization = given if isinstance(given, bytes) else given.encode()
        refused = None if details.method in _OPEN else self.app.guard.unauthorized(authorization) or (_CLOSING if self.closing else None)
        if refused is not None:
            return grpc.stream_unary_rpc_method_handler(_refuse(refused))
        method = self._methods.get(details.method)
        return None if method is None else grpc.stream_unary_rpc_method_handler(partial(self._answer, method))

    async def ServerLive(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Whether the process runs."""
        return 200, _MESSAGES.ServerLiveResponse(live=True).SerializeToString()

    async def ServerReady(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Whether all that is deployed can be asked."""
        return 200, _MESSAGES.ServerReadyResponse(ready=self.app.ready()[0] == 200).SerializeToString()

    async def ServerMetadata(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Name and version of the server."""
        return 200, _MESSAGES.ServerMetadataResponse(**SERVER).SerializeToString()

    async def ModelReady(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Whether an endpoint can be asked; one that is not there cannot."""
        asked = _MESSAGES.ModelReadyRequest.FromString(message)
        found = self.app.describe(asked.name, asked.version)
        return 200, _MESSAGES.ModelReadyResponse(ready=found is not None and found[0] == 200).SerializeToString()

    async def ModelMetadata(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Inputs and outputs of an endpoint."""
        asked = _MESSAGES.ModelMetadataRequest.FromString(message)
        found = self.app.describe(asked.name, asked.version)
        if found is None:
            return self.app.unknown(_path(asked.name, asked.version))
        return (200, model_metadata(found[1])) if found[0] == 200 else found

    async def ModelInfer(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Predictions."""
        until = time.monotonic() + within_s
        if len(message) < _LARGE_BYTES:
            name, version, raw, body = _prediction(message)
        else:
            name, version, raw, body = await asyncio.to_thread(_prediction, message)
        status, told = await self._pass_on(f"{_path(name, version)}/infer", body, until)
        if status != 200:
            return status, told
        return 200, response(told, raw=raw) if len(told) < _LARGE_BYTES else await asyncio.to_thread(response, told, raw=raw)

    async def Get(self, message: bytes, within_s: float) -> Told:  # noqa: N802
        """Features of a set, without a model."""
        asked = _FEATURES.GetRequest.FromString(message)
        moment = asked.WhichOneof("moment")
        at = b"null" if moment is None else msgspec.json.encode(getattr(asked, moment))
        body = b'{"keys":%b,"at":%b,"offline":%b}' % (asked.keys.encode(), at, b"true" if asked.offline else b"false")
        status, told = await self._pass_on(f"/features/{asked.set}:get", body, time.monotonic() + within_s)
        return (200, _FEATURES.GetResponse(answer=told.decode()).SerializeToString()) if status == 200 else (status, told)

    async def _answer(self, method: Method, messages: AsyncIterator[bytes], context: Any) -> bytes:
        """Read one message, within its time, and answer or refuse."""
        self.under_way += 1
        try:
            status, told = await _told(method, messages, context.time_remaining())
            if status != 200:
                await context.abort(code_of(status), text_of(told))
            return told
        finally:
            self.under_way -= 1

    async def _pass_on(self, path: str, body: bytes, until: float) -> Told:
        started = time.monotonic()
        place = self.app.place(path)
        if place is None:
            told = self.app.unknown(path)
            self.app.others.count(told[0], 0.0)
            return told
        line, version = place
        told = await line.submit(version, body, until - started)
        line.tally.count(told[0], time.monotonic() - started)
        return told


def _path(name: str, version: str) -> str:
    """The path of HTTP under which the endpoint is; a slash in a name leads nowhere, as there."""
    name, version = name.replace("/", "%2F"), version.replace("/", "%2F")
    return f"/v2/models/{name}/versions/{version}" if version else f"/v2/models/{name}"


def _prediction(message: bytes) -> tuple[str, str, bool, bytes]:
    """Endpoint, version, whether tensors are raw, and the body for the worker."""
    asked = _MESSAGES.ModelInferRequest.FromString(message)
    return asked.model_name, asked.model_version, bool(asked.raw_input_contents), request_body(asked)


async def _told(method: Method, messages: AsyncIterator[bytes], left_s: float | None) -> Told:
    try:
        async with asyncio.timeout(_REQUEST_TIMEOUT_S):
            message = await anext(messages)
    except StopAsyncIteration:
        return 400, encode_error("the call holds no message", code="invalid")
    except TimeoutError:
        return 504, encode_error(f"the request did not come whole within {_REQUEST_TIMEOUT_S:g} s", code="deadline")
    try:
        return await method(message, math.inf if left_s is None else left_s)
    except DecodeError as error:
        return fault(SchemaError(f"the message is none of this method: {error}"))
    except Exception as error:  # whatever is wrong with one request is told to its caller
        return fault(error)


def _refuse(refused: Told) -> Any:
    """A handler that reads nothing."""

    async def refuse(messages: AsyncIterator[bytes], context: Any) -> bytes:
        await context.abort(code_of(refused[0]), text_of(refused[1]))
        raise AssertionError("abort raises")

    return refuse
