"""What the postgres extension offers; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def catalog_databases() -> dict[str, str]:
    return {"postgresql": "intonaco.ext.postgres.database:PostgresDatabase"}
