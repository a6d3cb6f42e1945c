"""`make bench`, or `make bench BENCH=name`: JSON lines on standard output, one for each system measured."""

import argparse
import subprocess
import sys
from importlib import import_module

from benchmarks.harness import Scale

#: Names of benchmarks, and the functions that measure and print.
BENCHES = {
    "import": "startup:importing",
    "help": "startup:asking_for_help",
    "serving": "serving:serving",
    "asof": "asof:joining",
    "into_table": "intotable:writing",
    "windows": "windows:aggregating",
    "metrics": "metrics:logging",
    "register": "register:registering",
    "online": "online:reading",
    "definitions": "definitions:defining",
    "materialize": "materialize:materializing",
    "materialize_redis": "materializeredis:materializing",
    "stream": "stream:streaming",
    "online_redis": "onlineredis:keeping",
    "online_redis_features": "online:reading_redis",
}


def main() -> None:
    """Run one benchmark here, or each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("bench", nargs="?", choices=BENCHES, help="one benchmark; all by default")
    parser.add_argument("--smoke", action="store_true", help="the least that shows that it works; the figures mean nothing")
    given = parser.parse_args()
    if given.bench:
        module, _, function = BENCHES[given.bench].partition(":")
        getattr(import_module(f"benchmarks.{module}"), function)(Scale(smoke=given.smoke))
        return
    failed = [name for name in BENCHES if subprocess.run([sys.executable, "-m", "benchmarks", name, *sys.argv[1:]], check=False).returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
