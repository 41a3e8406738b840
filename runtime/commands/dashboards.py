"""``equipwatch dashboards``: generate Grafana dashboards, and push them."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import AsJson

app = typer.Typer(help="Grafana dashboards as code.", no_args_is_help=True)


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 4 when a file is out of date.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write dashboards/generated from the code (needs the development dependencies)."""
    from domain.errors import UsageError
    from runtime.output import emit

    try:
        from dashboards.build import outdated, write
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is missing: install the dependency group 'dev' to build dashboards"
        ) from error
    if not check:
        emit({"written": write()}, as_json=as_json)
        return
    stale = outdated()
    emit({"outdated": stale}, as_json=as_json)
    if stale:
        raise typer.Exit(4)


@app.command()
def push(
    url: Annotated[str, typer.Option(help="Grafana's address.", envvar="GRAFANA_URL")],
    token: Annotated[str, typer.Option(help="Service account token.", envvar="GRAFANA_TOKEN")],
    directory: Annotated[
        Path | None, typer.Option(help="Directory of dashboard JSON; default: the shipped ones.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create or replace the dashboards in a running Grafana."""
    from dashboards import GENERATED
    from dashboards.push import push as send
    from runtime.output import emit

    emit({"pushed": send(url, token, directory or GENERATED)}, as_json=as_json)
