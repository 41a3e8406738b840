"""``equipwatch demo``: the whole service on a simulated district."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands.options import AsJson


def demo(
    devices: Annotated[int, typer.Option(min=12, max=2_000, help="Simulated devices.")] = 200,
    seconds: Annotated[
        float | None, typer.Option(min=60, help="Length; default: until Ctrl-C.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; drawn and printed when missing.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="New directory for everything; default demo-data/."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run broker, service and simulated devices; faults become incidents within two minutes.

    Exit code 4 when something was lost, doubled, missed or made up.
    """
    import logging

    from runtime.demo import DemoOptions, run_demo
    from runtime.output import configure_logging, emit

    configure_logging(logging.WARNING)
    report = run_demo(
        DemoOptions(devices=devices, seconds=seconds, seed=seed, data=data),
        lambda text: typer.echo(text, err=True),
    )
    emit(report, as_json=as_json)
    if any(report[key] for key in ("lost", "duplicated", "missed", "spurious", "unpublished")):
        raise typer.Exit(4)
