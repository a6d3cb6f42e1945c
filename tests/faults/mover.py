"""Not a test: a process that writes to one store of a workspace, whatever moves, and prints each number once it was acknowledged.

mover.py ROOT KIND WRITER
"""

import sys
import time

import pyarrow as pa

from intonaco.infra.workspace import Workspace


def main(root: str, kind: str, writer: str) -> None:
    with Workspace.open(root) as workspace:
        for number in range(10**6):
            name = f"{writer}/{number}"
            if kind == "blobs":
                workspace.blobs.create(f"b/{name}", name.encode())
            elif kind == "keyvalue":
                workspace.keyvalue.put([(name.encode(), number, b"v")])
            elif kind == "stream":
                workspace.stream.append("default/t", [name.encode()])
            elif kind == "tables":
                workspace.tables.write(f"default/w{writer}", pa.table({"number": [number]}), token=name)
            else:
                with workspace.catalog.transaction() as connection:
                    workspace.catalog.record_change(connection, "t", name)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
