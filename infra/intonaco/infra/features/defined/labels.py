"""Labels: what really happened, and when it is final."""

from attrs import field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.references import check_name
from intonaco.infra.features.defined.given import words

__all__ = ["Labels"]


@frozen(kw_only=True)
class Labels:
    """A table of outcomes: it makes training sets, and is joined to predictions later.

    A row whose value is null gives no label: a cancelled flight, a withdrawn order.

    Parameters
    ----------
    table
        Name of the table in the project.
    keys
        Columns that identify the thing that was predicted, the same in requests.
    value
        The column that holds the outcome.
    final
        The column of times at which the outcome is known for good.
    at
        The column of times at which it is to be predicted; a training set is built as of these.
    """

    name: str = field(validator=lambda _, __, value: check_name(value, "name of labels") and None)
    table: str
    keys: tuple[str, ...] = field(converter=words)
    value: str
    final: str
    at: str = ""
    description: str = ""
    owner: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.keys:
            raise DefinitionError(f"labels {self.name!r} have no keys", hint='keys=["trip"]', field=self.name)
        if self.value in self.keys:
            raise DefinitionError(f"labels {self.name!r}: the value {self.value!r} is a key", hint="name another column", field=self.value)
