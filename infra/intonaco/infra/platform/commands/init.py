"""`intonaco init`: make a workspace."""

from pathlib import Path

import click

from intonaco.infra.platform.answers import Answer, answering

__all__ = ["init"]

_SETTINGS = """\
# Every key has a default; `intonaco doctor` shows what is in force.
project = "{project}"
# Python modules of this folder that define entities, views and feature sets.
definitions = ["definitions"]

[stores]
# blobs = "file:.intonaco/blobs"
# tables = "file:.intonaco/tables"
# keyvalue = "lmdb:.intonaco/online"
# stream = "sqlite:.intonaco/streams.db"
# catalog = "sqlite:.intonaco/catalog.db"

[serving]
# host = "127.0.0.1"
# port = 8080
"""

_DEFINITIONS = '''\
"""What this project's features are; `intonaco features plan` shows what `intonaco features apply` would change."""

DEFINITIONS: list[object] = []
'''


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--project", default="default", show_default=True, help="The project that its things belong to.")
@answering
def init(folder: Path, project: str) -> Answer:
    """Make a workspace: its settings and a module for definitions."""
    from intonaco.core.references import check_name

    check_name(project, "project")
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"intonaco.toml": _SETTINGS.format(project=project), "definitions.py": _DEFINITIONS}
    made = [name for name, text in texts.items() if _write_new(folder / name, text)]
    where = "this folder" if folder == Path() else str(folder)
    lines = [f"Made {', '.join(made)} in {where}." if made else f"{where} is a workspace already; nothing was changed."]
    return Answer(
        data={"workspace": str(folder.absolute()), "made": made}, lines=lines, next="intonaco status, or intonaco demo to see a whole job"
    )


def _write_new(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True
