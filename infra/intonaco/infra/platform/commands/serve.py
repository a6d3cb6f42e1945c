"""`intonaco serve`: answer requests for all that is deployed."""

import json

import click

from intonaco.infra.platform.cli import open_workspace

__all__ = ["serve"]


@click.command()
@click.option("--host", default=None, help="Address to listen on; beyond loopback only with a token (serving.token).")
@click.option("--port", default=None, type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--grpc-port", default=None, type=click.IntRange(-1, 65535), help="Port for gRPC; 0 takes a free one, -1 leaves gRPC off.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the server is ready.")
def serve(host: str | None, port: int | None, grpc_port: int | None, as_json: bool) -> None:
    """Serve what is deployed, and what will be, until SIGTERM or Ctrl-C."""
    import os

    from intonaco.infra.serving.server import server

    def ready(url: str, grpc_address: str) -> None:
        told = {"url": url, "pid": os.getpid(), "next": f"curl {url}/v2/health/ready"} | ({"grpc": grpc_address} if grpc_address else {})
        where = f"{url}, and over gRPC at {grpc_address}" if grpc_address else url
        click.echo(json.dumps(told) if as_json else f"Serving at {where}; Ctrl-C stops it.\n\nNext: {told['next']}")

    with open_workspace() as workspace:
        workspace.require_for_platform()
        server.serve(workspace, host=host, port=port, grpc_port=grpc_port, on_ready=ready)
