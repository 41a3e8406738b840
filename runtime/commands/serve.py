"""``equipwatch serve``: run the service."""

from enum import StrEnum
from typing import Annotated

import typer

from runtime.commands.options import DEFAULT_DATA, Data


class RoleName(StrEnum):
    """Parts of the service that may run as processes of their own."""

    INGEST = "ingest"
    PIPELINE = "pipeline"
    DISPATCH = "dispatch"
    API = "api"


def serve(
    data: Data = DEFAULT_DATA,
    role: Annotated[
        list[RoleName] | None,
        typer.Option(help="Run only this part, in this process; default: all, supervised."),
    ] = None,
    http_host: Annotated[str | None, typer.Option(help="Address of API and console.")] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Port of API and console; 0 = a free one.")
    ] = None,
    mqtt_host: Annotated[str | None, typer.Option(help="Address of our own broker.")] = None,
    mqtt_port: Annotated[
        int | None, typer.Option(help="Port of our own broker; 0 = a free one.")
    ] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    from runtime.output import configure_logging
    from runtime.settings import load
    from runtime.site import Site

    configure_logging()
    overrides = {
        "http.host": http_host,
        "http.port": http_port,
        "broker.host": mqtt_host,
        "broker.port": mqtt_port,
    }
    settings = load(data, overrides)
    site = Site(data.absolute())
    roles = [entry.value for entry in role or ()]
    if not roles:
        from runtime.serve import supervise

        supervise(settings, site)
    elif roles == [RoleName.INGEST]:
        from runtime.serve import run_ingest

        raise typer.Exit(run_ingest(settings, site))
    else:
        from domain.errors import UsageError
        from runtime.core import run_core

        if RoleName.INGEST in roles:
            raise UsageError("ingest runs in a process of its own: --role ingest alone")
        raise typer.Exit(run_core(settings, site, roles))
