"""The tree of errors: one root, one branch for each thing that a caller can do about it.

IntonacoError
├── InvalidError (ValueError)            what was given cannot be used: mend it
│   ├── SettingsError                    a setting
│   ├── SchemaError                      a table, a column or a request that differs from its schema
│   └── DefinitionError                  a feature, a step, a task or a plugin that cannot work as written
├── MissingError (LookupError)           what was named is not there: name another, or make it
│   └── NotRegisteredError               no plugin offers it
├── ConflictError (RuntimeError)         somebody else was first: read again and repeat
│   └── AlreadyExistsError (FileExistsError)
├── CorruptError (RuntimeError)          stored bytes are not what was acknowledged: see `intonaco fsck`
├── UnavailableError (ConnectionError)   a store, a server or a worker does not answer: try later
│   ├── DeadlineError (TimeoutError)     it did not answer in time
│   └── PortInUseError                   the address is taken
├── RefusedError (PermissionError)       a policy says no
│   └── QualityError                     the rows violate a quality check
└── PluginError (ImportError)            a plugin cannot be loaded
"""

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "CorruptError",
    "DeadlineError",
    "DefinitionError",
    "IntonacoError",
    "InvalidError",
    "MissingError",
    "NotRegisteredError",
    "PluginError",
    "PortInUseError",
    "QualityError",
    "RefusedError",
    "SchemaError",
    "SettingsError",
    "UnavailableError",
]


class IntonacoError(Exception):
    """Something went wrong in a way that Intonaco can explain.

    Parameters
    ----------
    message
        What failed, where, what was given and what was expected; one line.
    hint
        What to do about it; one line, empty if the message says all.
    field
        The name of the setting, column, feature or argument at fault, where there is one.
    """

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidError(IntonacoError, ValueError):
    """What was given cannot be used."""


class SettingsError(InvalidError):
    """A setting is unknown or has a value that is not allowed."""


class SchemaError(InvalidError):
    """Columns differ from their schema."""


class DefinitionError(InvalidError):
    """A definition in code cannot work as written."""


class MissingError(IntonacoError, LookupError):
    """What was named is not there."""


class NotRegisteredError(MissingError):
    """No loaded plugin offers the name."""


class ConflictError(IntonacoError, RuntimeError):
    """Somebody else was first."""


class AlreadyExistsError(ConflictError, FileExistsError):
    """The name is taken, and names are written once."""


class CorruptError(IntonacoError, RuntimeError):
    """Stored bytes are not what was acknowledged."""


class UnavailableError(IntonacoError, ConnectionError):
    """A store, a server or a worker does not answer."""


class DeadlineError(UnavailableError, TimeoutError):
    """The answer did not come in time."""


class PortInUseError(UnavailableError):
    """The address to listen on is taken."""


class RefusedError(IntonacoError, PermissionError):
    """A policy forbids it."""


class QualityError(RefusedError):
    """Rows violate a quality check."""


class PluginError(IntonacoError, ImportError):
    """A plugin cannot be loaded."""
