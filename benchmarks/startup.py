"""What importing core and asking for help cost, from wheels with byte code."""

import sys
from pathlib import Path

from benchmarks.harness import Scale, child, compare
from benchmarks.wheels import environment

__all__ = ["asking_for_help", "importing"]


def importing(scale: Scale) -> None:
    """`import intonaco.core` beside `import attrs, pluggy`, in a process each."""
    python = _programs(scale) / "python"
    systems = {
        "attrs, pluggy": child([python, "-c", "import attrs, pluggy"]),
        "intonaco.core": child([python, "-c", "import intonaco.core"]),
    }
    systems["intonaco.core"]()  # so that no round finds its files unread
    compare("import", systems, n=1, rounds=scale(40), reach=1.5)


def asking_for_help(scale: Scale) -> None:
    """`intonaco --help`, with every platform installed, beside an interpreter that does nothing."""
    programs = _programs(scale)
    systems = {"python": child([programs / "python", "-c", "pass"]), "intonaco --help": child([programs / "intonaco", "--help"])}
    systems["intonaco --help"]()
    compare("help", systems, n=1, rounds=scale(20), reach_cpu_s=0.2)


def _programs(scale: Scale) -> Path:
    return Path(sys.executable).parent if scale.smoke else environment()
