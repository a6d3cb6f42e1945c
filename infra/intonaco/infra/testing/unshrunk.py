"""A pytest plugin with a profile of Hypothesis that finds a counter-example and leaves it as it is.

`stores check` tells which guarantee fails, not for which values: to look for the least of them takes minutes on a slow disk.
"""

from hypothesis import Phase, settings

__all__ = ["PROFILE"]

PROFILE = "unshrunk"

settings.register_profile(PROFILE, phases=[each for each in Phase if each not in (Phase.shrink, Phase.explain)])
