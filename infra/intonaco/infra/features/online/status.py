"""What is known of a feature's value: one code per cell, the same in Python, HTTP and gRPC."""

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """Why a cell holds what it holds.

    `present`: a value. `null`: the source says that there is none (or a window holds none). `missing`: nothing usable is
    known of the entity. `expired`: what is known is older than `valid_for`. `defaulted`: the declared default stands in.
    """

    present = 0
    null = 1
    missing = 2
    expired = 3
    defaulted = 4
