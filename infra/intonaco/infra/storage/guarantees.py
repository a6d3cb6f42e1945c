"""Guarantees: what stores promise, by name, so that who needs one and a store that cannot give it find out at opening."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from intonaco.core.errors import SettingsError

__all__ = ["HERE_ALONE", "Guarantee", "check_guarantees"]


class Guarantee(StrEnum):
    """Something that a store promises; the text is what people read."""

    DURABLE = "durable acknowledgements"
    EXCLUSIVE_CREATE = "exclusive create"
    WHOLE = "whole or not at all"
    NO_LOST_UPDATES = "no lost updates"
    SNAPSHOTS = "snapshots"
    ORDER_WINS = "the greater order wins"
    OWN_WRITES = "own writes are read at once"
    IN_ORDER = "in order without gaps"
    CHECKED = "damage is found"
    SHARED = "within reach of other machines"


#: What a store lacks that is a file of this machine.
HERE_ALONE = {Guarantee.SHARED: "name a store on a server, such as redis://HOST, s3://BUCKET or postgresql://HOST/DATABASE"}


def check_guarantees(where: str, lacks: Mapping[Guarantee, str], needs: Collection[Guarantee], who: str) -> None:
    """Raise SettingsError if `who` needs what the store behind `where` lacks: the message says what, the hint what could give it."""
    missing = [guarantee for guarantee in lacks if guarantee in needs]
    if missing:
        named = ", ".join(f"{guarantee.value!r}" for guarantee in missing)
        cures = "; ".join(dict.fromkeys(lacks[guarantee] for guarantee in missing))
        raise SettingsError(f"{who} needs of {where} what it does not keep: {named}", hint=cures, field=missing[0].value)
