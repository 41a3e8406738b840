"""``equipwatch config`` and ``equipwatch doctor``: what is set, and whether it can work."""

from typing import TYPE_CHECKING

import typer

from runtime.commands.options import DEFAULT_DATA, AsJson, Data

if TYPE_CHECKING:
    from pathlib import Path

    from domain.shadow import Parameters
    from runtime.settings import Settings

app = typer.Typer(help="Settings: show them, or print a sample file.", no_args_is_help=True)


@app.command()
def sample() -> None:
    """Print equipwatch.toml with every setting at its default."""
    from runtime.settings import sample as text

    typer.echo(text(), nl=False)


@app.command()
def show(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Print the settings in force, and the candidates promoted over them; secrets are masked."""
    from domain.shadow import merged
    from runtime.output import emit
    from runtime.settings import load

    settings = load(data)
    report = settings.model_dump(mode="json")
    promoted = _promoted(data, settings)
    report["promoted"] = promoted
    report["detectors"] = merged((settings.detectors, *promoted.values()))
    emit(report, as_json=as_json)


def _promoted(data: "Path", settings: "Settings") -> "dict[str, Parameters]":
    """Parameters of promoted candidates by name; none where there is no state store yet."""
    from api import candidates
    from runtime.site import Site
    from runtime.wiring import using_state

    if not settings.state.url and not Site(data).state_file.exists():
        return {}
    with using_state(data) as state, state.reading() as tx:
        return {one.name: one.parameters for one in candidates.promoted(tx)}


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
