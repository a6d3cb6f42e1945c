"""The past: moments before what is stored online, which the tables of events answer."""

import numpy as np

from intonaco.core.errors import InvalidError

__all__ = ["PastError"]


class PastError(InvalidError):
    """A moment lies before what a view has online; whoever offers the read says in the hint how the past is read there."""

    @classmethod
    def of(cls, view: str, knows: str, until_us: int, at_us: int) -> "PastError":
        """Of a view that `knows` (`knows events up to`, `is materialized until`) a moment, asked as of an earlier one."""
        fault = f"feature view {view!r} {knows} {_text(until_us)} and cannot be read online as of {_text(at_us)}"
        return cls(fault, hint="FeatureStore.read_offline answers as of any moment", field="at")


def _text(at_us: int) -> str:
    return f"{np.datetime64(at_us, 'us')}Z"
