"""What redis-py and a Redis server say went wrong, told as our own errors."""

from redis import exceptions

from intonaco.core.errors import CorruptError, DeadlineError, IntonacoError, InvalidError, RefusedError, UnavailableError
from intonaco.ext.redis.address import PASSWORD_VARIABLE

__all__ = ["told"]

_DAMAGED = "delete the key and write it again; intonaco fsck lists what is damaged"


def told(error: Exception, where: str, timeout_s: float) -> IntonacoError:
    """An error of the client, of the system or of the server as one of ours; no password is in any of them."""
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return DeadlineError(f"{where} did not answer within {timeout_s:g} s", hint="try again, or give it longer with ?timeout_s=")
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return RefusedError(f"{where} refuses this user or password", hint=f"write them in the URL, or the password in {PASSWORD_VARIABLE}")
    if isinstance(error, exceptions.BusyLoadingError):
        return UnavailableError(f"{where} is still loading its data", hint="try again")
    if isinstance(error, exceptions.ConnectionError | OSError):
        return UnavailableError(f"{where} cannot be reached: {error}", hint="look whether the server runs and the URL is right")
    return _answered(str(error), where)


def _answered(text: str, where: str) -> IntonacoError:
    if "DAMAGED" in text or "specified in XADD" in text:
        return CorruptError(f"{where} is damaged: {text.partition('DAMAGED ')[2][:200] or text}", hint=_DAMAGED)
    if "OOM" in text or "command not allowed when used memory" in text:
        return UnavailableError(f"{where} is full; nothing of this was written", hint="raise maxmemory of the server, or remove something")
    if "MISCONF" in text or "AOF file" in text:
        return UnavailableError(f"{where} cannot write to its disk, and so refuses to write: {text}", hint="free some space, and repeat")
    if "LOADING" in text:
        return UnavailableError(f"{where} is still loading its data", hint="try again")
    if "read only replica" in text:
        return UnavailableError(f"{where} is a replica, which takes no writes", hint="name the primary")
    if text.startswith(("NOPERM", "NOAUTH")) or "permissions" in text:
        return RefusedError(f"{where} does not let this user do that: {text}")
    if "WRONGTYPE" in text or "wrong kind of value" in text:
        return InvalidError(f"{where} holds something under our keys that Intonaco did not write", hint="choose another ?prefix=")
    return UnavailableError(f"{where} cannot be used: {text}")
