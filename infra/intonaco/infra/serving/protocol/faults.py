"""Faults on the wire: which status and code an error has, and the body that tells of it."""

import logging
import uuid

from intonaco.core.errors import (
    ConflictError,
    CorruptError,
    DeadlineError,
    IntonacoError,
    InvalidError,
    MissingError,
    RefusedError,
    UnavailableError,
)
from intonaco.infra.serving.protocol.answers import encode_error

__all__ = ["fault"]

_LOG = logging.getLogger(__name__)
_STATUSES: tuple[tuple[type[IntonacoError], int, str], ...] = (
    (InvalidError, 400, "invalid"),
    (MissingError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (RefusedError, 403, "refused"),
    (DeadlineError, 504, "deadline"),
    (UnavailableError, 503, "unavailable"),
    (CorruptError, 500, "corrupt"),
)


def fault(error: Exception) -> tuple[int, bytes]:
    """Status and body for an error; what is not the caller's to mend gets an id, under which the log has the details."""
    status, code = next(((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)), (500, "internal"))
    error_id = ""
    if status == 500:
        error_id = uuid.uuid4().hex[:12]
        _LOG.error("error %s", error_id, exc_info=error)
    known = isinstance(error, IntonacoError)
    message = error.message if isinstance(error, IntonacoError) else "the model failed on this request"
    hint = error.hint if isinstance(error, IntonacoError) else "the server's log tells more under this error_id"
    return status, encode_error(message, code=code, field=error.field if known else "", hint=hint, error_id=error_id)  # type: ignore[attr-defined]
