"""`python -m benchmarks.alone module:function WORD ...`: makes a work, does it once, and prints what that took as JSON."""

import json
import sys
from importlib import import_module

from attrs import asdict

from benchmarks.harness import once


def main() -> None:
    """Measure one work in this process."""
    module, _, function = sys.argv[1].partition(":")
    work = getattr(import_module(f"benchmarks.{module}"), function)(*sys.argv[2:])
    print(json.dumps(asdict(once(work))))


if __name__ == "__main__":
    main()
