"""`intonaco plugins`: what is loaded, from where, in which order."""

import click

from intonaco.infra.platform.answers import Answer, answering

__all__ = ["plugins"]

PROVIDERS = (
    "blob_stores",
    "table_stores",
    "key_value_stores",
    "streams",
    "catalog_databases",
    "catalog_rooms",
    "task_engines",
    "table_engines",
    "artifact_formats",
    "flavors",
    "model_types",
    "request_functions",
    "targets",
    "cli_commands",
)


@click.command()
@answering
def plugins() -> Answer:
    """Show what is loaded, from where, in which order, and what was left out."""
    from attrs import asdict

    from intonaco.core.plugins import Plugins, platforms

    found = Plugins.discover()
    offers = {hook: {name: offer.path for name, offer in found.offers(hook).items()} for hook in PROVIDERS}
    rows = [
        {"plugin": each["name"], "from": f"{each['distribution']} {each['version']}", "offers": _offers(found, each["name"])}
        for each in found.manifest()
    ]
    failures = [asdict(failure) for failure in found.failures]
    lines = [f"Left out: {each['name']} of {each['distribution']}: {each['reason']}" for each in failures]
    data = {"plugins": found.manifest(), "platforms": platforms(), "offers": offers, "failures": failures}
    return Answer(data=data, lines=lines, rows=rows, next="intonaco doctor checks that what they offer can be opened")


def _offers(found: "object", plugin: str) -> str:
    """What one plugin offers, as text."""
    tables = {hook: found.offers(hook) for hook in PROVIDERS}  # type: ignore[attr-defined]
    parts = [f"{hook}: {', '.join(name for name, offer in table.items() if offer.plugin == plugin)}" for hook, table in tables.items()]
    return "; ".join(part for part in parts if not part.endswith(": "))
