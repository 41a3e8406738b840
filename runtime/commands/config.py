"""``equipwatch config`` and ``equipwatch doctor``: what is set, and whether it can work."""

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

app = typer.Typer(help="Settings: show them, or print a sample file.", no_args_is_help=True)


@app.command()
def sample() -> None:
    """Print equipwatch.toml with every setting at its default."""
    from runtime.settings import sample as text

    typer.echo(text(), nl=False)


@app.command()
def show(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Print the settings in force; secrets are masked."""
    from runtime.output import emit
    from runtime.settings import load

    emit(load(data).model_dump(mode="json"), as_json=as_json)


def doctor(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Check settings, stores, broker program and free disk; exit 4 when something is wrong."""
    from runtime.doctor import examine
    from runtime.output import emit
    from runtime.settings import load
    from runtime.site import Site

    checks = examine(load(data), Site(data))
    emit({"checks": [check.report() for check in checks]}, as_json=as_json)
    if not all(check.ok for check in checks):
        raise typer.Exit(4)
